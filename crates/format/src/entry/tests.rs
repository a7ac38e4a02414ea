use proptest::prelude::*;

use super::*;
use crate::locks::{Extended, LeftObject};
use crate::scrub::{Condition, ShortName};
use crate::{Kind, hex};

pub(crate) fn name(first: u8) -> ObjectName {
    ObjectName { hash: ObjectHash([first; 32]), upload: [first; 8] }
}

fn header() -> LogHeader {
    LogHeader {
        log: LogId([1; 16]),
        number: 5,
        previous: ObjectHash([2; 32]),
        kind: LogKind::Commit,
        may_skip: false,
        run: RunId([3; 16]),
        nonce: [4; 16],
        objects: vec![ListedObject { kind: ObjectKind::Pack, name: name(6), size: 1 << 25 }],
        relied: vec![ReliedObject { kind: ObjectKind::Tree, name: name(7) }],
        snapshots: vec![ListedSnapshot { id: SnapshotId([8; 16]), sealed: vec![9; 30] }],
        merged: Vec::new(),
        prefixes: Vec::new(),
        mark: None,
        closes: None,
        gone: Vec::new(),
        ids: Vec::new(),
        until: None,
        time: None,
        scrub: None,
        locks: None,
    }
}

fn locks(through: u64) -> LockNote {
    let left = [(ShortName([3; 16]), LeftObject { until: through, bytes: 1 })];
    LockNote { extended: Some(Extended { through, until: 9 }), left: left.into() }
}

fn scrub(when: u64) -> ScrubNote {
    let objects = [
        (ShortName::from(&name(1)), Condition::Verified),
        (ShortName::from(&name(2)), Condition::Damaged(vec![1, 9])),
    ];
    ScrubNote { when, objects: objects.into() }
}

fn entry(header: &LogHeader, body: &[u8]) -> Vec<u8> {
    let unsigned = LogEntry::unsigned(header, body, &PublicKey([10; 32]));
    LogEntry::assemble(unsigned, &[11; 64]).unwrap()
}

#[test]
fn entries_come_back() {
    let bytes = entry(&header(), b"sealed");
    let decoded = LogEntry::decode(&bytes).unwrap();
    assert_eq!(decoded.header, header());
    assert_eq!((&decoded.body[..], decoded.public), (&b"sealed"[..], PublicKey([10; 32])));
    assert_eq!(decoded.signature, [11; 64]);
    let unsigned = LogEntry::unsigned(&header(), b"sealed", &PublicKey([10; 32]));
    assert_eq!(LogEntry::signed_part(&bytes), unsigned);
    assert!(LogEntry::message(&unsigned).starts_with(b"lifeboat 1 log entryLBLOGENT"));
}

#[test]
fn what_was_merged_stands_there_only_where_something_was() {
    let merged = LogHeader { merged: vec![name(1), name(2)], ..header() };
    assert_eq!(LogEntry::decode(&entry(&merged, b"")).unwrap().header, merged);
    let prefixes = vec![IdPrefix::new(4, 3).unwrap(); merged.objects.len()];
    let divided = LogHeader { prefixes, ..merged.clone() };
    assert_eq!(LogEntry::decode(&entry(&divided, b"")).unwrap().header, divided);
    // One for each object.
    let prefixes = vec![IdPrefix::WHOLE; merged.objects.len() + 1];
    assert!(LogEntry::decode(&entry(&LogHeader { prefixes, ..merged.clone() }, b"")).is_err());
    // [[hash, upload], ..]
    let encoded = merged.encode();
    let tail = &encoded[header().encode().len()..];
    assert_eq!((encoded[0], &tail[..5]), (0xab, &[10, 0x82, 0x82, 0x58, 32][..]));
    // Nothing is shown as nothing, however it is written.
    let mut empty = header().encode();
    empty[0] = 0xab;
    empty.extend([10, 0x80]);
    assert_eq!(LogHeader::decode(&empty), Ok(header()));
}

