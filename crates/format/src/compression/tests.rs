use super::*;
use crate::Kind;

#[test]
fn heads_come_back() {
    let packed = Packed { codec: Codec::Zstd, raw_len: 9, rest: b"abc" };
    let bytes = packed.encode();
    assert_eq!(bytes, b"\x01\0\0\0\x09\0\0\0abc");
    assert_eq!(Packed::decode("test", &bytes, 9), Ok(packed));
}

#[test]
fn refusals() {
    let cases: [(&[u8], &str, Kind); 6] = [
        (b"", "test: at byte 0: expected 1 bytes, found 0", Kind::Corrupt),
        (b"\x02\0\0\0\x03\0\0\0abc", "test: codec 2 comes from a newer version", Kind::Unsupported),
        (
            b"\0\0\x01\0\x03\0\0\0abc",
            "test: at byte 1: reserved bytes that are not zero",
            Kind::Corrupt,
        ),
        (
            b"\0\0\0\0\x04\0\0\0abcd",
            "test: at byte 4: expected a raw length of 3, found 4",
            Kind::Corrupt,
        ),
        (
            b"\0\0\0\0\x03\0\0\0ab",
            "test: at byte 8: expected 3 raw bytes, found 2 bytes as Stored",
            Kind::Corrupt,
        ),
        (
            b"\x01\0\0\0\x03\0\0\0abc",
            "test: at byte 8: expected 3 raw bytes, found 3 bytes as Zstd",
            Kind::Corrupt,
        ),
    ];
    for (bytes, reason, kind) in cases {
        let error = Packed::decode("test", bytes, 3).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.kind()), (reason, kind));
    }
}
