use proptest::prelude::*;

use super::*;
use crate::Kind;

fn config() -> Config {
    let keys = vec![
        GrantedKey { public: PublicKey([4; 32]), roles: vec![SigningRole::Root] },
        GrantedKey { public: PublicKey([5; 32]), roles: vec![SigningRole::Write] },
    ];
    Config::new(
        RepositoryId([1; 16]),
        LogId([2; 16]),
        Time { secs: 1_795_187_045, nanos: 0 },
        "lifeboat 0.1.0".to_owned(),
        keys,
    )
}

#[test]
fn configs_come_back() {
    let bytes = config().encode(&[7; 64]);
    let signed = SignedConfig::decode(&bytes).unwrap();
    assert_eq!(signed.config, config());
    assert_eq!(signed.signature, [7; 64]);
    assert_eq!(signed.message, config().message());
    assert_eq!(config().root(), Some(PublicKey([4; 32])));
    assert_eq!(config().roles(&PublicKey([5; 32])), [SigningRole::Write]);
    assert!(config().roles(&PublicKey([6; 32])).is_empty());
    assert!(config().check_writable().is_ok());
}

#[test]
fn members_unknown_are_signed_and_passed_over() {
    let text = String::from_utf8(config().encode(&[7; 64])).unwrap();
    let text = text.replace(SIGNATURE_MEMBER, &format!(",\n  \"more\": {{}}{SIGNATURE_MEMBER}"));
    let signed = SignedConfig::decode(text.as_bytes()).unwrap();
    assert_eq!(signed.config, config());
    assert!(signed.message.ends_with(b"\"more\": {}"));
}

#[test]
fn newer_formats_and_features_stop() {
    let mut newer = config();
    newer.format = 2;
    let error = SignedConfig::decode(&newer.encode(&[0; 64])).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    assert_eq!(
        error.to_string(),
        "config: a repository of format 2 needs a newer version of Lifeboat"
    );
    let error = SignedConfig::decode(b"{\"format\": 9}").unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);

    let mut read = config();
    read.features.read_required = vec!["parity".to_owned(), "warp".to_owned()];
    let error = SignedConfig::decode(&read.encode(&[0; 64])).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    assert!(error.to_string().ends_with("parity, warp"));

    let mut write = config();
    write.features.write_required = vec!["warp".to_owned()];
    let write = SignedConfig::decode(&write.encode(&[0; 64])).unwrap().config;
    assert_eq!(write.check_writable().unwrap_err().kind(), Kind::Unsupported);
    // What this version knows is no hindrance; an unknown name beside it is.
    let mut exclusive = config();
    assert!(!exclusive.is_exclusive());
    exclusive.features.write_required = vec![EXCLUSIVE.to_owned()];
    let exclusive = SignedConfig::decode(&exclusive.encode(&[0; 64])).unwrap().config;
    assert!(exclusive.is_exclusive());
    exclusive.check_writable().unwrap();
    let mut both = exclusive;
    both.features.write_required.push("warp".to_owned());
    let error = both.check_writable().unwrap_err().to_string();
    assert!(error.ends_with("newer version: warp"), "{error}");
    let mut chunker = config();
    chunker.chunker.id = "prf".to_owned();
    let chunker = SignedConfig::decode(&chunker.encode(&[0; 64])).unwrap().config;
    assert_eq!(chunker.check_writable().unwrap_err().kind(), Kind::Unsupported);
}

#[test]
fn parity_is_left_out_where_there_is_none() {
    let none = String::from_utf8(config().encode(&[7; 64])).unwrap();
    assert!(!none.contains("parity"));
    let mut some = config();
    some.parity = Parity { data_permille: 0, tree_permille: 30 };
    some.features.write_required.push(PARITY.to_owned());
    let text = String::from_utf8(some.encode(&[7; 64])).unwrap();
    let read = SignedConfig::decode(text.as_bytes()).unwrap().config;
    assert_eq!(read, some);
    read.check_writable().unwrap();
    let most = text.replace("\"tree_permille\": 30", "\"tree_permille\": 1000");
    assert_eq!(SignedConfig::decode(most.as_bytes()).unwrap().config.parity.tree_permille, 1000);
    for (from, to) in
        [("30", "1001"), ("30", "-1"), ("30", "65536"), ("30", "3.5"), ("30", "\"3%\"")]
    {
        let case = text.replace(&format!("permille\": {from}"), &format!("permille\": {to}"));
        assert_ne!(case, text);
        let error = SignedConfig::decode(case.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt, "{case}");
    }
}

#[test]
fn refusals() {
    let text = String::from_utf8(config().encode(&[7; 64])).unwrap();
    for case in [
        String::new(),
        "{}".to_owned(),
        text.replace("\"format\": 1", "\"format\": 0"),
        text.replace("\"min\": 16384", "\"min\": 63"),
        text.replace("\"min\": 16384", "\"min\": 131073"),
        text.replace("\"max\": 262144", "\"max\": 16777217"),
        text.replace("\"frame_bytes\": 1048576", "\"frame_bytes\": 16777217"),
        text.replace("\"root\"", "\"route\""),
        text.replace("\"log\"", "\"lag\""),
        text.replace("\"signature\"", "\"signatures\""),
        text.replace("0707\"", "07\""),
        text.trim_end().to_owned(),
        format!("{text}\n"),
        " ".repeat(CONFIG_MAX + 1),
    ] {
        let error = SignedConfig::decode(case.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt, "{case}");
    }
}

proptest! {
    #[test]
    fn texts_come_back(tool in "\\PC*", signature: [u8; 32]) {
        let mut config = config();
        config.tool = tool;
        let mut both = [0; 64];
        both[..32].copy_from_slice(&signature);
        let signed = SignedConfig::decode(&config.encode(&both)).unwrap();
        prop_assert_eq!(&signed.message, &config.message());
        prop_assert_eq!(signed.config, config);
    }

    #[test]
    fn damaged_configs_are_answered(place: prop::sample::Index, byte: u8) {
        let mut bytes = config().encode(&[7; 64]);
        let place = place.index(bytes.len());
        bytes[place] = byte;
        drop(SignedConfig::decode(&bytes));
        drop(SignedConfig::decode(&bytes[..place]));
    }
}

#[test]
fn locks_are_left_out_where_there_are_none_and_odd_ones_are_refused() {
    assert!(!config().unsigned_text().contains("lock"));
    let read = |mode: &str, seconds| {
        let lock = Some(Lock { mode: mode.to_owned(), seconds });
        SignedConfig::decode(&Config { lock, ..config() }.encode(&[7; 64])).map(|read| read.config)
    };
    let locked = read(Lock::COMPLIANCE, 86_400).unwrap();
    assert_eq!(locked.lock.as_ref().unwrap().seconds, 86_400);
    assert!(locked.check_writable().is_ok());
    assert_eq!(read(Lock::GOVERNANCE, 0).unwrap_err().kind(), Kind::Corrupt);
    assert_eq!(read(Lock::GOVERNANCE, LOCK_SECONDS_MAX + 1).unwrap_err().kind(), Kind::Corrupt);
    // A mode of a newer version: it can be read.
    let error = read("eternal", 1).unwrap().check_writable().unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    assert!(error.to_string().contains("eternal"), "{error}");
}
