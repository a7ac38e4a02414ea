use proptest::prelude::*;

use super::*;
use crate::Kind;

fn frame(number: u32, offset: u32, len: u32) -> FrameRecord {
    let sealed_len = len + 16;
    FrameRecord { number, offset, sealed_len, raw_len: len, codec: Codec::Stored }
}

fn chunk(frame: u32, offset: u32, length: u32) -> ChunkRecord {
    ChunkRecord { id: ChunkId([9; 32]), frame, offset, length }
}

fn trailer() -> Trailer {
    let mut second = frame(0, 220, 100);
    second.codec = Codec::Zstd;
    second.raw_len = 1000;
    Trailer {
        frames: vec![frame(3, 104, 100), second],
        chunks: vec![chunk(0, 0, 60), chunk(0, 60, 40), chunk(1, 1, 999)],
    }
}

fn decode(trailer: &Trailer, end: u64) -> Result<Trailer> {
    Trailer::decode_table(trailer.header().unwrap(), &trailer.encode_table(), end)
}

#[test]
fn trailers_come_back() {
    let trailer = trailer();
    let table = trailer.encode_table();
    let plaintext = trailer.encode(Codec::Stored, &table).unwrap();
    assert_eq!(plaintext.len(), TRAILER_HEADER_LEN + 2 * 17 + 3 * 44);
    let (header, packed) = TrailerHeader::decode(&plaintext).unwrap();
    assert_eq!(header, TrailerHeader { frames: 2, chunks: 3 });
    assert_eq!(packed.codec, Codec::Stored);
    assert_eq!(Trailer::decode_table(header, packed.rest, 336), Ok(trailer));
}

#[test]
fn refusals() {
    let refused = |change: fn(&mut Trailer), reason: &str| {
        let mut trailer = trailer();
        change(&mut trailer);
        let error = decode(&trailer, 336).unwrap_err();
        assert_eq!(error.to_string(), format!("pack trailer: {reason}"));
        assert_eq!(error.kind(), Kind::Corrupt);
    };
    refused(|t| t.frames[0].offset = 103, "frame 0 begins before the one before it ends");
    refused(|t| t.frames[1].offset = 219, "frame 1 begins before the one before it ends");
    refused(|t| t.frames.swap(0, 1), "frame 1 begins before the one before it ends");
    refused(|t| t.frames[1].offset = 221, "frame 2 would begin within the trailer");
    refused(|t| t.frames[1].offset = u32::MAX, "frame 2 would begin within the trailer");
    refused(|t| t.frames[1].number = 3, "frame number 3 twice");
    refused(|t| t.frames[1].sealed_len = 16, "frame 1 is too short for a tag");
    refused(|t| t.frames[1].raw_len = 100, "frame 1 is compressed and not shorter");
    refused(|t| t.frames[0].raw_len = 101, "frame 0 is stored with another length");
    let reason = "frame 1 has a raw length of 0 or of more than 16 MiB";
    refused(|t| t.frames[1].raw_len = 0, reason);
    refused(|t| t.frames[1].raw_len = FRAME_RAW_MAX + 1, reason);
    refused(|t| t.chunks[2].frame = 2, "chunk 2 is in a frame that does not exist");
    refused(|t| t.chunks[2].length = 1000, "chunk 2 is empty or ends beyond its frame");
    refused(|t| t.chunks[2].offset = u32::MAX, "chunk 2 is empty or ends beyond its frame");
    refused(|t| t.chunks[2].length = 0, "chunk 2 is empty or ends beyond its frame");
    refused(|t| t.chunks.swap(0, 1), "chunk 1 begins before the one before it ends");
    refused(|t| t.chunks[1].offset = 59, "chunk 1 begins before the one before it ends");
    refused(|t| t.chunks.swap(1, 2), "chunk 2 begins before the one before it ends");
}

#[test]
fn headers_are_refused() {
    let table = trailer().encode_table();
    let plaintext = trailer().encode(Codec::Stored, &table).unwrap();
    for (place, byte, kind) in [
        (0, 0, Kind::Corrupt),
        (0, 2, Kind::Unsupported),
        (4, 3, Kind::Corrupt),
        (7, 0xff, Kind::Corrupt),
        (11, 0xff, Kind::Corrupt),
        (12, 2, Kind::Unsupported),
        (13, 1, Kind::Corrupt),
        (16, 1, Kind::Corrupt),
    ] {
        let mut bytes = plaintext.clone();
        bytes[place] = byte;
        assert_eq!(TrailerHeader::decode(&bytes).unwrap_err().kind(), kind, "{place}");
    }
    let header = TrailerHeader { frames: 2, chunks: 3 };
    assert!(Trailer::decode_table(header, &table[1..], 336).is_err());
    let unknown = [&table[..32], &[0, 2], &table[34..]].concat();
    let error = Trailer::decode_table(header, &unknown, 336).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
}

fn trailers() -> impl Strategy<Value = (Trailer, u64)> {
    let frame =
        (0..50_u32, 1..5000_u32, any::<bool>(), prop::collection::vec(any::<[u8; 32]>(), 0..4));
    prop::collection::vec(frame, 0..9).prop_map(|frames| {
        let mut trailer = Trailer::default();
        let mut end = 104;
        for (number, (gap, len, stored, ids)) in (0..).zip(frames) {
            let mut record = frame_at(number, end + gap, len);
            if !stored {
                record.codec = Codec::Zstd;
                record.raw_len += 1 + gap;
            }
            end = record.offset + record.sealed_len;
            let share = record.raw_len / 4;
            for (place, id) in (0..).zip(ids).filter(|_| share > 0) {
                let offset = place * share;
                trailer.chunks.push(ChunkRecord {
                    id: ChunkId(id),
                    frame: number,
                    offset,
                    length: share,
                });
            }
            trailer.frames.push(record);
        }
        (trailer, u64::from(end))
    })
}

fn frame_at(number: u32, offset: u32, len: u32) -> FrameRecord {
    frame(number ^ 1, offset, len)
}

proptest! {
    #[test]
    fn random_trailers_come_back((trailer, end) in trailers()) {
        prop_assert_eq!(decode(&trailer, end), Ok(trailer));
    }

    #[test]
    fn damaged_tables_are_answered((trailer, end) in trailers(), place: prop::sample::Index, bits: u8) {
        let mut table = trailer.encode_table();
        if !table.is_empty() {
            let place = place.index(table.len());
            table[place] ^= bits;
            drop(Trailer::decode_table(trailer.header().unwrap(), &table, end));
        }
    }

    #[test]
    fn any_bytes_are_answered(mut bytes: Vec<u8>, frames: u8, chunks: u8) {
        drop(TrailerHeader::decode(&bytes));
        let header = TrailerHeader { frames: frames.into(), chunks: chunks.into() };
        bytes.resize(usize::try_from(header.raw_len()).unwrap(), 1);
        drop(Trailer::decode_table(header, &bytes, 1 << 30));
    }
}
