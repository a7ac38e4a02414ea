use proptest::prelude::*;

use super::*;

fn reader(input: &[u8]) -> Reader<'_> {
    Reader::new("test", input)
}

#[test]
fn rfc_8949_examples() {
    for (value, hex) in [
        (0_i64, "00"),
        (23, "17"),
        (24, "1818"),
        (1000, "1903e8"),
        (1_000_000, "1a000f4240"),
        (1_000_000_000_000, "1b000000e8d4a51000"),
        (-1, "20"),
        (-1000, "3903e7"),
        (i64::MAX, "1b7fffffffffffffff"),
        (i64::MIN, "3b7fffffffffffffff"),
    ] {
        let mut out = Vec::new();
        int(&mut out, value);
        assert_eq!(crate::hex::encode(&out), hex);
        let mut reader = reader(&out);
        assert_eq!(reader.int(), Ok(value));
        assert_eq!(reader.finish(), Ok(()));
    }
}

#[test]
fn every_other_form_is_refused() {
    let cases: [(&[u8], &str); 9] = [
        (&[0x18, 23], "test: at byte 0: the number 23 is not written in its shortest form"),
        (&[0x19, 0, 255], "test: at byte 0: the number 255 is not written in its shortest form"),
        (&[0x1b, 1, 2], "test: at byte 1: expected 8 bytes, found 2"),
        (&[0x1c], "test: at byte 0: an item of indefinite length or a reserved form"),
        (&[0x1f], "test: at byte 0: an item of indefinite length or a reserved form"),
        (&[], "test: at byte 0: expected 1 bytes, found 0"),
        (&[0x40], "test: at byte 0: expected an unsigned integer, found a byte string"),
        (&[0x80], "test: at byte 0: expected an unsigned integer, found an array"),
        (&[0xf5], "test: at byte 0: expected an unsigned integer, found a simple value"),
    ];
    for (input, message) in cases {
        assert_eq!(reader(input).uint().unwrap_err().to_string(), message);
    }
}

#[test]
fn counts_are_not_believed_beyond_the_input() {
    let huge = [0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0];
    assert!(reader(&huge).array().is_err());
    assert!(reader(&huge).skip().is_err());
    assert!(reader(&[0xa1, 0]).map().is_err());
    assert!(reader(&[0x5a, 0xff, 0xff, 0xff, 0xff]).bytes().is_err());
}

#[test]
fn skipping_is_not_recursive() {
    let mut deep = vec![0x81; 1 << 20];
    deep.push(0);
    let mut reader = reader(&deep);
    assert_eq!(reader.skip(), Ok(()));
    assert_eq!(reader.finish(), Ok(()));
}

#[test]
fn skipping_passes_what_this_version_never_writes() {
    // {1: "a", -1: 1.5 (half), "x": [tag 1 (null), undefined, h'00']}
    let item = [
        0xa3, 0x01, 0x61, 0x61, 0x20, 0xf9, 0x3e, 0x00, 0x61, 0x78, 0x83, 0xc1, 0xf6, 0xf7, 0x41,
        0x00,
    ];
    let mut reader = reader(&item);
    assert_eq!(reader.skip(), Ok(()));
    assert_eq!(reader.finish(), Ok(()));
}

#[test]
fn small_numbers_fixed_lengths_and_booleans() {
    assert_eq!(reader(&[0x18, 255]).small::<u8>(), Ok(255));
    let error = reader(&[0x19, 1, 0]).small::<u8>().unwrap_err();
    assert_eq!(error.to_string(), "test: at byte 0: expected a number of 8 bits, found 256");
    assert_eq!(reader(&[0x42, 1, 2]).array_of::<2>(), Ok([1, 2]));
    let error = reader(&[0x41, 1]).array_of::<2>().unwrap_err();
    assert_eq!(error.to_string(), "test: at byte 0: expected 2 bytes, found 1 bytes");
    assert_eq!(reader(&[0xf5]).boolean(), Ok(true));
    assert!(reader(&[0xf6]).boolean().is_err());
    assert!(reader(&[0x82, 0, 0]).array_len(1).is_err());
    assert!(reader(&[0, 0]).finish().is_err());
}

proptest! {
    #[test]
    fn numbers_come_back(value: u64, signed: i64) {
        let mut out = Vec::new();
        uint(&mut out, value);
        prop_assert_eq!(out.len(), head_len(value));
        int(&mut out, signed);
        let mut reader = reader(&out);
        prop_assert_eq!(reader.uint(), Ok(value));
        prop_assert_eq!(reader.int(), Ok(signed));
    }

    #[test]
    fn any_bytes_are_answered(input: Vec<u8>) {
        let mut reader = reader(&input);
        while !reader.is_at_end() {
            if reader.skip().is_err() {
                break;
            }
        }
        prop_assert!(reader.position() <= input.len());
    }
}
