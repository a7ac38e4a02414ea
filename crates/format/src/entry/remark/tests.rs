use proptest::prelude::*;

use super::*;
use crate::Kind;

fn remark(reason: Option<&str>) -> Remark {
    let reason = reason.map(str::to_owned);
    Remark { version: REMARK_VERSION, reason, tool: "lifeboat 0.1.0".to_owned() }
}

#[test]
fn remarks_come_back() {
    for reason in [None, Some(""), Some("case 7 \"v.\" 8\n")] {
        let remark = remark(reason);
        assert_eq!(Remark::decode(&remark.encode()), Ok(remark));
    }
    let text = br#"{"version":1,"reason":"case 7","tool":"lifeboat 0.1.0"}"#;
    assert_eq!(remark(Some("case 7")).encode(), text);
    let newer = br#"{"version":1,"mood":"fine","reason":"case 7","tool":"lifeboat 0.1.0"}"#;
    assert_eq!(Remark::decode(newer), Ok(remark(Some("case 7"))));
}

#[test]
fn refusals() {
    let kind = |text: &str| Remark::decode(text.as_bytes()).unwrap_err().kind();
    assert_eq!(kind(r#"{"version":2,"tool":"x"}"#), Kind::Unsupported);
    for bad in ["", "{}", r#"{"version":0,"tool":"x"}"#, r#"{"version":1}"#, "[1]"] {
        assert_eq!(kind(bad), Kind::Corrupt, "{bad}");
    }
    assert_eq!(kind(r#"{"version":1,"tool":"x"} "y""#), Kind::Corrupt);
    assert_eq!(kind(r#"{"version":1,"tool":"x","reason":5}"#), Kind::Corrupt);
    let long = "x".repeat(REASON_BYTES_MAX + 1);
    assert!(Remark::decode(&remark(Some(&long[1..])).encode()).is_ok());
    let error = Remark::decode(&remark(Some(&long)).encode()).unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("4096")), (Kind::Corrupt, true));
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes: Vec<u8>) {
        drop(Remark::decode(&bytes));
    }
}