#[test]
fn what_is_kept_and_let_go_stands_there_only_where_it_is_said() {
    let ids = vec![SnapshotId([1; 16]), SnapshotId([2; 16])];
    let kinds = [LogKind::Forget, LogKind::Restore, LogKind::Hold];
    for (kind, until) in kinds.into_iter().zip([None, Some(Until::Time(7)), Some(Until::Forever)]) {
        let said = LogHeader { kind, ids: ids.clone(), until, time: Some(300), ..header() };
        assert_eq!(LogEntry::decode(&entry(&said, b"")).unwrap().header, said);
    }
    // 12: [id], 13: 2^64 - 1, 14: 300
    let said = LogHeader {
        ids: ids[..1].to_vec(),
        until: Some(Until::Forever),
        time: Some(300),
        ..header()
    };
    let encoded = said.encode();
    let tail = &encoded[header().encode().len()..];
    let forever = [&[13, 0x1b][..], &[0xff; 8], &[14, 0x19, 1, 44]].concat();
    assert_eq!((encoded[0], &tail[..3], &tail[19..]), (0xad, &[12, 0x81, 0x50][..], &forever[..]));
    // An id is of sixteen bytes, a time is a number.
    let refused = |tail: &[u8]| {
        let mut encoded = header().encode();
        encoded[0] = 0xab;
        encoded.extend(tail);
        LogHeader::decode(&encoded).unwrap_err().kind()
    };
    assert_eq!(refused(&[12, 0x81, 0x41, 1]), Kind::Corrupt);
    assert_eq!(refused(&[12, 1]), Kind::Corrupt);
    assert_eq!(refused(&[13, 0x20]), Kind::Corrupt);
    assert_eq!(refused(&[14, 0x41, 1]), Kind::Corrupt);
}

#[test]
fn unknown_kinds_are_read_and_left_to_the_fold() {
    for number in 0..=255 {
        assert_eq!(LogKind::from_number(number).number(), number);
    }
    let header = LogHeader { kind: LogKind::Other(99), may_skip: true, ..header() };
    assert_eq!(LogEntry::decode(&entry(&header, b"")).unwrap().header, header);
}

#[test]
fn fields_of_a_newer_version_are_passed_over() {
    let mut encoded = header().encode();
    encoded[0] = 0xac;
    // 15: {1: 2}, 300: "x"
    encoded.extend(hex::decode("0fa10102 19012c6178".replace(' ', "").as_str()).unwrap());
    assert_eq!(LogHeader::decode(&encoded), Ok(header()));
}

#[test]
fn refusals() {
    let good = entry(&header(), b"sealed");
    let error = |bytes: &[u8]| LogEntry::decode(bytes).unwrap_err();
    let mut bytes = good.clone();
    bytes[8] = 2;
    assert_eq!(error(&bytes).kind(), Kind::Unsupported);
    let mut long = good.clone();
    long.push(0);
    assert_eq!(error(&long).kind(), Kind::Corrupt);
    for cut in [0, 7, 12, 16, 100, good.len() - 1] {
        assert_eq!(error(&good[..cut]).kind(), Kind::Corrupt);
    }
    assert!(error(&vec![0; LOG_ENTRY_MAX + 1]).to_string().contains("more than 16777216"));
    let unsigned = vec![0; LOG_ENTRY_MAX - 63];
    assert_eq!(LogEntry::assemble(unsigned, &[0; 64]).unwrap_err().kind(), Kind::Invalid);

    let encoded = header().encode();
    let header_error = |bytes: &[u8]| LogHeader::decode(bytes).unwrap_err().to_string();
    let missing = "log entry header: at byte 18: field 1 is missing";
    assert_eq!(header_error(&[&[0xa1], &encoded[1..19]].concat()), missing.replace("18", "19"));
    let wrong = "log entry header: at byte 1: field 1 where 0 must stand";
    assert_eq!(header_error(&[0xa1, 1, 0]), wrong);
    assert_eq!(header_error(&[0xa0]), "log entry header: at byte 1: field 0 is missing");
    let mut twice = encoded.clone();
    twice[0] = 0xab;
    twice.extend([9, 0x80]);
    assert!(header_error(&twice).ends_with("field 9 where 10 must stand"));
}

/// A reader of commits does not stop, nor pass over one, for what is no matter of commits.
#[test]
fn only_notes_say_what_scrubs_have_found() {
    let note = LogHeader { kind: LogKind::Note, scrub: Some(scrub(7)), ..header() };
    assert_eq!(LogEntry::decode(&entry(&note, b"")).unwrap().header, note);
    let commit = LogHeader { scrub: Some(scrub(7)), ..header() };
    assert_eq!(LogEntry::decode(&entry(&commit, b"")).unwrap().header, header());
    let mut odd = note.encode();
    let len = odd.len();
    odd[len - 1] = 0;
    assert!(LogHeader::decode(&odd).is_err(), "stripes that do not ascend");
}

