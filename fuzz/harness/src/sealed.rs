//! Targets for envelopes and compression, and the fixed keys with which others seal.

use lifeboat_codec::Entropy;
use lifeboat_codec::compress::{Compressor, Decompressor, Level};
use lifeboat_codec::seal::{
    NO_EXTRA, ObjectOpener, ObjectSealer, Subject, open_envelope, seal_envelope,
};
use lifeboat_format::Codec;
use lifeboat_format::compression::Packed;
use lifeboat_format::envelope::{ObjectType, PREAMBLE_LEN, Preamble};
use lifeboat_format::id::RepositoryId;
use lifeboat_format::keys::{Secret32, context};

const REPOSITORY: RepositoryId = RepositoryId([1; 16]);
/// What is decompressed at most: the harness is after crashes, not after large outputs.
const RAW_MAX: u32 = 1 << 22;

fn key() -> Secret32 {
    Secret32::new([2; 32])
}

fn subject(object_type: ObjectType) -> Subject {
    Subject { object_type, epoch: 0, repository: REPOSITORY }
}

/// A new object under the fixed key. Its salt is random, which no decoder looks at.
pub(crate) fn sealer(object_type: ObjectType) -> ObjectSealer {
    ObjectSealer::new(&key(), &subject(object_type), &Entropy::os())
        .expect("the system has entropy")
}

/// Opens what [`sealer`] sealed.
pub(crate) fn opener(object: &[u8], object_type: ObjectType) -> Option<ObjectOpener> {
    let preamble = Preamble::decode(object).ok()?;
    ObjectOpener::new(&key(), object_type, REPOSITORY, &preamble).ok()
}

/// Undoes the compression of a part.
pub(crate) fn unpack(packed: &Packed<'_>) -> Option<Vec<u8>> {
    if packed.raw_len > RAW_MAX {
        return None;
    }
    let mut raw = Vec::new();
    let len = packed.raw_len as usize;
    Decompressor::new().decompress(packed.codec, packed.rest, len, &mut raw).ok()?;
    assert_eq!(raw.len(), len);
    Some(raw)
}

/// The input is an envelope under any key: with its commitment mended it gets to the tag. And it is a plaintext, which
/// comes back from an envelope of its own, but not from a damaged one.
#[must_use]
pub fn envelope(input: &[u8]) -> bool {
    let kind = ObjectType::Snapshot;
    let open = |bytes: &[u8]| open_envelope(&key(), kind, REPOSITORY, &NO_EXTRA, bytes).ok();
    let mut mended = input.to_vec();
    if let Ok(preamble) = Preamble::decode(input) {
        let object_key = blake3::Hasher::new_derive_key(context::OBJECT)
            .update(key().expose())
            .update(&preamble.salt)
            .finalize();
        let object_key = Secret32::new(*object_key.as_bytes());
        let commitment = *object_key.derive(context::COMMITMENT).expose();
        let repository = REPOSITORY;
        let fitting = Preamble { commitment, repository, object_type: kind, ..preamble };
        mended[..PREAMBLE_LEN].copy_from_slice(&fitting.encode());
        assert!(opener(&mended, kind).is_some());
    }
    let accepted = open(&mended).is_some();
    let mut sealed = seal_envelope(&key(), &subject(kind), &NO_EXTRA, input, &Entropy::os())
        .expect("the system has entropy");
    assert_eq!(open(&sealed).as_deref(), Some(input));
    let place = usize::from(input.first().copied().unwrap_or_default()) % sealed.len();
    sealed[place] ^= 1;
    assert_eq!(open(&sealed), None);
    accepted
}

/// The input is a raw length of four bytes and a zstd frame.
#[must_use]
pub fn decompress(input: &[u8]) -> bool {
    let Some((raw_len, rest)) = input.split_first_chunk() else { return false };
    let raw_len = u32::from_le_bytes(*raw_len);
    unpack(&Packed { codec: Codec::Zstd, raw_len, rest }).is_some()
}

/// The input comes back from the compressor, at a level that its first byte chooses.
#[must_use]
pub fn compress(input: &[u8]) -> bool {
    let level = i32::from(input.first().copied().unwrap_or_default() % 4) + 1;
    let level = Level::zstd(level).expect("a level of zstd");
    let mut out = Vec::new();
    let codec = Compressor::new(level).and_then(|mut it| it.compress(input, &mut out));
    let codec = codec.expect("there is memory");
    let raw_len = u32::try_from(input.len()).expect("inputs are small");
    let raw = unpack(&Packed { codec, raw_len, rest: &out });
    assert_eq!(raw.as_deref(), Some(input).filter(|_| raw_len <= RAW_MAX));
    codec == Codec::Zstd
}
