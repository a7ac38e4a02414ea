use serde_json::{Value, json};

use super::of_package;

fn package(name: &str, to: &str, kind: Option<&str>) -> Value {
    json!({"name": name, "dependencies": [{"name": to, "kind": kind}]})
}

#[test]
fn drawn_arrows_pass() {
    for (name, to, kind) in [
        ("lifeboat-codec", "lifeboat-format", None),
        ("lifeboat-codec", "zstd", None),
        ("lifeboat-repo", "lifeboat-testkit", Some("dev")),
        ("e2e", "lifeboat", Some("dev")),
    ] {
        assert_eq!(of_package(&package(name, to, kind)), Vec::<String>::new(), "{name} -> {to}");
    }
}

#[test]
fn other_arrows_do_not() {
    for (name, to, kind) in [
        ("lifeboat-format", "lifeboat-codec", None),
        ("lifeboat-store", "lifeboat-format", None),
        ("lifeboat-repo", "lifeboat", Some("dev")),
        ("lifeboat-repo", "lifeboat-testkit", None),
        ("lifeboat-format", "tokio", None),
        ("lifeboat-agent", "serde", None),
    ] {
        assert_eq!(of_package(&package(name, to, kind)).len(), 1, "{name} -> {to}");
    }
}
