//! Writes the golden fixtures that are not there yet: `cargo xtask fixtures`.
//!
//! A fixture of a released format is never changed, so one that is there is left alone; remove its
//! folder first to make it anew.
#![expect(clippy::print_stdout, reason = "a tool for a developer's terminal")]

#[path = "../tests/golden/expected.rs"]
mod expected;
#[path = "../tests/golden/folder.rs"]
mod folder;
#[path = "../tests/golden/model.rs"]
mod model;
#[path = "../tests/golden/write.rs"]
mod write;

use std::error::Error;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::folder::{FIXTURES, Files, SUMS, files_below, fixtures, sums};

fn main() -> Result<(), Box<dyn Error>> {
    for fixture in FIXTURES {
        let folder = fixtures().join(fixture.name);
        if folder.exists() {
            println!("{} is there: left alone", folder.display());
            continue;
        }
        let files = write::golden(fixture.level, fixture.parity, lifeboat_store::mem())?;
        for (path, bytes) in &files {
            put(&folder.join(path), bytes)?;
        }
        assert_eq!(files_below(&folder)?, files, "what was written is there, and nothing else");
        add_sums(fixture.name, &files)?;
        let bytes: usize = files.values().map(Vec::len).sum();
        println!("{}: {} files of {bytes} bytes", folder.display(), files.len());
    }
    Ok(())
}

fn put(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(path, bytes)
}

/// Puts the sums of a fixture in the place of those of an earlier one of that name.
fn add_sums(name: &str, files: &Files) -> std::io::Result<()> {
    let path = fixtures().join(SUMS);
    let old = match fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        text => text?,
    };
    let within = format!("  {name}/");
    let others = old.lines().filter(|line| !line.contains(&within)).map(str::to_owned);
    let mut lines: Vec<String> = others.chain(sums(name, files)).collect();
    lines.sort_by(|a, b| a[64..].cmp(&b[64..]));
    fs::write(path, lines.join("\n") + "\n")
}
