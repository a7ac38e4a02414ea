//! Media: files of some MiB that nothing compresses.

use std::{fs, path::Path};

use anyhow::Result;

use super::{Edits, files_below, length, random::Random};

pub(super) fn build(folder: &Path, mut random: Random, bytes: u64) -> Result<()> {
    let mut written = 0;
    let mut number = 0;
    while written < bytes {
        written += write(folder, &mut random, number, bytes)?;
        number += 1;
    }
    Ok(())
}

/// Media do not change: one of a hundred goes, and as many come.
pub(super) fn edit(folder: &Path, random: Random, bytes: u64, edits: &mut Edits) -> Result<()> {
    let files = files_below(folder)?;
    let mut random = random.branch(2);
    for number in 0..=files.len() / 100 {
        fs::remove_file(&files[number * 7 % files.len()])?;
        edits.removed += 1;
        let number = u64::try_from(files.len() + number)?;
        edits.add(write(folder, &mut random, number, bytes)?);
    }
    Ok(())
}

/// Writes one file and says how long it is.
fn write(folder: &Path, random: &mut Random, number: u64, bytes: u64) -> Result<u64> {
    let longest = (bytes / 10).clamp(16 << 10, 12 << 20);
    let count = random.between(longest / 8, longest);
    let mut content = Vec::new();
    random.fill(&mut content, usize::try_from(count)?);
    fs::write(folder.join(format!("picture-{number:05}.raw")), &content)?;
    Ok(length(&content))
}
