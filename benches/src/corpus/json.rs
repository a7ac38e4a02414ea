//! Records: many tiny JSON files of one form.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::Result;

use super::{Edits, files_below, length, random::Random, words::Words};

/// About how long one record is, in bytes.
const LENGTH: u64 = 800;

/// How many records lie in one folder.
const IN_A_FOLDER: u64 = 100;

pub(super) fn build(folder: &Path, random: Random, bytes: u64) -> Result<()> {
    write(folder, &random, (bytes / LENGTH).max(20))
}

/// Writes `count` records below `folder`.
///
/// # Errors
///
/// What the file system says.
pub fn write(folder: &Path, random: &Random, count: u64) -> Result<()> {
    let words = Words::new(random);
    for number in 0..count {
        if number % IN_A_FOLDER == 0 {
            fs::create_dir_all(place(folder, number))?;
        }
        put(folder, &record(&words, random.branch(number), number), number)?;
    }
    Ok(())
}

/// One record in a hundred changes, and a few are new.
pub(super) fn edit(folder: &Path, random: Random, _bytes: u64, edits: &mut Edits) -> Result<()> {
    let words = Words::new(&random);
    let count = u64::try_from(files_below(folder)?.len())?;
    let next = random.branch(2);
    for number in 0..count {
        if next.branch(number).once_in(100) {
            let record = record(&words, next.branch(number), number);
            put(folder, &record, number)?;
            edits.change(length(&record));
        }
    }
    for number in count..count + count / 200 {
        fs::create_dir_all(place(folder, number))?;
        let record = record(&words, random.branch(number), number);
        put(folder, &record, number)?;
        edits.add(length(&record));
    }
    Ok(())
}

fn place(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{:04}", number / IN_A_FOLDER))
}

fn put(folder: &Path, record: &[u8], number: u64) -> io::Result<()> {
    fs::write(place(folder, number).join(format!("{number:07}.json")), record)
}

fn record(words: &Words, mut random: Random, number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let (id, seconds) = (random.draw(), random.below(60));
    write!(out, "{{\n  \"id\": \"{id:016x}\",\n  \"number\": {number},\n  \"title\": \"")
        .expect("a Vec takes all bytes");
    words.put_sentence(&mut out, &mut random, 5);
    write!(out, "\",\n  \"created\": \"2026-11-20T12:00:{seconds:02}Z\",\n  \"tags\": [")
        .expect("a Vec takes all bytes");
    for index in 0..random.between(1, 6) {
        out.extend_from_slice(if index == 0 { b"\"" } else { b", \"" });
        words.put(&mut out, &mut random);
        out.push(b'"');
    }
    out.extend_from_slice(b"],\n  \"measures\": {\n");
    for name in ["height", "weight", "latency", "throughput", "errors"] {
        let value = random.below(100_000);
        writeln!(out, "    \"{name}\": {{\"value\": {value}, \"unit\": \"count\"}},")
            .expect("a Vec takes all bytes");
    }
    out.extend_from_slice(b"    \"valid\": true\n  },\n  \"text\": \"");
    let count = random.between(10, 70);
    words.put_sentence(&mut out, &mut random, count);
    out.extend_from_slice(b"\"\n}\n");
    out
}
