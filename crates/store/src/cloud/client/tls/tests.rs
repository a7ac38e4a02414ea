use super::*;

/// A certificate of an authority that was made for this test: it signs nothing.
const AUTHORITY: &str = include_str!("authority.pem");

fn refusal(text: &str) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let error = config(Some(file.path()), true).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    error.to_string()
}

#[test]
fn a_file_of_authorities_is_enough() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("a comment\n{AUTHORITY}\n{AUTHORITY}")).unwrap();
    let config = config(Some(file.path()), true).unwrap();
    assert_eq!(config.alpn_protocols, [b"http/1.1"]);
}

#[test]
fn a_file_that_is_of_no_use_is_refused() {
    assert!(refusal("").contains("no certificate in it"));
    assert!(
        refusal("-----BEGIN CERTIFICATE-----\n%\n-----END CERTIFICATE-----\n").contains("(PEM)")
    );
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(refusal(nonsense).contains("can't be used"));
    let error = config(Some(Path::new("/no/such/file.pem")), false).unwrap_err();
    assert!(error.to_string().starts_with("open /no/such/file.pem: "), "{error}");
}

#[test]
fn http_needs_no_authority() {
    config(None, false).unwrap();
}
