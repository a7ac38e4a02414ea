use super::*;

#[test]
fn groups_by_what_they_are_called() {
    let facts = Facts {
        node: "k".to_owned(),
        source: "s".to_owned(),
        host: "h".to_owned(),
        paths: vec!["/b".to_owned(), "/a".to_owned()],
        tags: vec!["y".to_owned(), "x".to_owned()],
        policy: None,
    };
    let by = |text: &str| text.parse::<GroupBy>().unwrap().of(&facts).join("|");
    let found = ["node", "source", "host", "paths", "tags", "policy"].map(by);
    assert_eq!(found, ["k", "s", "h", "/a|/b", "x|y", ""]);
    assert_eq!("path".parse::<GroupBy>().map(GroupBy::name), Ok("paths"));
    let error = "nodes".parse::<GroupBy>().unwrap_err().to_string();
    assert!(error.contains("policy"), "{error}");
}
