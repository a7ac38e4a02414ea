use super::*;

fn note() -> LockNote {
    let left = [(1, 5, 6), (2, 7, 8)];
    let left =
        left.map(|(name, until, bytes)| (ShortName([name; 16]), LeftObject { until, bytes }));
    LockNote { extended: Some(Extended { through: 3, until: 4 }), left: left.into() }
}

#[test]
fn notes_come_back() {
    for note in [note(), LockNote::default(), LockNote { extended: None, ..note() }] {
        assert_eq!(decode_locks(&encode_locks(&note), 1).unwrap(), note);
    }
}

#[test]
fn what_is_no_note_is_refused() {
    let bytes = encode_locks(&note());
    assert!(decode_locks(&bytes, 2).is_err(), "two facts");
    for len in 0..bytes.len() {
        assert!(decode_locks(&bytes[..len], 1).is_err(), "{len} bytes of it");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(decode_locks(&longer, 1).is_err(), "a byte too many");
    // The first name twice: names ascend.
    let mut twice = bytes.clone();
    let second = twice.windows(16).position(|window| window == [2; 16]).unwrap();
    twice[second..second + 16].fill(1);
    assert!(decode_locks(&twice, 1).is_err());
}
