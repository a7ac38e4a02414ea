use super::*;
use crate::Kind;

fn bundle() -> KeyBundle {
    let signing = SigningSecret {
        public: PublicKey([4; 32]),
        secret: Secret32::new([5; 32]),
        roles: vec![SigningRole::Root, SigningRole::Write, SigningRole::Other("audit".into())],
    };
    KeyBundle::new(
        RepositoryId([1; 16]),
        PublicKey([4; 32]),
        ContentKeys::derive(&Secret32::new([2; 32])),
        vec![EpochKeys::derive(0, &Secret32::new([3; 32]))],
        vec![signing],
    )
}

#[test]
fn bundles_come_back() {
    let bundle = bundle();
    let encoded = bundle.encode();
    assert_eq!(KeyBundle::decode(&encoded), Ok(bundle.clone()));
    assert_eq!(bundle.signing_key(&SigningRole::Write), bundle.signing.first());
    assert_eq!(bundle.signing_key(&SigningRole::Maintain), None);
    assert_eq!(bundle.epoch(0), bundle.newest_epoch());
    assert_eq!(bundle.epoch(1), None);
}

#[test]
fn a_bundle_with_less_power_comes_back() {
    let mut bundle = bundle();
    bundle.signing.clear();
    bundle.epochs[0].data = None;
    let encoded = bundle.encode();
    assert!(!String::from_utf8_lossy(&encoded).contains("\"data\""));
    assert_eq!(KeyBundle::decode(&encoded), Ok(bundle));
}

#[test]
fn encoding_does_not_outgrow_its_room() {
    let mut bundle = bundle();
    bundle.epochs = (0..9).map(|epoch| EpochKeys::derive(epoch, &Secret32::new([3; 32]))).collect();
    let keys = 4 + 5 * 9 + 2;
    assert!(bundle.encode().len() <= 1024 + 160 * keys);
}

#[test]
fn secrets_are_not_printed() {
    let text = format!("{:?}", bundle());
    assert!(text.contains("secret: Secret32(..)") && !text.contains("05"), "{text}");
}

#[test]
fn refusals() {
    let text = String::from_utf8(bundle().encode().to_vec()).unwrap();
    let newer = text.replace("\"version\":1", "\"version\":2,\"more\":[]");
    assert_eq!(KeyBundle::decode(newer.as_bytes()).unwrap_err().kind(), Kind::Unsupported);
    let cases = [
        String::new(),
        "[]".to_owned(),
        text.replace("\"version\":1", "\"version\":0"),
        text.replace("\"epoch\":0", "\"epoch\":-1"),
        text.replacen("\"cut\":\"", "\"cut\":\"0", 1),
        text.replace("\"root_public\"", "\"root\""),
        text.split_once("\"epochs\":[").unwrap().0.to_owned() + "\"epochs\":[],\"signing\":[]}",
        format!("{text}x"),
    ];
    for case in cases {
        assert_eq!(KeyBundle::decode(case.as_bytes()).unwrap_err().kind(), Kind::Corrupt, "{case}");
    }
    let mut twice = bundle();
    twice.epochs.push(twice.epochs[0].clone());
    assert_eq!(KeyBundle::decode(&twice.encode()).unwrap_err().kind(), Kind::Corrupt);
}
