//! A machine's disk: one sparse file with what a file system would have laid out in it.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::FileExt,
    path::Path,
};

use anyhow::Result;

use super::{Edits, binary, code, length, random::Random, words::Words};

const NAME: &str = "disk.raw";

/// The block of the file system inside.
const BLOCK: u64 = 4096;

/// One block in this many changes on the next day.
const ONE_CHANGES_IN: u64 = 200;

/// A stretch of data; between two of them is a hole.
struct Extent {
    offset: u64,
    length: u64,
    /// Names its content.
    number: u64,
}

pub(super) fn build(folder: &Path, random: Random, bytes: u64) -> Result<()> {
    let (extents, size) = layout(&random, bytes);
    let file = File::create(folder.join(NAME))?;
    file.set_len(size)?;
    let words = Words::new(&random);
    for extent in &extents {
        let content = content(&words, random.branch(extent.number), extent.length);
        file.write_all_at(&content, extent.offset)?;
    }
    Ok(file.sync_all()?)
}

/// Blocks change one by one all over the disk, and many together in the first quarter of the data,
/// as where a database lies.
pub(super) fn edit(folder: &Path, random: Random, bytes: u64, edits: &mut Edits) -> Result<()> {
    let (extents, _size) = layout(&random, bytes);
    let file = OpenOptions::new().write(true).open(folder.join(NAME))?;
    let words = Words::new(&random);
    let mut random = random.branch(2);
    let (mut data, mut changed) = (0, 0);
    for (index, extent) in extents.iter().enumerate() {
        data += extent.length;
        let odds = if index < extents.len() / 4 { ONE_CHANGES_IN / 3 } else { ONE_CHANGES_IN * 2 };
        for block in 0..extent.length / BLOCK {
            if changed > 0 && !random.once_in(odds) {
                continue;
            }
            let content = content(&words, random.branch(block), BLOCK);
            file.write_all_at(&content, extent.offset + block * BLOCK)?;
            changed += 1;
        }
    }
    file.sync_all()?;
    edits.change(data);
    Ok(())
}

/// Where data lies, and how large the disk is: about twice its data.
fn layout(random: &Random, bytes: u64) -> (Vec<Extent>, u64) {
    let mut random = random.branch(1);
    let (mut extents, mut offset, mut data) = (Vec::new(), 0, 0);
    let blocks_max = (bytes / BLOCK / 20).clamp(2, 1024);
    for number in 10.. {
        if data >= bytes {
            break;
        }
        let length = BLOCK * random.between(1, blocks_max);
        extents.push(Extent { offset, length, number });
        data += length;
        offset += length + BLOCK * random.between(1, blocks_max);
    }
    (extents, offset)
}

/// What a stretch holds: tables of inodes, text, programs, or what nothing compresses.
fn content(words: &Words, mut random: Random, count: u64) -> Vec<u8> {
    let end = usize::try_from(count).expect("an extent fits into memory");
    let mut out = Vec::with_capacity(end + (64 << 10));
    let sort = random.below(10);
    while out.len() < end {
        match sort {
            0 => inode(&mut out, &mut random),
            1..=4 => code::function(&mut out, words, &mut random),
            5..=7 => binary::code(&mut out, &mut random, 4096),
            _ => random.fill(&mut out, 4096),
        }
    }
    out.truncate(end);
    debug_assert_eq!(length(&out), count);
    out
}

/// Adds a record of 256 bytes, most of them zero.
fn inode(out: &mut Vec<u8>, random: &mut Random) {
    let start = out.len();
    for field in [0o100_644, 1000, random.below(1 << 20), 1_760_000_000 + random.below(1 << 24)] {
        out.extend_from_slice(&field.to_le_bytes());
    }
    out.extend_from_slice(&random.below(1 << 28).to_le_bytes());
    out.resize(start + 256, 0);
}
