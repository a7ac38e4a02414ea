//! Compression: what goes in comes out, and hostile bytes cost no memory.

use lifeboat_format::compression::Codec;
use proptest::prelude::*;

use super::{Compressor, Decompressor, Level, RAW_MAX, looks_random};
use crate::error::Kind;

fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

fn text(length: usize) -> Vec<u8> {
    (0..).flat_map(|n| format!("{{\"number\": {n}}}\n").into_bytes()).take(length).collect()
}

fn compressed(level: Level, raw: &[u8]) -> (Codec, Vec<u8>) {
    let mut out = b"left over".to_vec();
    let codec = Compressor::new(level).unwrap().compress(raw, &mut out).unwrap();
    (codec, out)
}

/// The plaintext, or the kind of the error with the proof that nothing is left or allocated.
fn decompressed(codec: Codec, body: &[u8], raw_len: usize) -> Result<Vec<u8>, Kind> {
    let mut out = Vec::new();
    match Decompressor::new().decompress(codec, body, raw_len, &mut out) {
        Ok(()) => Ok(out),
        Err(error) => {
            assert!(out.is_empty());
            Err(error.kind())
        }
    }
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(
        noise in 0_usize..100_000, plain in 0_usize..100_000, level in -7_i32..6,
    ) {
        let raw = [random(noise), text(plain)].concat();
        let level = Level::zstd(level).unwrap_or(Level::STORED);
        let (codec, body) = compressed(level, &raw);
        prop_assert!(body.len() <= raw.len());
        prop_assert_eq!(decompressed(codec, &body, raw.len()), Ok(raw));
    }

    #[test]
    fn damage_never_panics_or_grows(
        raw_len in 0_usize..100_000, bit in any::<prop::sample::Index>(), cut in any::<prop::sample::Index>(),
    ) {
        let (codec, mut body) = compressed(Level::DEFAULT, &text(10_000));
        prop_assert_eq!(codec, Codec::Zstd);
        if raw_len != 10_000 {
            prop_assert_eq!(decompressed(codec, &body, raw_len), Err(Kind::Corrupt));
        }
        let cut = cut.index(body.len());
        prop_assert_eq!(decompressed(codec, &body[..cut], 10_000), Err(Kind::Corrupt));
        let bit = bit.index(body.len() * 8);
        body[bit / 8] ^= 1 << (bit % 8);
        if let Ok(other) = decompressed(codec, &body, 10_000) {
            prop_assert_eq!(other.len(), 10_000);
        }
    }

    #[test]
    fn any_bytes_are_refused_or_bounded(
        body in prop::collection::vec(any::<u8>(), 0..300), raw_len in any::<usize>(),
    ) {
        prop_assert_eq!(
            decompressed(Codec::Stored, &body, raw_len).is_ok(),
            raw_len == body.len()
        );
        if let Ok(raw) = decompressed(Codec::Zstd, &body, raw_len) {
            prop_assert_eq!(raw.len(), raw_len);
        }
    }
}

#[test]
fn what_does_not_gain_is_stored() {
    for raw in [random(1 << 20), random(1000), b"short".to_vec(), Vec::new()] {
        assert_eq!(compressed(Level::DEFAULT, &raw), (Codec::Stored, raw));
    }
    assert_eq!(compressed(Level::STORED, &text(5000)), (Codec::Stored, text(5000)));
    // 1 % of text behind noise gains less than 2 %.
    let raw = [random(20_000), text(200)].concat();
    assert_eq!(compressed(Level::DEFAULT, &raw).0, Codec::Stored);
}

#[test]
fn the_probe_knows_noise_from_everything_else() {
    assert!(looks_random(&random(1 << 20)));
    assert!(looks_random(&random(40_000)));
    assert!(!looks_random(&text(1 << 20)));
    let base64: Vec<u8> = random(1 << 20).iter().map(|byte| b' ' + byte % 64).collect();
    assert!(!looks_random(&base64));
    let part_text = [random(7 << 17), text(1 << 17)].concat();
    assert!(!looks_random(&part_text), "an eighth is text");
}

#[test]
fn bombs_are_refused_before_memory_is_taken() {
    let bomb = {
        let mut out = Vec::new();
        let raw = vec![0; 16 << 20];
        Compressor::new(Level::DEFAULT).unwrap().compress(&raw, &mut out).unwrap();
        out
    };
    assert!(bomb.len() < 2000, "{}", bomb.len());
    for announced in [100, (16 << 20) - 1, (16 << 20) + 1, RAW_MAX, usize::MAX] {
        let mut out = Vec::new();
        let error =
            Decompressor::new().decompress(Codec::Zstd, &bomb, announced, &mut out).unwrap_err();
        assert_eq!((error.kind(), out.capacity()), (Kind::Corrupt, 0));
    }
}

#[test]
fn bytes_behind_the_frame_are_refused() {
    let (codec, body) = compressed(Level::DEFAULT, &text(1000));
    let twice = [body.as_slice(), body.as_slice()].concat();
    assert_eq!(decompressed(codec, &twice, 2000), Err(Kind::Corrupt));
    let skippable = [&body[..], &[0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]].concat();
    assert_eq!(decompressed(codec, &skippable, 1000), Err(Kind::Corrupt));
}

#[test]
fn levels_are_checked() {
    for level in [-8, 0, 20] {
        assert_eq!(Level::zstd(level).unwrap_err().kind(), Kind::Invalid);
    }
}

#[test]
fn one_context_serves_one_level_after_another() {
    let text = b"the same words, again and again, with a number: ".repeat(3000);
    let (mut out, mut other) = (Vec::new(), Vec::new());
    let mut changing = Compressor::new(Level::DEFAULT).unwrap();
    for level in [Level::zstd(1), Level::zstd(9), Ok(Level::STORED), Level::zstd(5)] {
        let level = level.unwrap();
        changing.set_level(level).unwrap();
        let codec = changing.compress(&text, &mut out).unwrap();
        let fresh = Compressor::new(level).unwrap().compress(&text, &mut other).unwrap();
        assert_eq!((codec, &out), (fresh, &other), "{level:?}");
    }
}
