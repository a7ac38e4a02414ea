use std::os::unix::ffi::OsStrExt;

use super::*;

fn parse(text: &str) -> Result<Location> {
    Location::parse(text, Path::new("/home/me"))
}

fn local(text: &str) -> PathBuf {
    let Location::Local(path) = parse(text).unwrap();
    path
}

#[test]
fn paths_are_taken_from_the_working_directory() {
    assert_eq!(local("repo"), Path::new("/home/me/repo"));
    assert_eq!(local("/srv/repo"), Path::new("/srv/repo"));
    assert_eq!(local("../repo"), Path::new("/home/me/../repo"));
    assert_eq!(local("a:b"), Path::new("/home/me/a:b"));
    assert_eq!(local("C:/x"), Path::new("/home/me/C:/x"));
    assert_eq!(local("./s3:x"), Path::new("/home/me/./s3:x"));
    let odd = OsStr::from_bytes(b"/srv/\xff");
    assert_eq!(Location::parse(odd, Path::new("/")).unwrap(), Location::Local(odd.into()));
}

#[test]
fn file_urls_are_decoded() {
    assert_eq!(local("file:///srv/my%20repo"), Path::new("/srv/my repo"));
    assert_eq!(local("file://localhost/srv"), Path::new("/srv"));
    assert_eq!(local("FILE:///srv"), Path::new("/srv"));
    for text in ["file:srv", "file://other/srv", "file:///a?b", "file:///a#b", ""] {
        assert_eq!(parse(text).unwrap_err().kind(), ErrorKind::Invalid, "{text}");
    }
}

#[test]
fn clouds_are_known_but_come_later() {
    for text in ["s3://bucket/x", "s3:https://key:secret@host/x", "gs://b", "az://c", "S3://b"] {
        let error = parse(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{text}");
        assert!(error.to_string().contains("comes with a later version"), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let unknown = parse("ftp://me:secret@host/x").unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::Invalid);
    assert!(!unknown.to_string().contains("secret"), "{unknown}");
}

#[test]
fn opening_what_is_not_there_names_the_path() {
    let dir = tempfile::tempdir().unwrap();
    let location = Location::parse("missing", dir.path()).unwrap();
    let error = location.open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("missing"), "{error}");
    assert_eq!(location.create().unwrap().describe(), location.to_string());
    assert!(location.open().is_ok());
}
