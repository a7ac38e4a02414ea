use proptest::prelude::*;

use super::*;
use crate::{Kind, hex};

fn preamble() -> Preamble {
    Preamble {
        object_type: ObjectType::Snapshot,
        epoch: 0x0102_0304,
        repository: RepositoryId([0xaa; 16]),
        salt: [0xbb; 32],
        commitment: [0xcc; 32],
    }
}

#[test]
fn layout() {
    let (aa, bb, cc) = ("aa".repeat(16), "bb".repeat(32), "cc".repeat(32));
    let expected =
        format!("4c494645424f4154 05 01 00 00 04030201 {aa} {bb} {cc} 0000 000000000000");
    let bytes = preamble().encode();
    assert_eq!(hex::encode(&bytes), expected.replace(' ', ""));
    assert_eq!(Preamble::decode(&bytes), Ok(preamble()));
}

#[test]
fn refusals() {
    use Kind::{Corrupt, Unsupported};
    for (place, byte, kind, reason) in [
        (0, 0, Corrupt, "preamble: at byte 0: expected \"LIFEBOAT\", found \"\\x00IFEBOAT\""),
        (8, 0, Corrupt, "preamble: at byte 8: object type 0 does not exist"),
        (8, 7, Unsupported, "preamble: objects of type 7 come from a newer version"),
        (9, 0, Corrupt, "preamble: at byte 9: version 0 does not exist"),
        (9, 2, Unsupported, "preamble: version 2 is newer than 1, the newest known here"),
        (
            10,
            1,
            Unsupported,
            "preamble: a key that is sealed to a public key needs a newer version",
        ),
        (10, 2, Unsupported, "preamble: at byte 10: key mode 2 comes from a newer version"),
        (11, 1, Corrupt, "preamble: at byte 11: reserved bytes that are not zero"),
        (96, 1, Corrupt, "preamble: at byte 96: expected no sealed key, found one of 1 bytes"),
        (103, 1, Corrupt, "preamble: at byte 98: reserved bytes that are not zero"),
    ] {
        let mut bytes = preamble().encode();
        bytes[place] = byte;
        let error = Preamble::decode(&bytes).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.kind()), (reason, kind));
    }
    assert!(Preamble::decode(&preamble().encode()[..103]).is_err());
}

#[test]
fn type_and_repository_are_held() {
    let preamble = preamble();
    let ours = RepositoryId([0xaa; 16]);
    assert!(preamble.expect(ObjectType::Snapshot, &ours).is_ok());
    let error = preamble.expect(ObjectType::LogBody, &ours).unwrap_err();
    assert_eq!(error.to_string(), "preamble: at byte 8: expected LogBody, found Snapshot");
    let error = preamble.expect(ObjectType::Snapshot, &RepositoryId([1; 16])).unwrap_err();
    assert_eq!(error.offset(), Some(16));
}

#[test]
fn envelopes() {
    let mut bytes = preamble().encode().to_vec();
    assert!(Envelope::split(&bytes).is_err());
    bytes.extend([7; TAG_LEN + 1]);
    let envelope = Envelope::split(&bytes).unwrap();
    assert_eq!(envelope.preamble, preamble());
    assert_eq!(envelope.preamble_bytes.len(), PREAMBLE_LEN);
    assert_eq!(envelope.sealed, [7; TAG_LEN + 1]);
}

#[test]
fn bindings() {
    let data = associated_data(&[9; 32], Role::Block, 0x1_0000_0002, &block_extra(1, 0x300));
    let expected =
        format!("{} 03 0200000001000000 01 00030000 {}", "09".repeat(32), "00".repeat(11));
    assert_eq!(hex::encode(&data), expected.replace(' ', ""));
    assert_eq!(hex::encode(&nonce(0x1_0000_0002)), "020000000100000000000000");
    assert_eq!(log_extra(&LogId([8; 16])), [8; 16]);
}

proptest! {
    #[test]
    fn any_bytes_are_answered(mut bytes: Vec<u8>) {
        drop(Envelope::split(&bytes));
        bytes.splice(0..0, *MAGIC);
        drop(Preamble::decode(&bytes));
    }
}
