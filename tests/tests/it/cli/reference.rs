//! docs/cli.md is what the program says of itself.

use e2e::Place;

const REFERENCE: &str = include_str!("../../../../docs/cli.md");

#[test]
fn the_reference_is_up_to_date() {
    let printed = Place::new().ok(["reference"]).stdout();
    assert!(printed == REFERENCE, "docs/cli.md: `cargo xtask tidy --write`");
}

#[test]
fn every_document_is_described() {
    let types = "initialized backup_summary explanation restore_summary snapshots ls find diff file \
                 object tags stats key_slots key_added key_removed key_changed key_exported \
                 check_summary completions mounted problem exit_error";
    for name in types.split_whitespace() {
        assert!(REFERENCE.contains(&format!("`{name}`")), "{name} is not in docs/cli.md");
    }
}

#[test]
fn every_shell_gets_its_completions() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(place.ok(["completions", shell]).stdout().contains("lifeboat"), "{shell}");
    }
}
