//! Signatures: what is signed verifies, and nothing else does.

use lifeboat_format::id::PublicKey;
use lifeboat_format::keys::Secret32;
use proptest::prelude::*;

use super::{SigningKey, verify};
use crate::entropy::Entropy;
use crate::error::Kind;
use crate::vectors;

proptest! {
    #[test]
    fn one_flipped_bit_anywhere_is_noticed(
        seed in any::<[u8; 32]>(),
        message in prop::collection::vec(any::<u8>(), 1..200),
        bit in any::<prop::sample::Index>(),
    ) {
        let key = SigningKey::from_secret(&Secret32::new(seed));
        let signature = key.sign(b"domain", &message);
        verify(&key.public(), b"domain", &message, &signature).unwrap();

        let flip = |bytes: &mut [u8]| {
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
        };
        let (mut other_message, mut other_signature) = (message.clone(), signature);
        let mut other_key = key.public().0;
        flip(&mut other_message);
        flip(&mut other_signature);
        flip(&mut other_key);
        let refused = |result: Result<(), crate::Error>| {
            result.is_err_and(|error| error.kind() == Kind::Corrupt)
        };
        prop_assert!(refused(verify(&key.public(), b"domain", &other_message, &signature)));
        prop_assert!(refused(verify(&key.public(), b"domain", &message, &other_signature)));
        prop_assert!(refused(verify(&PublicKey(other_key), b"domain", &message, &signature)));
        prop_assert!(refused(verify(&key.public(), b"domaim", &message, &signature)));
    }
}

#[test]
fn the_secret_makes_the_same_key_again_and_is_not_shown() {
    let key = SigningKey::generate(&Entropy::os()).unwrap();
    let again = SigningKey::from_secret(&key.secret());
    assert_eq!(key.public(), again.public());
    assert_eq!(format!("{key:?}"), format!("SigningKey(public {})", key.public()));
}

#[test]
fn vector_of_another_implementation() {
    let vector = vectors::section("sign");
    let key = SigningKey::from_secret(&Secret32::new(vectors::array(&vector, "seed")));
    assert_eq!(key.public().to_string(), vectors::text(&vector, "public"));
    let domain = vectors::text(&vector, "domain").as_bytes();
    let signature = key.sign(domain, &vectors::bytes(&vector, "message"));
    assert_eq!(signature, vectors::array(&vector, "signature"));
}
