//! Targets for what fits into one line: object keys, path keys, times and preambles.

use lifeboat_format::Time;
use lifeboat_format::envelope::{Envelope, PREAMBLE_LEN, Preamble};
use lifeboat_format::key::ObjectKey;
use lifeboat_format::tree::PathKey;

/// A text that is an object key prints the same again.
#[must_use]
pub fn object_key(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let Ok(key) = text.parse::<ObjectKey>() else { return false };
    assert_eq!(key.to_string(), text);
    true
}

/// A path key consists of names that could be joined one by one.
#[must_use]
pub fn path_key(input: &[u8]) -> bool {
    let Ok(key) = PathKey::from_bytes(input.to_vec()) else { return false };
    let joined = key.components().try_fold(PathKey::root(), |key, name| key.child(name));
    assert_eq!(joined.as_ref(), Ok(&key));
    assert_eq!(key.parent().is_none(), key.is_root());
    assert!(key.components().all(|name| name != b".." && !name.contains(&b'/')));
    true
}

/// A text that is a time means the same when it is printed and read again.
#[must_use]
pub fn time(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let Ok(time) = text.parse::<Time>() else { return false };
    assert_eq!(time.to_string().parse::<Time>(), Ok(time));
    true
}

/// A preamble has one encoding.
#[must_use]
pub fn preamble(input: &[u8]) -> bool {
    let split = Envelope::split(input).is_ok();
    let Ok(preamble) = Preamble::decode(input) else { return false };
    assert_eq!(preamble.encode(), input[..PREAMBLE_LEN]);
    split
}
