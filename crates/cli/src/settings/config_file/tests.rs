use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn parse(text: &str) -> Result<ConfigFile> {
    ConfigFile::parse("/etc/lifeboat/config.toml".into(), text, Some(Path::new("/home/me")))
}

fn error(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn everything_has_its_member() {
    let file = parse(
        r#"
        default = "prod"
        [repository.prod]
        url = "s3://bucket/prefix"
        password-file = "pass"
        endpoint = "https://s3.example.com"
        region = "eu-west-1"
        path-style = true
        allow-http = false
        ca-file = "~/ca.pem"
        proxy = "http://proxy:3128"
        no-proxy = "localhost"
        storage-class = { "packs/" = "STANDARD_IA" }
        encryption = { kms = "arn:aws:kms:x" }
        object-lock = { mode = "governance", days = 30 }
        tags = { team = "db" }
        limit-upload = "10M"
        limit-download = "off"
        exclusive = true
        sync = "each"
        variables = { AWS_PROFILE = "backup" }
        [repository.disk]
        url = "~/backup"
        encryption = "service"
        "#,
    )
    .unwrap();
    let prod = file.get("prod").unwrap();
    assert_eq!(prod.password_file.as_deref(), Some(Path::new("/etc/lifeboat/pass")));
    assert_eq!(prod.ca_file.as_deref(), Some(Path::new("/home/me/ca.pem")));
    assert!(matches!(&prod.encryption, Some(EncryptionEntry::Kms(key)) if key == "arn:aws:kms:x"));
    let disk = file.get("disk").unwrap();
    assert_eq!(disk.url, "/home/me/backup");
    assert!(matches!(disk.encryption, Some(EncryptionEntry::Service)));
    assert_eq!(file.names().collect::<Vec<_>>(), ["disk", "prod"]);
    assert_eq!(file.default_name(), Some("prod"));
}

#[test]
fn errors_name_the_line_and_no_value() {
    let unknown = error("[repository.a]\nurl = \"x\"\nregoin = \"hunter2\"\n");
    assert!(unknown.contains("config.toml, line 3: unknown field `regoin`"), "{unknown}");
    assert!(!unknown.contains("hunter2"), "{unknown}");
    for member in ["password", "secret-access-key", "sas-token", "passphrase"] {
        let text = error(&format!("[repository.a]\nurl = \"x\"\n{member} = \"hunter2\"\n"));
        assert!(text.contains("line 3") && text.contains("password-file"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
    let wrong = error("[repository.a]\nurl = \"x\"\nexclusive = \"hunter2\"\n");
    assert!(wrong.contains("line 3: invalid type") && !wrong.contains("hunter2"), "{wrong}");
    let broken = error("[repository.a]\nurl = hunter2\n");
    assert!(broken.contains("line 2") && !broken.contains("hunter2"), "{broken}");
    let missing = error("[repository.a]\nregion = \"x\"\n");
    assert!(missing.contains("missing field `url`"), "{missing}");
}

#[test]
fn secrets_in_other_members_are_refused() {
    let cases = [
        "proxy = \"http://me:hunter2@proxy\"",
        "endpoint = \"https://me:hunter2@host\"",
        "variables = { AWS_SECRET_ACCESS_KEY = \"hunter2\" }",
        "password-file = \"a\"\nkey-file = \"b\"",
    ];
    for case in cases {
        let text = error(&format!("[repository.a]\nurl = \"x\"\n{case}\n"));
        assert!(text.contains("[repository.a]: ") && !text.contains("hunter2"), "{text}");
    }
    assert!(error("[repository.\"a/b\"]\nurl = \"x\"\n").contains("neither / nor :"));
    assert!(error("default = \"a\"\n").contains("no [repository.a]"));
}

#[test]
fn what_others_can_change_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    fs::write(&path, "[repository.a]\nurl = \"x\"\n").unwrap();
    let usual = [dir.path().join("missing.toml"), path.clone()];
    let find = || ConfigFile::find(None, &usual, None);
    let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    assert_eq!(find().unwrap().path.as_deref(), Some(path.as_path()));
    mode(0o664);
    let refused = find().unwrap_err().to_string();
    assert!(refused.contains("mode 664") && refused.contains("chmod go-w"), "{refused}");
    assert!(ConfigFile::find(Some(dir.path().join("x")), &usual, None).is_err());
    assert!(ConfigFile::find(None, &usual[..1], None).unwrap().path.is_none());
}
