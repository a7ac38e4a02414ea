//! Sealing: what is sealed opens in its place alone, with its key alone, unchanged alone.

use lifeboat_format::envelope::{ObjectType, PREAMBLE_LEN, Preamble, Role};
use lifeboat_format::id::RepositoryId;
use lifeboat_format::keys::Secret32;
use proptest::prelude::*;

use super::{
    NO_EXTRA, ObjectOpener, ObjectSealer, Subject, TAG_BYTES, open_envelope, seal_envelope,
};
use crate::entropy::Entropy;
use crate::error::{Error, Kind};
use crate::vectors;

const REPOSITORY: RepositoryId = RepositoryId([7; 16]);
const ROLES: [Role; 5] = [Role::Frame, Role::Trailer, Role::Block, Role::Directory, Role::Body];
const TYPES: [ObjectType; 6] = [
    ObjectType::DataPack,
    ObjectType::TreePack,
    ObjectType::IndexSegment,
    ObjectType::KeyBundle,
    ObjectType::Snapshot,
    ObjectType::LogBody,
];

fn key() -> Secret32 {
    Secret32::new([1; 32])
}

fn subject(object_type: ObjectType) -> Subject {
    Subject { object_type, epoch: 3, repository: REPOSITORY }
}

fn pack() -> ObjectSealer {
    ObjectSealer::new(&key(), &subject(ObjectType::DataPack), &Entropy::os()).unwrap()
}

fn opener_of(sealer: &ObjectSealer) -> ObjectOpener {
    let preamble = Preamble::decode(&sealer.preamble()).unwrap();
    ObjectOpener::new(&key(), ObjectType::DataPack, REPOSITORY, &preamble).unwrap()
}

fn sealed(sealer: &ObjectSealer, role: Role, number: u64, plaintext: &[u8]) -> Vec<u8> {
    let mut buffer = plaintext.to_vec();
    sealer.seal(role, number, &NO_EXTRA, &mut buffer).unwrap();
    assert_eq!(buffer.len(), plaintext.len() + TAG_BYTES);
    buffer
}

fn kind<T>(result: Result<T, Error>) -> Option<Kind> {
    result.err().map(|error| error.kind())
}

