//! Programs: code-like bytes, tables, strings and padding, in files of some MiB.

use std::{fs, path::Path};

use anyhow::Result;

use super::{Edits, files_below, length, random::Random, words::Words};

/// One file in this many is built anew on the next day.
const ONE_CHANGES_IN: u64 = 40;

/// How many different instructions the code is made of.
const INSTRUCTIONS: usize = 700;

pub(super) fn build(folder: &Path, mut random: Random, bytes: u64) -> Result<()> {
    let words = Words::new(&random);
    let mut written = 0;
    let mut number = 0;
    while written < bytes {
        let length_max = (bytes / 8).clamp(64 << 10, 8 << 20);
        let program = program(&words, &mut random, length_max);
        fs::write(folder.join(format!("lib{}-{number}.so", words.word(&mut random))), &program)?;
        written += length(&program);
        number += 1;
    }
    Ok(())
}

/// A new build has a few functions more or less, so that all behind them moves.
pub(super) fn edit(folder: &Path, random: Random, _bytes: u64, edits: &mut Edits) -> Result<()> {
    let mut random = random.branch(2);
    for (index, path) in files_below(folder)?.into_iter().enumerate() {
        // At least one changes, however small the corpus is.
        if index > 0 && !random.once_in(ONE_CHANGES_IN) {
            continue;
        }
        let mut program = fs::read(&path)?;
        for _function in 0..random.between(2, 12) {
            let at = random.place(program.len());
            let mut new = Vec::new();
            code(&mut new, &mut random, 2000);
            drop(program.splice(at..at, new));
        }
        fs::write(&path, &program)?;
        edits.change(length(&program));
    }
    Ok(())
}

/// A whole program of at most about `length_max` bytes.
fn program(words: &Words, random: &mut Random, length_max: u64) -> Vec<u8> {
    let target = usize::try_from(random.between(length_max / 16, length_max)).unwrap_or(1 << 20);
    let mut program = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    program.reserve(target + (64 << 10));
    code(&mut program, random, target * 6 / 10);
    pad(&mut program);
    table(&mut program, random, target / 40);
    pad(&mut program);
    while program.len() < target {
        words.put_sentence(&mut program, random, 3);
        program.push(0);
    }
    program
}

/// Adds code-like bytes: frequent instructions with rare operands.
pub(super) fn code(out: &mut Vec<u8>, random: &mut Random, count: usize) {
    let end = out.len() + count;
    while out.len() < end {
        let mut instruction = Random::new(7, "instruction")
            .branch(u64::try_from(random.favoured(INSTRUCTIONS)).unwrap_or(0));
        let bytes = instruction.draw().to_le_bytes();
        out.extend_from_slice(&bytes[..2 + instruction.place(5)]);
        if random.once_in(3) {
            let bits = random.between(4, 24);
            let operand = random.below(1 << bits).to_le_bytes();
            out.extend_from_slice(&operand[..4]);
        }
    }
}

/// Adds a table of rising addresses, as of relocations.
fn table(out: &mut Vec<u8>, random: &mut Random, count: usize) {
    let mut address: u64 = 0x40_0000;
    for _entry in 0..count {
        address += 8 * random.between(1, 30);
        out.extend_from_slice(&address.to_le_bytes());
        out.extend_from_slice(&0x8_u64.to_le_bytes());
    }
}

/// Fills up to the next page with zeros.
fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4096), 0);
}
