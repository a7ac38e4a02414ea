//! Where keys come from, and `key`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use e2e::{Outcome, PASSPHRASE, Place};

/// `lifeboat` without a passphrase in its environment.
fn bare(place: &Place) -> Command {
    let mut command = place.lifeboat();
    command.env_remove("LIFEBOAT_PASSWORD");
    command
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_new_repository_without_a_key_and_a_terminal_is_refused() {
    let place = Place::new();
    place.file("src/a", "a");
    for arguments in [&["backup", "--init", "src"][..], &["init"]] {
        let said = Outcome::of(bare(&place).args(arguments));
        said.expect_code(2).expect_stderr("--key-file");
    }
    assert!(!place.path("home/.config").exists());
    assert!(!place.repository().join("config").exists());
}

#[test]
fn a_key_file_is_made_and_opens() {
    let place = Place::new();
    place.file("src/a", "a");
    let key = place.path("keys/deep/k.key");
    let backup = |place: &Place| {
        Outcome::of(bare(place).args(["backup", "--init", "src", "--key-file"]).arg(&key))
    };
    backup(&place).expect_code(0).expect_stderr("Keep a copy elsewhere");
    assert_eq!(mode(&key), 0o600);
    assert_eq!(mode(key.parent().unwrap()), 0o700);
    let again = backup(&place).expect_code(0);
    assert!(!again.stderr().contains("Keep a copy"), "{again:?}");

    // In the user's configuration folder it is found by the repository's id.
    Outcome::of(bare(&place).arg("snapshots")).expect_code(2).expect_stderr("--key-file");
    let text = fs::read_to_string(&key).unwrap();
    let id = text.lines().find_map(|line| line.strip_prefix("repository ")).unwrap();
    let own = place.file(format!("home/.config/lifeboat/keys/{id}.key"), &text);
    let said = Outcome::of(bare(&place).arg("snapshots")).expect_code(0);
    assert!(said.stdout().contains("2 snapshots"), "{said:?}");
    fs::set_permissions(&own, fs::Permissions::from_mode(0o644)).unwrap();
    let said = Outcome::of(bare(&place).arg("snapshots")).expect_code(0);
    said.expect_stderr("can be read by others");

    // The environment names it, too; a passphrase that is typed goes before.
    let said = Outcome::of(bare(&place).env("LIFEBOAT_KEY_FILE", &key).arg("snapshots"));
    said.expect_code(0);
    let password = place.file("password", "wrong\n");
    let mut command = bare(&place);
    command.env("LIFEBOAT_KEY_FILE", &key).arg("snapshots").arg("--password-file").arg(password);
    Outcome::of(&mut command).expect_code(12);
}

#[test]
fn a_key_file_that_is_missing_hides_no_missing_repository() {
    let place = Place::new();
    let said = Outcome::of(bare(&place).args(["snapshots", "--key-file", "none.key"]));
    said.expect_code(10);
    place.ok(["init"]);
    let said = Outcome::of(bare(&place).args(["snapshots", "--key-file", "none.key"]));
    said.expect_code(1).expect_stderr("none.key");
    let other = place.file("other.key", "not a key\n");
    let said = Outcome::of(bare(&place).args(["snapshots", "--key-file"]).arg(other));
    said.expect_code(2).expect_stderr("is not a key file");
}

#[test]
fn passphrases_come_from_files_and_commands() {
    let place = Place::new();
    place.ok(["init"]);
    let file = place.file("password", format!("{PASSPHRASE}\r\nsecond line\n"));
    Outcome::of(bare(&place).arg("snapshots").arg("--password-file").arg(&file)).expect_code(0);
    Outcome::of(bare(&place).arg("snapshots").env("LIFEBOAT_PASSWORD_FILE", &file)).expect_code(0);
    let command = format!("echo '{PASSPHRASE}'; echo more");
    let said = Outcome::of(bare(&place).args(["snapshots", "--password-command", &command]));
    said.expect_code(0);
    let said = Outcome::of(bare(&place).args(["snapshots", "--password-command", "exit 3"]));
    said.expect_code(1).expect_stderr("the password command failed");
    let empty = place.file("empty", "\nsecond\n");
    let said = Outcome::of(bare(&place).arg("snapshots").arg("--password-file").arg(empty));
    said.expect_code(1).expect_stderr("the first line is empty");
}

#[test]
fn slots_come_and_go() {
    let place = super::place_with_two_snapshots();
    let added = place.json(["key", "add", "--new-key-file", "k.key", "--label", "vault"]);
    assert_eq!(added["file"], "k.key");
    let listed = place.json(["key", "list"]);
    let slots = listed["slots"].as_array().unwrap();
    assert_eq!(slots.len(), 2);
    let vault = slots.iter().find(|slot| slot["label"] == "vault").unwrap();
    assert_eq!((&vault["kind"], &vault["current"]), (&"key-file".into(), &false.into()));
    let current = slots.iter().find(|slot| slot["current"] == true).unwrap()["slot"].clone();
    place.ok(["key", "remove", current.as_str().unwrap()]);
    place.run(["snapshots"]).expect_code(12);
    let with_file = |arguments: &[&str]| {
        Outcome::of(bare(&place).args(["--key-file", "k.key"]).args(arguments))
    };
    with_file(&["snapshots"]).expect_code(0);
    let only = added["slot"].as_str().unwrap();
    with_file(&["key", "remove", only]).expect_code(2).expect_stderr("the last one");
    let mut add = bare(&place);
    add.args(["--key-file", "k.key", "key", "add"]).env("LIFEBOAT_NEW_PASSWORD", PASSPHRASE);
    Outcome::of(&mut add).expect_code(0);
    place.ok(["snapshots"]);
}

#[test]
fn a_passphrase_is_changed() {
    let place = super::place_with_two_snapshots();
    place.run(["key", "passwd"]).expect_code(2).expect_stderr("LIFEBOAT_NEW_PASSWORD");
    let file = place.file("new", "another one\n");
    let mut passwd = place.lifeboat();
    passwd.args(["key", "passwd", "--new-password-file"]).arg(file);
    Outcome::of(&mut passwd).expect_code(0);
    place.run(["snapshots"]).expect_code(12);
    let said = Outcome::of(place.lifeboat().env("LIFEBOAT_PASSWORD", "another one").arg("check"));
    said.expect_code(0);
}

#[test]
fn a_recovery_sheet_opens_what_lost_its_config_and_slots() {
    let place = super::place_with_two_snapshots();
    place.ok(["key", "export", "sheet.txt"]);
    assert_eq!(mode(&place.path("sheet.txt")), 0o600);
    place.run(["key", "export", "sheet.txt"]).expect_code(1).expect_stderr("is there already");
    assert_eq!(place.json(["key", "list"])["slots"].as_array().unwrap().len(), 2);
    fs::remove_file(place.repository().join("config")).unwrap();
    fs::remove_dir_all(place.repository().join("keys")).unwrap();
    place.run(["snapshots"]).expect_code(4);
    let sheet = |arguments: &[&str]| {
        Outcome::of(bare(&place).args(["--key-file", "sheet.txt"]).args(arguments))
    };
    sheet(&["restore", "latest", "--target", "out"]).expect_code(0).expect_stderr("sheet's copy");
    let restored = place.path(format!("out{}", place.path("src/a.txt").display()));
    assert_eq!(fs::read(restored).unwrap(), b"second, longer\n");
    sheet(&["backup", "src"]).expect_code(1).expect_stderr("'config' is missing");
}

#[test]
fn a_new_repository_takes_a_passphrase_of_the_environment_beside_a_key_file() {
    let place = Place::new();
    place.ok(["init", "--key-file", "own.key"]);
    place.ok(["snapshots"]);
    Outcome::of(bare(&place).args(["snapshots", "--key-file", "own.key"])).expect_code(0);
    let slots = place.json(["key", "list"]);
    assert_eq!(slots["slots"].as_array().unwrap().len(), 2, "{slots:#}");
    // A key file that is typed is meant, whatever the environment says.
    let mut command = place.lifeboat();
    command.env("LIFEBOAT_PASSWORD", "wrong").args(["snapshots", "--key-file", "own.key"]);
    Outcome::of(&mut command).expect_code(0);
}

#[test]
fn a_password_command_is_waited_for_and_what_it_leaves_behind_is_not() {
    let place = Place::new();
    place.ok(["init"]);
    let begun = std::time::Instant::now();
    for command in [
        format!("sleep 60 2>&1 & echo '{PASSPHRASE}'"),
        format!("echo '{PASSPHRASE}'; head -c 1000000 /dev/zero; printf '\\377'"),
        format!("printf '{PASSPHRASE}\\r\\n'"),
        format!("printf '{PASSPHRASE}'"),
    ] {
        let said = Outcome::of(bare(&place).args(["snapshots", "--password-command", &command]));
        said.expect_code(0);
    }
    assert!(begun.elapsed().as_secs() < 50, "it waited for the background");
    let failing = format!("echo '{PASSPHRASE}'; exit 3");
    let said = Outcome::of(bare(&place).args(["snapshots", "--password-command", &failing]));
    said.expect_code(1).expect_stderr("the password command failed");
}
