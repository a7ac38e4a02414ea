//! Targets for index segments, which mend checksums and seal again behind the mutator.

use lifeboat_codec::seal::NO_EXTRA;
use lifeboat_format::envelope::{ObjectType, Role, block_extra};
use lifeboat_format::index::{
    BlockEntry, Directory, Filter, INDEX_FOOTER_LEN, IndexFooter, Section, block_number,
    decode_block, decode_packs, decode_records, encode_packs, encode_records,
};

use crate::sealed::{opener, sealer, unpack};

/// The longest segment that a target builds, in bytes.
const BUILT_MAX: u64 = 4 << 20;
/// How many packs records may point into where no pack table says it.
const PACKS: u32 = 1 << 16;

/// The input is a section, a count of two bytes and the plaintext of such a block.
#[must_use]
pub fn block(input: &[u8]) -> bool {
    let Some((head, plaintext)) = input.split_first_chunk::<3>() else { return false };
    let section = match head[0] % 3 {
        1 => Section::Records,
        2 => Section::Filters,
        _ => Section::Packs,
    };
    read_block(plaintext, section, u16::from_le_bytes([head[1], head[2]]).into(), PACKS)
}

fn read_block(plaintext: &[u8], section: Section, count: u32, packs: u32) -> bool {
    let Ok(packed) = decode_block(plaintext, section, count) else { return false };
    let Some(raw) = unpack(&packed) else { return false };
    match section {
        Section::Records => match decode_records(&raw, count, packs) {
            Ok(records) => {
                assert_eq!(encode_records(&records), raw);
                let filter = Filter::build(records.iter().map(|record| &record.id));
                records.iter().all(|record| filter.may_have(&record.id))
            }
            Err(_) => false,
        },
        Section::Filters => match Filter::decode(&raw, count) {
            Ok(filter) => filter.as_bytes() == raw,
            Err(_) => false,
        },
        Section::Packs => match decode_packs(&raw, count) {
            Ok(packs) => {
                assert_eq!(encode_packs(&packs), raw);
                true
            }
            Err(_) => false,
        },
    }
}

/// The input is the plaintext of a directory that lies where its last block ends.
#[must_use]
pub fn directory(input: &[u8]) -> bool {
    read_directory(input).is_some()
}

fn read_directory(plaintext: &[u8]) -> Option<(Directory, u64)> {
    let last = plaintext.len().checked_sub(49)?;
    let offset = u64::from_le_bytes(*plaintext[last + 1..].first_chunk()?);
    let len = u32::from_le_bytes(*plaintext[last + 9..].first_chunk()?);
    let end = offset.saturating_add(len.into());
    let directory = Directory::decode(plaintext, end).ok()?;
    assert_eq!(directory.encode(), plaintext);
    let records = directory.section(Section::Records);
    assert!((0..).zip(records).all(|(place, block)| directory.find(&block.first) == Some(place)));
    Some((directory, end))
}

/// The input is a footer, of a segment as long as it says itself; read as it is, and with its checksum mended.
#[must_use]
pub fn footer(input: &[u8]) -> bool {
    let Some(copy) = input.first_chunk::<INDEX_FOOTER_LEN>() else { return false };
    let mut copy = *copy;
    let number =
        |place: usize| copy[place..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let len = number(8).saturating_add(number(16)).saturating_add(96);
    let accepted = IndexFooter::parse(&copy.repeat(2), len).is_ok();
    let crc = crc32fast::hash(&copy[..44]);
    copy[44..].copy_from_slice(&crc.to_le_bytes());
    if let Ok(footer) = IndexFooter::parse(&copy.repeat(2), len) {
        assert_eq!(footer.encode(), copy);
        assert_eq!(footer.directory_range().end + 96, len);
    }
    accepted
}

/// The input is the length of a directory's plaintext in two bytes, that plaintext, and the plaintexts of its blocks, one
/// after another. The segment that comes of it is read as a whole.
#[must_use]
pub fn sealed(input: &[u8]) -> bool {
    let Some((len, rest)) = input.split_first_chunk() else { return false };
    let len = usize::from(u16::from_le_bytes(*len)).min(rest.len());
    let (plaintext, mut filling) = rest.split_at(len);
    let Some((directory, end)) = read_directory(plaintext) else { return false };
    if end > BUILT_MAX {
        return false;
    }
    let sealer = sealer(ObjectType::IndexSegment);
    let mut object = sealer.preamble().to_vec();
    for (number, block) in numbered(&directory) {
        let len = block.sealed_len as usize - 16;
        let (now, later) = filling.split_at(len.min(filling.len()));
        let mut bytes = now.to_vec();
        bytes.resize(len, 0);
        let extra = block_extra(block.section as u8, block.count);
        sealer.seal(Role::Block, number, &extra, &mut bytes).expect("numbers differ");
        object.extend(bytes);
        filling = later;
    }
    let mut bytes = plaintext.to_vec();
    sealer.seal(Role::Directory, 0, &NO_EXTRA, &mut bytes).expect("sealed once");
    object.extend(&bytes);
    let footer = IndexFooter {
        directory_offset: end,
        directory_len: bytes.len() as u64,
        record_count: directory.record_count(),
    };
    object.extend(footer.encode().repeat(2));
    read_segment(&object)
}

/// Every block with the number under which it is sealed.
fn numbered(directory: &Directory) -> impl Iterator<Item = (u64, &BlockEntry)> {
    let sections = [Section::Records, Section::Filters, Section::Packs];
    sections.into_iter().flat_map(|section| {
        let blocks = (0..).zip(directory.section(section));
        blocks.map(move |(position, block)| (block_number(section, position), block))
    })
}

fn read_segment(object: &[u8]) -> bool {
    let footer = IndexFooter::parse(object, object.len() as u64).expect("just built");
    let index = |place| usize::try_from(place).expect("within the segment");
    let range = footer.directory_range();
    let sealed = &object[index(range.start)..index(range.end)];
    let opener = opener(object, ObjectType::IndexSegment).expect("just sealed");
    let plaintext = opener.open(Role::Directory, 0, &NO_EXTRA, sealed).expect("just sealed");
    let directory = Directory::decode(&plaintext, footer.directory_offset).expect("read before");
    let mut accepted = true;
    for (number, block) in numbered(&directory) {
        let sealed = &object[index(block.offset)..][..block.sealed_len as usize];
        let extra = block_extra(block.section as u8, block.count);
        let bytes = opener.open(Role::Block, number, &extra, sealed).expect("just sealed");
        accepted &= read_block(&bytes, block.section, block.count, directory.pack_count());
    }
    accepted
}
