//! The binary starts, tells its version, and refuses what it does not know.

use e2e::Place;

#[test]
fn tells_its_version() {
    let said = Place::new().ok(["--version"]).stdout();
    assert_eq!(said.trim(), concat!("lifeboat ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn refuses_an_unknown_command() {
    let outcome = Place::new().run(["sink"]);
    assert_ne!(outcome.code(), Some(0), "{outcome:?}");
    assert!(outcome.stderr().contains("sink"), "{outcome:?}");
}
