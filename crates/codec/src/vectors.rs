//! What other implementations computed (fixtures/vectors.json), for the tests of each room.

use serde_json::Value;

/// One section of the vectors.
pub(crate) fn section(name: &str) -> Value {
    let vectors: Value = serde_json::from_str(include_str!("../fixtures/vectors.json")).unwrap();
    vectors[name].clone()
}

/// The text of a member.
pub(crate) fn text<'a>(vector: &'a Value, member: &str) -> &'a str {
    vector[member].as_str().unwrap_or_else(|| panic!("{member} is no text"))
}

/// The bytes of a member in hex.
pub(crate) fn bytes(vector: &Value, member: &str) -> Vec<u8> {
    lifeboat_format::hex::decode(text(vector, member)).unwrap()
}

/// The bytes of a member in hex, of a known length.
pub(crate) fn array<const N: usize>(vector: &Value, member: &str) -> [u8; N] {
    bytes(vector, member).try_into().unwrap()
}

/// A number.
pub(crate) fn number(vector: &Value, member: &str) -> u64 {
    vector[member].as_u64().unwrap_or_else(|| panic!("{member} is no number"))
}

/// The format's own arithmetic has its vectors here as well, beside all the others.
#[test]
fn padded_lengths() {
    for pair in section("padme").as_array().unwrap() {
        let padded = lifeboat_format::pack::padme(pair[0].as_u64().unwrap());
        assert_eq!(padded, pair[1].as_u64().unwrap(), "{pair}");
    }
}
