//! Targets for packs, which mend checksums and seal again behind the mutator.

use lifeboat_codec::seal::{NO_EXTRA, ObjectOpener};
use lifeboat_format::compression::Packed;
use lifeboat_format::envelope::{ObjectType, Role};
use lifeboat_format::pack::{
    FOOTER_LEN, Footer, STRIPE_SIZE, Stripes, TAIL_LEN, Trailer, TrailerHeader, build_tail,
    damaged_stripes, parse_stripes,
};

use crate::sealed::{opener, sealer, unpack};

/// The longest pack that a target builds, in bytes.
const BUILT_MAX: u64 = 4 << 20;

/// The input is the end of a pack as long as it says itself; read as it is, and with its checksums mended.
#[must_use]
pub fn footer(input: &[u8]) -> bool {
    let Some(start) = input.len().checked_sub(TAIL_LEN) else { return false };
    let mut tail = input[start..].to_vec();
    let tables = tail[40..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let stripes = tail[48..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
    let pack_len = tables.saturating_add(8 * u64::from(stripes) + 128);
    let accepted = Footer::parse(&tail, pack_len).is_ok();
    for copy in [0, FOOTER_LEN] {
        let crc = crc32fast::hash(&tail[copy..copy + 60]);
        tail[copy + 60..copy + 64].copy_from_slice(&crc.to_le_bytes());
    }
    let [first, last] = Footer::parse_both(&tail, pack_len);
    assert_eq!(Footer::parse(&tail, pack_len).is_ok(), first.is_ok() || last.is_ok());
    if let Ok(footer) = first {
        assert_eq!(footer.encode(), tail[..FOOTER_LEN]);
        assert_eq!(footer.pack_len(), pack_len);
        assert_eq!(footer.stripe_range(footer.stripe_count() - 1).end, tables);
    }
    accepted
}

/// The input is a stripe table, of a body of so many stripes, and then a body that has other ones.
#[must_use]
pub fn stripes(input: &[u8]) -> bool {
    let count = input.len() / 8;
    let (table, body) = input.split_at(4 * count);
    let tables = table.repeat(2);
    let body_len = (count as u64) << 20;
    let stripes_crc = crc32fast::hash(table);
    let footer =
        Footer { trailer_offset: 104, trailer_len: 36, body_len, parity_len: 0, stripes_crc };
    let checksums = parse_stripes(&tables, &footer).expect("its length and checksum are right");
    assert_eq!(checksums.len(), count);
    let damaged = damaged_stripes(body, &footer, &checksums);
    let mut stripes = Stripes::new(STRIPE_SIZE);
    stripes.update(body);
    let whole = Footer { body_len: body.len() as u64, ..footer };
    assert!(damaged_stripes(body, &whole, &stripes.finish()).is_empty());
    damaged.len() <= count
}

/// The input is the plaintext of a trailer, of a pack that is as long as its frames want it.
#[must_use]
pub fn trailer(input: &[u8]) -> bool {
    read_trailer(input, u64::from(u32::MAX)).is_some()
}

fn read_trailer(plaintext: &[u8], trailer_offset: u64) -> Option<Trailer> {
    let (header, packed) = TrailerHeader::decode(plaintext).ok()?;
    let table = unpack(&packed)?;
    let trailer = Trailer::decode_table(header, &table, trailer_offset).ok()?;
    assert_eq!(trailer.encode_table(), table);
    let again = trailer.encode(packed.codec, packed.rest);
    assert_eq!(again.as_deref(), Ok(plaintext));
    Some(trailer)
}

/// The input is the length of a trailer's plaintext in two bytes, that plaintext, and what its frames are filled with. The
/// pack that comes of it is read as a whole.
#[must_use]
pub fn sealed(input: &[u8]) -> bool {
    let Some((len, rest)) = input.split_first_chunk() else { return false };
    let len = usize::from(u16::from_le_bytes(*len)).min(rest.len());
    let (plaintext, filling) = rest.split_at(len);
    let sealer = sealer(ObjectType::DataPack);
    let mut pack = sealer.preamble().to_vec();
    let trailer = read_trailer(plaintext, BUILT_MAX).unwrap_or_default();
    let mut filling = filling.iter().copied().cycle();
    for frame in &trailer.frames {
        pack.resize(frame.offset as usize, 0);
        let len = frame.sealed_len as usize - 16;
        let mut bytes: Vec<u8> = filling.by_ref().take(len).collect();
        bytes.resize(len, 0);
        sealer
            .seal(Role::Frame, frame.number.into(), &NO_EXTRA, &mut bytes)
            .expect("numbers differ");
        pack.extend(bytes);
    }
    let mut bytes = plaintext.to_vec();
    sealer.seal(Role::Trailer, 0, &NO_EXTRA, &mut bytes).expect("sealed once");
    pack.extend(&bytes);
    let mut stripes = Stripes::new(STRIPE_SIZE);
    stripes.update(&pack);
    pack.extend(build_tail(stripes, bytes.len() as u64).expect("the trailer is in the body"));
    read_pack(&pack)
}

fn read_pack(pack: &[u8]) -> bool {
    let Ok(footer) = Footer::parse(pack, pack.len() as u64) else { return false };
    let part = |range: std::ops::Range<u64>| {
        let index = |place| usize::try_from(place).expect("within the pack");
        &pack[index(range.start)..index(range.end)]
    };
    let checksums = parse_stripes(part(footer.stripes_range()), &footer).expect("just built");
    assert!(damaged_stripes(part(footer.content_range()), &footer, &checksums).is_empty());
    let opener = opener(pack, ObjectType::DataPack).expect("just sealed");
    let sealed = part(footer.trailer_range());
    let plaintext = opener.open(Role::Trailer, 0, &NO_EXTRA, sealed).expect("just sealed");
    let Some(trailer) = read_trailer(&plaintext, footer.trailer_offset) else { return false };
    read_frames(pack, &opener, &trailer)
}

/// Opens every frame and cuts out every chunk; whether all could be decompressed.
fn read_frames(pack: &[u8], opener: &ObjectOpener, trailer: &Trailer) -> bool {
    let mut whole = true;
    for (place, frame) in (0..).zip(&trailer.frames) {
        let start = frame.offset as usize;
        let sealed = &pack[start..start + frame.sealed_len as usize];
        let bytes = opener.open(Role::Frame, frame.number.into(), &NO_EXTRA, sealed);
        let bytes = bytes.expect("just sealed");
        let packed = Packed { codec: frame.codec, raw_len: frame.raw_len, rest: &bytes };
        let Some(raw) = unpack(&packed) else {
            whole = false;
            continue;
        };
        for chunk in trailer.chunks.iter().filter(|chunk| chunk.frame == place) {
            let start = chunk.offset as usize;
            assert_eq!(raw[start..][..chunk.length as usize].len(), chunk.length as usize);
        }
    }
    whole
}