proptest! {
    #[test]
    fn opens_in_its_own_place_and_in_no_other(
        plaintext in prop::collection::vec(any::<u8>(), 0..300),
        role in prop::sample::select(&ROLES[..]),
        number in any::<u64>(),
        extra in any::<[u8; 16]>(),
        other_role in prop::sample::select(&ROLES[..]),
        other_number in prop_oneof![any::<u64>(), 0_u64..3],
        extra_bit in 0_usize..128,
    ) {
        let sealer = pack();
        let mut body = plaintext.clone();
        sealer.seal(role, number, &extra, &mut body).unwrap();
        let opener = opener_of(&sealer);
        prop_assert_eq!(opener.open(role, number, &extra, &body).unwrap(), plaintext);

        if other_role != role {
            let result = opener.open(other_role, number, &extra, &body);
            prop_assert_eq!(kind(result), Some(Kind::Corrupt));
        }
        if other_number != number {
            let result = opener.open(role, other_number, &extra, &body);
            prop_assert_eq!(kind(result), Some(Kind::Corrupt));
        }
        let mut other_extra = extra;
        other_extra[extra_bit / 8] ^= 1 << (extra_bit % 8);
        prop_assert_eq!(kind(opener.open(role, number, &other_extra, &body)), Some(Kind::Corrupt));
        prop_assert_eq!(kind(opener_of(&pack()).open(role, number, &extra, &body)), Some(Kind::Corrupt));
    }

    #[test]
    fn one_flipped_bit_in_an_envelope_is_an_error(
        plaintext in prop::collection::vec(any::<u8>(), 0..100), at in any::<prop::sample::Index>(),
    ) {
        let subject = subject(ObjectType::Snapshot);
        let mut envelope =
            seal_envelope(&key(), &subject, &NO_EXTRA, &plaintext, &Entropy::os()).unwrap();
        let open = |bytes: &[u8]| {
            open_envelope(&key(), ObjectType::Snapshot, REPOSITORY, &NO_EXTRA, bytes)
        };
        prop_assert_eq!(open(&envelope).unwrap(), plaintext);
        let bit = at.index(envelope.len() * 8);
        envelope[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(open(&envelope).is_err());
        let cut = at.index(envelope.len());
        prop_assert!(open(&envelope[..cut]).is_err());
    }
}

#[test]
fn a_wrong_key_is_told_from_damage() {
    let envelope =
        seal_envelope(&key(), &subject(ObjectType::Snapshot), &NO_EXTRA, b"x", &Entropy::os())
            .unwrap();
    let wrong = Secret32::new([2; 32]);
    let result = open_envelope(&wrong, ObjectType::Snapshot, REPOSITORY, &NO_EXTRA, &envelope);
    assert_eq!(kind(result), Some(Kind::WrongKey));
}

#[test]
fn another_type_or_repository_is_refused() {
    for sealed_as in TYPES {
        let envelope =
            seal_envelope(&key(), &subject(sealed_as), &NO_EXTRA, b"x", &Entropy::os()).unwrap();
        for opened_as in TYPES {
            let result = open_envelope(&key(), opened_as, REPOSITORY, &NO_EXTRA, &envelope);
            assert_eq!(kind(result), (sealed_as != opened_as).then_some(Kind::Corrupt));
        }
        let elsewhere = RepositoryId([8; 16]);
        let result = open_envelope(&key(), sealed_as, elsewhere, &NO_EXTRA, &envelope);
        assert_eq!(kind(result), Some(Kind::Corrupt));
    }
}

#[test]
fn a_preamble_made_to_fit_opens_nothing() {
    // Whoever changes type or repository in the preamble still has the old associated data against
    // him, even where the same key would serve.
    let envelope =
        seal_envelope(&key(), &subject(ObjectType::Snapshot), &NO_EXTRA, b"x", &Entropy::os())
            .unwrap();
    let mut preamble = Preamble::decode(&envelope).unwrap();
    preamble.repository = RepositoryId([8; 16]);
    let forged = [&preamble.encode()[..], &envelope[PREAMBLE_LEN..]].concat();
    let elsewhere = RepositoryId([8; 16]);
    let result = open_envelope(&key(), ObjectType::Snapshot, elsewhere, &NO_EXTRA, &forged);
    assert_eq!(kind(result), Some(Kind::Corrupt));
}

#[test]
fn a_number_is_sealed_once() {
    let sealer = pack();
    sealed(&sealer, Role::Frame, 5, b"first");
    let mut buffer = b"second".to_vec();
    let result = sealer.seal(Role::Frame, 5, &NO_EXTRA, &mut buffer);
    assert_eq!((kind(result), &buffer[..]), (Some(Kind::Invalid), &b"second"[..]));
    sealed(&sealer, Role::Trailer, 5, b"another role");
    sealed(&sealer, Role::Frame, 9, b"gaps are legal");
}

#[test]
fn no_two_objects_share_a_salt() {
    assert_ne!(pack().preamble()[32..64], pack().preamble()[32..64]);
}

#[test]
fn threads_share_a_sealer() {
    let sealer = pack();
    let frames: Vec<Vec<u8>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8_u8)
            .map(|number| {
                let sealer = &sealer;
                scope.spawn(move || sealed(sealer, Role::Frame, number.into(), &[number; 1000]))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let opener = opener_of(&sealer);
    for (number, frame) in (0..8_u8).zip(frames) {
        let raw = opener.open(Role::Frame, number.into(), &NO_EXTRA, &frame).unwrap();
        assert_eq!(raw, [number; 1000]);
    }
}

#[test]
fn debug_output_shows_no_key() {
    let sealer = pack();
    let text = format!("{sealer:?} {:?}", opener_of(&sealer));
    assert!(!text.contains("object_key"), "{text}");
}

#[test]
fn vectors_of_another_implementation() {
    for vector in vectors::section("seal").as_array().unwrap() {
        let object_type =
            TYPES[usize::try_from(vectors::number(vector, "object_type")).unwrap() - 1];
        let role = *ROLES
            .iter()
            .find(|role| role.context().ends_with(vectors::text(vector, "role")))
            .unwrap();
        let role_key = Secret32::new(vectors::array(vector, "role_key"));
        let subject = Subject {
            object_type,
            epoch: u32::try_from(vectors::number(vector, "epoch")).unwrap(),
            repository: RepositoryId(vectors::array(vector, "repository")),
        };
        let sealer = ObjectSealer::with_salt(&role_key, &subject, vectors::array(vector, "salt"));
        let preamble = vectors::bytes(vector, "preamble");
        assert_eq!(sealer.preamble()[..], preamble);

        let (number, extra) = (vectors::number(vector, "number"), vectors::array(vector, "extra"));
        let plaintext = vectors::bytes(vector, "plaintext");
        let mut buffer = plaintext.clone();
        sealer.seal(role, number, &extra, &mut buffer).unwrap();
        assert_eq!(buffer, vectors::bytes(vector, "sealed"));

        let preamble = Preamble::decode(&preamble).unwrap();
        let opener =
            ObjectOpener::new(&role_key, object_type, subject.repository, &preamble).unwrap();
        assert_eq!(opener.open(role, number, &extra, &buffer).unwrap(), plaintext);
    }
}
