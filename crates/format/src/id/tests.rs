use super::*;
use crate::Kind;

#[test]
fn text_and_back() {
    let id = SnapshotId([0xa5; 16]);
    assert_eq!(id.to_string(), "a5".repeat(16));
    assert_eq!(id.to_string().parse::<SnapshotId>(), Ok(id));
    assert_eq!(format!("{id:?}"), format!("SnapshotId({})", "a5".repeat(16)));
    let json = serde_json::to_string(&id).unwrap();
    assert_eq!(serde_json::from_str::<SnapshotId>(&json).unwrap(), id);
}

#[test]
fn other_texts_are_refused() {
    let upper = "A5".repeat(16);
    let long = "a5".repeat(17);
    for text in ["", "a5", &upper, &long, &"\u{e9}".repeat(16), "zz"] {
        let error = text.parse::<SnapshotId>().unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(error.to_string().starts_with("snapshot id: hex text: "), "{error}");
    }
}
