//! Random trees and random edits of them, repeatable from a seed.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::awkward::set_time;
use super::reach::list;

/// How large a random tree is.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// How many directories.
    pub dirs: usize,
    /// How many files; one in ten is a symbolic link or a hard link instead.
    pub files: usize,
    /// How long the longest file is, in bytes. Most are much shorter.
    pub file_bytes_max: u64,
}

impl Default for Shape {
    fn default() -> Self {
        Self { dirs: 20, files: 150, file_bytes_max: 400_000 }
    }
}

/// Builds a random tree in the empty directory `root`.
///
/// # Errors
/// Those of the file system.
pub fn random(root: &Path, seed: u64, shape: &Shape) -> io::Result<()> {
    let mut dice = Dice(ChaCha8Rng::seed_from_u64(seed));
    let mut dirs = vec![root.to_owned()];
    for number in 0..shape.dirs {
        let dir = dice.pick(&dirs).join(dice.name(number));
        fs::create_dir(&dir)?;
        dirs.push(dir);
    }
    let mut files = Vec::new();
    for number in 0..shape.files {
        let path = dice.pick(&dirs).join(dice.name(shape.dirs + number));
        match dice.below(20) {
            0 => symlink(dice.name(number), &path)?,
            1 if !files.is_empty() => fs::hard_link(dice.pick(&files), &path)?,
            _ => {
                dice.write_file(&path, shape.file_bytes_max)?;
                files.push(path);
            }
        }
    }
    Ok(())
}

/// Makes `count` random edits below `root`; says what they were.
///
/// # Errors
/// Those of the file system.
pub fn edit(root: &Path, seed: u64, count: usize) -> io::Result<Vec<String>> {
    let mut dice = Dice(ChaCha8Rng::seed_from_u64(seed));
    let mut done = Vec::with_capacity(count);
    for number in 0..count {
        done.push(edit_once(root, &mut dice, number)?);
    }
    Ok(done)
}

fn edit_once(root: &Path, dice: &mut Dice, number: usize) -> io::Result<String> {
    let mut dirs = vec![root.to_owned()];
    let (mut files, mut all) = (Vec::new(), Vec::new());
    for found in list(root)? {
        let below: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(&found.path);
        let path = root.join(below);
        if found.is_dir {
            dirs.push(path.clone());
        } else if path.symlink_metadata()?.is_file() {
            files.push(path.clone());
        }
        all.push(path);
    }
    // Edits of their own names, so that none is taken already.
    let fresh = dice.pick(&dirs).join(format!("edit-{:08x}-{number}", dice.next()));
    if files.is_empty() {
        dice.write_file(&fresh, 10_000)?;
        return Ok(format!("create {}", fresh.display()));
    }
    let file = dice.pick(&files);
    let text = match dice.below(11) {
        0 => {
            dice.write_file(&fresh, 100_000)?;
            return Ok(format!("create {}", fresh.display()));
        }
        1 => {
            fs::create_dir(&fresh)?;
            return Ok(format!("mkdir {}", fresh.display()));
        }
        2 => {
            symlink(dice.name(number), &fresh)?;
            return Ok(format!("symlink {}", fresh.display()));
        }
        3 => {
            fs::hard_link(&file, &fresh)?;
            return Ok(format!("link {} to {}", fresh.display(), file.display()));
        }
        4 => {
            fs::rename(&file, &fresh)?;
            return Ok(format!("rename {} to {}", file.display(), fresh.display()));
        }
        5 => {
            let victim = dice.pick(&all);
            if victim.symlink_metadata()?.is_dir() {
                fs::remove_dir_all(&victim)?;
            } else {
                fs::remove_file(&victim)?;
            }
            return Ok(format!("remove {}", victim.display()));
        }
        6 => dice.append(&file)?,
        7 => dice.overwrite(&file)?,
        8 => {
            let len = file.metadata()?.len();
            let len = dice.below(len * 3 / 2 + 1);
            OpenOptions::new().write(true).open(&file)?.set_len(len)?;
            "resize"
        }
        9 => {
            let mode = [0o600, 0o644, 0o755, 0o640][dice.index(4)];
            fs::set_permissions(&file, fs::Permissions::from_mode(mode))?;
            "chmod"
        }
        _ => {
            let nanos = i64::try_from(dice.below(1_000_000_000)).unwrap_or_default();
            set_time(&file, 1_000_000_000 + nanos, nanos)?;
            "touch"
        }
    };
    Ok(format!("{text} {}", file.display()))
}

struct Dice(ChaCha8Rng);

impl Dice {
    fn next(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A number below `end`, which is at least 1.
    fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64() % end
    }

    fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or_default()
    }

    fn pick(&mut self, paths: &[PathBuf]) -> PathBuf {
        paths[self.index(paths.len())].clone()
    }

    /// A name that no other number has.
    fn name(&mut self, number: usize) -> String {
        let stems = ["a", "file", "Z", "data.json", "é", "long name with spaces", "x-"];
        format!("{}{number}", stems[self.index(stems.len())])
    }

    /// Many short, some middling, few long.
    fn length(&mut self, max: u64) -> u64 {
        let shift = self.below(12);
        self.below((max >> shift) + 1)
    }

    /// Noise, text that compresses, or zeros.
    fn bytes(&mut self, len: u64) -> Vec<u8> {
        let len = usize::try_from(len).unwrap_or_default();
        let mut bytes = vec![0; len];
        match self.below(5) {
            0 => {}
            1 | 2 => self.0.fill_bytes(&mut bytes),
            _ => {
                let word = format!("{{\"id\": {}, \"value\": null}},\n", self.next());
                let text = word.bytes().cycle();
                bytes.iter_mut().zip(text).for_each(|(byte, letter)| *byte = letter);
            }
        }
        bytes
    }

    fn write_file(&mut self, path: &Path, bytes_max: u64) -> io::Result<()> {
        let len = self.length(bytes_max);
        let file = File::create_new(path)?;
        file.write_all_at(&self.bytes(len), 0)?;
        if self.below(8) == 0 {
            // A hole, with something behind it.
            let place = len + self.below(1 << 20);
            file.write_all_at(&self.bytes(100), place)?;
        }
        Ok(())
    }

    fn append(&mut self, path: &Path) -> io::Result<&'static str> {
        let file = OpenOptions::new().write(true).open(path)?;
        let len = file.metadata()?.len();
        let more = self.length(50_000) + 1;
        file.write_all_at(&self.bytes(more), len)?;
        Ok("append to")
    }

    fn overwrite(&mut self, path: &Path) -> io::Result<&'static str> {
        let file = OpenOptions::new().write(true).open(path)?;
        let place = self.below(file.metadata()?.len() + 1);
        let len = self.length(20_000) + 1;
        file.write_all_at(&self.bytes(len), place)?;
        Ok("overwrite in")
    }
}
