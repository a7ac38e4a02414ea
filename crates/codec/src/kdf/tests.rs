//! Key derivation against another implementation, and its limits.

use lifeboat_format::keys::Secret32;
use lifeboat_format::keyslot::KdfParams;

use super::{derive_kek_key_file, derive_kek_passphrase, memory_bytes};
use crate::error::Kind;
use crate::vectors;

fn small() -> KdfParams {
    KdfParams { memory_kib: 32, passes: 1, lanes: 4, salt: vec![9; 16] }
}

#[test]
fn vectors_of_another_implementation() {
    let vector = vectors::section("kdf");
    let number = |member| u32::try_from(vectors::number(&vector, member)).unwrap();
    let kdf = KdfParams {
        memory_kib: number("memory_kib"),
        passes: number("passes"),
        lanes: number("lanes"),
        salt: vectors::bytes(&vector, "salt"),
    };
    let passphrase = vectors::text(&vector, "passphrase").as_bytes();
    let kek = derive_kek_passphrase(&kdf, passphrase).unwrap();
    assert_eq!(*kek.expose(), vectors::array(&vector, "kek"));
    let kek = derive_kek_key_file(&Secret32::new(vectors::array(&vector, "key_file_secret")));
    assert_eq!(*kek.expose(), vectors::array(&vector, "key_file_kek"));
}

#[test]
fn every_parameter_changes_the_key() {
    let key = |kdf: &KdfParams, passphrase: &[u8]| {
        *derive_kek_passphrase(kdf, passphrase).unwrap().expose()
    };
    let keys = [
        key(&small(), b"one"),
        key(&small(), b"two"),
        key(&small(), b""),
        key(&KdfParams { memory_kib: 64, ..small() }, b"one"),
        key(&KdfParams { passes: 2, ..small() }, b"one"),
        key(&KdfParams { lanes: 2, ..small() }, b"one"),
        key(&KdfParams { salt: vec![8; 16], ..small() }, b"one"),
    ];
    assert_eq!(keys.iter().collect::<std::collections::HashSet<_>>().len(), keys.len());
}

#[test]
fn memory_is_known_beforehand() {
    assert_eq!(memory_bytes(&KdfParams { memory_kib: 65_536, ..small() }), 64 << 20);
}

#[test]
fn parameters_outside_the_limits_are_refused() {
    for kdf in [
        KdfParams { memory_kib: 7, lanes: 1, ..small() },
        KdfParams { memory_kib: (1 << 20) + 1, ..small() },
        KdfParams { passes: 0, ..small() },
        KdfParams { passes: 65, ..small() },
        KdfParams { lanes: 0, ..small() },
        KdfParams { lanes: 5, ..small() },
        KdfParams { lanes: 65, memory_kib: 1024, ..small() },
        KdfParams { salt: vec![1; 7], ..small() },
    ] {
        let error = derive_kek_passphrase(&kdf, b"one").unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt, "{error}");
    }
}
