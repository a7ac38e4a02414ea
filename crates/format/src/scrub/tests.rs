use proptest::prelude::*;

use super::*;
use crate::Kind;
use crate::id::ObjectHash;

fn name(byte: u8) -> ShortName {
    ShortName([byte; 16])
}

fn note() -> ScrubNote {
    let objects = [
        (name(1), Condition::Verified),
        (name(2), Condition::Whole),
        (name(3), Condition::Mendable(vec![0, 7, 500])),
        (name(4), Condition::Verified),
        (name(5), Condition::Damaged(Vec::new())),
    ];
    ScrubNote { when: 1_795_187_045, objects: objects.into() }
}

fn decode(bytes: &[u8]) -> Result<ScrubNote> {
    let mut from = Reader::new(WHAT, bytes);
    let note = ScrubNote::decode(&mut from)?;
    from.finish()?;
    Ok(note)
}

fn encoded(note: &ScrubNote) -> Vec<u8> {
    let mut out = Vec::new();
    note.encode(&mut out);
    out
}

#[test]
fn a_tag_is_of_hash_and_upload() {
    let name = ObjectName { hash: ObjectHash([7; 32]), upload: [9; 8] };
    let ShortName(name) = (&name).into();
    assert_eq!((&name[..8], &name[8..]), (&[7; 8][..], &[9; 8][..]));
}

#[test]
fn notes_come_back() {
    assert_eq!(decode(&encoded(&note())), Ok(note()));
    assert_eq!(decode(&encoded(&ScrubNote::default())), Ok(ScrubNote::default()));
    let facts = [3, 3, 9].map(|number| ScrubFact { number, note: note() });
    assert_eq!(decode_scrubs(&encode_scrubs(&facts), 3).unwrap(), facts);
}

#[test]
fn more_stripes_than_a_note_names_are_left_out() {
    let stripes: Vec<u32> = (0..100).collect();
    let objects = [(name(1), Condition::Damaged(stripes.clone()))].into();
    let read = decode(&encoded(&ScrubNote { when: 1, objects })).unwrap();
    assert_eq!(read.objects[&name(1)], Condition::Damaged(stripes[..64].to_vec()));
}

#[test]
fn refusals() {
    let names = |bytes: &[u8]| {
        let mut out = Vec::new();
        cbor::bytes(&mut out, &bytes.iter().flat_map(|byte| [*byte; 16]).collect::<Vec<u8>>());
        out
    };
    let damaged = |items: &[(u8, &[u8])]| {
        let mut out = Vec::new();
        cbor::array(&mut out, items.len());
        for (byte, stripes) in items {
            cbor::array(&mut out, 3);
            cbor::bytes(&mut out, &[*byte; 16]);
            cbor::boolean(&mut out, true);
            cbor::array(&mut out, stripes.len());
            stripes.iter().for_each(|stripe| cbor::uint(&mut out, *stripe));
        }
        out
    };
    let of = |whole: Vec<u8>, verified: Vec<u8>, damaged: Vec<u8>| {
        decode(&[&[0x84, 0x05][..], &whole, &verified, &damaged].concat())
    };
    assert!(of(names(&[1, 3]), names(&[2]), damaged(&[(4, &[1, 2]), (5, &[])])).is_ok());
    for case in [
        of(names(&[3, 1]), names(&[]), damaged(&[])),
        of(names(&[1, 1]), names(&[]), damaged(&[])),
        of(names(&[1]), names(&[1]), damaged(&[])),
        of(names(&[1]), names(&[]), damaged(&[(1, &[])])),
        of(names(&[]), names(&[]), damaged(&[(2, &[]), (1, &[])])),
        of(names(&[]), names(&[]), damaged(&[(1, &[2, 1])])),
        of(names(&[]), names(&[]), damaged(&[(1, &[1, 1])])),
        of(names(&[]), names(&[]), damaged(&[(1, &[0; 65])])),
        of(vec![0x41, 0], names(&[]), damaged(&[])),
        decode(&[0x83, 5, 0x40, 0x40]),
        decode(&[0x84, 5, 0x40, 0x40, 0x80, 0]),
    ] {
        assert_eq!(case.unwrap_err().kind(), Kind::Corrupt);
    }
    let facts = [9, 3].map(|number| ScrubFact { number, note: note() });
    assert_eq!(decode_scrubs(&encode_scrubs(&facts), 2).unwrap_err().kind(), Kind::Corrupt);
    assert!(decode_scrubs(&encode_scrubs(&facts[..1]), 2).is_err());
    assert!(decode_scrubs(&[encode_scrubs(&facts[..1]), vec![0]].concat(), 1).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200), count in 0_u32..4) {
        drop(decode(&bytes));
        drop(decode_scrubs(&bytes, count));
    }

    #[test]
    fn what_is_read_is_written_alike(place: prop::sample::Index, byte: u8) {
        let mut bytes = encoded(&note());
        let at = place.index(bytes.len());
        bytes[at] = byte;
        if let Ok(note) = decode(&bytes) {
            prop_assert_eq!(encoded(&note), bytes);
        }
    }
}
