use proptest::prelude::*;

use super::*;
use crate::Kind;

fn key_file() -> KeyFile {
    KeyFile {
        repository: RepositoryId([1; 16]),
        key: Secret32::new([0xab; 32]),
        config: None,
        slot: None,
    }
}

#[test]
fn a_key_file_is_four_lines() {
    let text = key_file().to_text("Keep this.\n\nElsewhere, too.");
    let (id, key) = ("01".repeat(16), "ab".repeat(32));
    let expected = format!(
        "# Keep this.\n#\n# Elsewhere, too.\nlifeboat-key-file 1\nrepository {id}\nkey {key}\n"
    );
    assert_eq!(*text, expected);
    assert_eq!(KeyFile::parse(&text), Ok(key_file()));
}

#[test]
fn what_was_typed_from_paper_works() {
    let text = format!(
        "\r\n  lifeboat-key-file   1\r\n# hm\r\n\tkey {} \n\nrepository {}\n",
        "abab ".repeat(16),
        "01 ".repeat(16)
    );
    assert_eq!(KeyFile::parse(&text), Ok(key_file()));
}

#[test]
fn a_sheet_has_copies() {
    let slot = Some(SheetSlot { id: SlotId([7; 16]), object: vec![9; 100] });
    let sheet = KeyFile { config: Some(vec![8; 33]), slot, ..key_file() };
    let text = sheet.to_text("");
    assert_eq!(text.lines().filter(|line| line.starts_with("slot ")).count(), 4);
    assert_eq!(KeyFile::parse(&text), Ok(sheet));
}

#[test]
fn refusals() {
    let good = key_file().to_text("").to_string();
    for (text, kind, reason) in [
        (String::new(), Kind::Invalid, "key file: has no line \"lifeboat-key-file\""),
        (
            "PK\u{3}".to_owned(),
            Kind::Invalid,
            "key file: line 1: key file: does not begin with \"lifeboat-key-file\"",
        ),
        (
            good.replace("file 1", "file 2"),
            Kind::Unsupported,
            "key file: line 1: key file: version \"2\" is newer than 1",
        ),
        (
            good.replace("key a", "kay a"),
            Kind::Invalid,
            "key file: line 3: key file: an unknown word at its beginning",
        ),
        (
            good.replace("key ab", "key AB"),
            Kind::Invalid,
            "key file: line 3: hex text: 'A' is not a lower-case hex digit",
        ),
        (
            good.replace("key ab", "key "),
            Kind::Invalid,
            "key file: line 3: hex text: expected 64 digits, found 62",
        ),
        (
            format!("{good}repository {}", "01".repeat(16)),
            Kind::Invalid,
            "key file: line 4: key file: says the same thing twice",
        ),
        (format!("{good}slot aa"), Kind::Invalid, "key file: has no line \"slot-id\""),
        (
            format!("{good}slot-id {}", "01".repeat(16)),
            Kind::Invalid,
            "key file: has no line \"slot\"",
        ),
        (format!("{good}config abc"), Kind::Invalid, "hex text: odd length 3"),
        ("lifeboat-key-file 1\n".to_owned(), Kind::Invalid, "key file: has no line \"repository\""),
    ] {
        let error = KeyFile::parse(&text).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (kind, reason), "{text}");
    }
}

proptest! {
    #[test]
    fn key_files_come_back(
        repository: [u8; 16],
        key: [u8; 32],
        config in prop::option::of(prop::collection::vec(any::<u8>(), 1..200)),
        slot in prop::option::of((any::<[u8; 16]>(), prop::collection::vec(any::<u8>(), 1..200))),
        heading in "\\PC{0,40}",
    ) {
        let file = KeyFile {
            repository: RepositoryId(repository),
            key: Secret32::new(key),
            config,
            slot: slot.map(|(id, object)| SheetSlot { id: SlotId(id), object }),
        };
        prop_assert_eq!(KeyFile::parse(&file.to_text(&heading)), Ok(file));
    }

    #[test]
    fn any_text_is_answered(text in "(lifeboat-key-file 1\n)?\\PC{0,80}") {
        drop(KeyFile::parse(&text));
    }
}