#[test]
fn only_notes_say_what_is_locked() {
    let note = LogHeader { kind: LogKind::Note, locks: Some(locks(7)), ..header() };
    assert_eq!(LogEntry::decode(&entry(&note, b"")).unwrap().header, note);
    let commit = LogHeader { locks: Some(locks(7)), ..header() };
    assert_eq!(LogEntry::decode(&entry(&commit, b"")).unwrap().header, header());
}

#[test]
fn objects_of_unknown_kinds_are_refused() {
    let header = header();
    let mut encoded = header.encode();
    let place = encoded.windows(3).position(|bytes| bytes == [0x84, 1, 0x58]).unwrap();
    encoded[place + 1] = 4;
    let error = LogHeader::decode(&encoded).unwrap_err();
    assert!(error.to_string().ends_with("objects of kind 4"), "{error}");
    let keys =
        [ObjectKind::Pack, ObjectKind::Tree, ObjectKind::Index].map(|kind| kind.key(name(1)));
    assert_eq!(
        keys,
        [ObjectKey::Pack(name(1)), ObjectKey::Tree(name(1)), ObjectKey::Index(name(1))]
    );
}

prop_compose! {
    fn headers()(
        ids in any::<([u8; 16], u64, [u8; 32], u8, bool, [u8; 16], [u8; 16])>(),
        objects in prop::collection::vec(any::<(u8, u8, u64)>(), 0..5),
        snapshots in prop::collection::vec((any::<[u8; 16]>(), prop::collection::vec(any::<u8>(), 0..50)), 0..4),
        merged in prop::collection::vec(any::<u8>(), 0..4),
        prefixes: Option<(u8, u32)>,
        collected in any::<(Option<u64>, Option<u64>)>(),
        gone in prop::collection::vec(any::<[u8; 16]>(), 0..4),
        keeping in any::<(Vec<[u8; 16]>, Option<u64>, Option<u64>)>(),
    ) -> LogHeader {
        let (log, number, previous, kind, may_skip, run, nonce) = ids;
        let kind_of = |number: u8| [ObjectKind::Pack, ObjectKind::Tree, ObjectKind::Index][usize::from(number % 3)];
        LogHeader {
            log: LogId(log),
            number,
            previous: ObjectHash(previous),
            kind: LogKind::from_number(kind),
            may_skip,
            run: RunId(run),
            nonce,
            objects: objects.iter().map(|(kind, first, size)| ListedObject {
                kind: kind_of(*kind), name: name(*first), size: *size,
            }).collect(),
            relied: objects.iter().map(|(kind, first, _)| ReliedObject {
                kind: kind_of(*kind), name: name(*first),
            }).collect(),
            snapshots: snapshots.into_iter().map(|(id, sealed)| ListedSnapshot { id: SnapshotId(id), sealed }).collect(),
            merged: merged.into_iter().map(name).collect(),
            prefixes: prefixes.map_or(Vec::new(), |(bits, value)| {
                let (bits, value) = (bits % 33, value.checked_shr(32 - u32::from(bits % 33)).unwrap_or(0));
                vec![IdPrefix::new(bits, value).unwrap(); objects.len()]
            }),
            mark: collected.0,
            closes: collected.1,
            gone: gone.into_iter().map(SnapshotId).collect(),
            ids: keeping.0.into_iter().map(SnapshotId).collect(),
            until: keeping.1.map(Until::from_number),
            time: keeping.2,
            scrub: (kind == LogKind::Note.number()).then(|| scrub(number)),
            locks: (kind == LogKind::Note.number()).then(|| locks(number)),
        }
    }
}

proptest! {
    #[test]
    fn random_entries_come_back(header in headers(), body: Vec<u8>) {
        let decoded = LogEntry::decode(&entry(&header, &body)).unwrap();
        prop_assert_eq!((decoded.header, decoded.body), (header, body));
    }

    #[test]
    fn damaged_entries_are_answered(header in headers(), place: prop::sample::Index, bits: u8) {
        let mut bytes = entry(&header, b"body");
        let place = place.index(bytes.len());
        bytes[place] ^= bits;
        drop(LogEntry::decode(&bytes));
        drop(LogEntry::decode(&bytes[..place]));
    }

    #[test]
    fn any_bytes_are_answered(bytes: Vec<u8>) {
        drop(LogHeader::decode(&bytes));
        drop(LogEntry::decode(&[&MAGIC[..], &[1, 0, 0, 0, 4, 0, 0, 0], &bytes].concat()));
    }
}
