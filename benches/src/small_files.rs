//! Many tiny files: what they take in a repository, beside `tar | zstd -3` and restic.
//!
//! Where a format stores each small file by itself, most of it is overhead; the table says where
//! the bytes of a repository go.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    corpus::{Random, json},
    measure::{bytes_below, files_below, say},
    results,
    tool::{Place, Step, Tool, quietly, remove},
};

/// What the data frames may take beyond `tar | zstd -3`.
const FRAMES_MORE: f64 = 1.1;

/// What everything but the data frames may take, in bytes a file.
const REST_BYTES: u64 = 200;

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many files.
    pub count: u64,
    /// What they follow from.
    pub seed: u64,
}

/// Where the bytes of a repository are, by what they are for.
type Parts = BTreeMap<&'static str, u64>;

const FRAMES: &str = "1. frames of data packs";

/// Makes the files, backs them up, and writes the table into `file`.
///
/// # Errors
///
/// A tool failed, or the repository takes more than was promised.
pub fn small_files(options: Options, place: &Place, file: &Path) -> Result<()> {
    remove(place, &place.data)?;
    fs::create_dir_all(&place.data)?;
    json::write(&place.data, &Random::new(options.seed, "small files"), options.count)?;
    let (raw, tar) = (bytes_below(&place.data)?, tar_and_zstd(&place.data)?);
    backed_up(place, Tool::Lifeboat)?;
    let parts = parts(place)?;
    let restic = match Tool::Restic.version(place) {
        Some(_) => Some(backed_up(place, Tool::Restic)?),
        None => None,
    };
    let text = render(options.count, raw, tar, restic, &parts);
    say(&text)?;
    results::record(file, "small files", &text)?;
    verdict(options.count, tar, restic, &parts)
}

/// Backs the files up into a new repository, and says how large it is.
fn backed_up(place: &Place, tool: Tool) -> Result<u64> {
    tool.fresh(place)?;
    quietly(&mut tool.step(place, Step::Full))?;
    Ok(bytes_below(&place.repository(tool))?)
}

fn tar_and_zstd(folder: &Path) -> Result<u64> {
    let pipe = "tar --sort=name -C \"$0\" -c . | zstd --quiet -3 | wc -c";
    let output = Command::new("sh").args(["-c", pipe]).arg(folder).output().context("run tar")?;
    let said = String::from_utf8_lossy(&output.stdout);
    said.trim().parse().with_context(|| format!("`{pipe}` said {said:?}"))
}

/// Adds the objects of Lifeboat's repository up, and divides data packs by what they hold.
fn parts(place: &Place) -> Result<Parts> {
    let repository = place.repository(Tool::Lifeboat);
    let mut parts = Parts::new();
    for object in files_below(&repository)? {
        let bytes = object.metadata()?.len();
        let key = object.strip_prefix(&repository)?;
        let part = match key.iter().next().and_then(std::ffi::OsStr::to_str).unwrap_or_default() {
            "packs" => {
                let frames = frame_bytes(place, key)?;
                *parts.entry(FRAMES).or_default() += frames;
                *parts.entry("2. the rest of data packs").or_default() += bytes - frames;
                continue;
            }
            "trees" => "3. tree packs",
            "index" => "4. index segments",
            "log" => "5. log",
            _ => "6. config, key slots, everything else",
        };
        *parts.entry(part).or_default() += bytes;
    }
    Ok(parts)
}

/// The bytes of a pack's frames, as `inspect` lists them.
fn frame_bytes(place: &Place, key: &Path) -> Result<u64> {
    let mut inspect = Tool::Lifeboat.command(place, &["inspect", "--json"]);
    let output = inspect.arg(key).output().context("run lifeboat inspect")?;
    let pack: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("what `inspect {}` says", key.display()))?;
    let content = &pack["content"];
    let frames = content["frames"].as_array().context("`inspect` of a pack lists no frames")?;
    let all = content["frame_count"].as_u64() == u64::try_from(frames.len()).ok();
    ensure!(all, "`inspect` lists only some of the frames of {}", key.display());
    Ok(frames.iter().filter_map(|frame| frame["sealed_len"].as_u64()).sum())
}

fn render(count: u64, raw: u64, tar: u64, restic: Option<u64>, parts: &Parts) -> String {
    let mut text = format!(
        "## {count} small JSON files\n\n{}\n\n| what | bytes | a file |\n|---|--:|--:|\n",
        results::circumstances()
    );
    let total: u64 = parts.values().sum();
    let mut rows = vec![("the files themselves", raw), ("`tar` and `zstd -3`", tar)];
    rows.extend(restic.map(|bytes| ("restic", bytes)));
    rows.push(("Lifeboat", total));
    rows.extend(parts.iter().map(|(name, bytes)| (*name, *bytes)));
    for (name, bytes) in rows {
        text.push_str(&format!("| {name} | {bytes} | {} |\n", bytes / count));
    }
    text
}

/// Whether the repository takes no more than was promised.
fn verdict(count: u64, tar: u64, restic: Option<u64>, parts: &Parts) -> Result<()> {
    let frames = parts.get(FRAMES).copied().unwrap_or_default();
    let total: u64 = parts.values().sum();
    #[expect(clippy::cast_precision_loss, reason = "a ratio to compare")]
    let more = frames as f64 / tar as f64;
    ensure!(more <= FRAMES_MORE, "the data frames take {more:.2} of what tar and zstd take");
    let rest = (total - frames) / count;
    ensure!(rest <= REST_BYTES, "beside the data frames a file takes {rest} bytes");
    if let Some(restic) = restic {
        ensure!(total < restic, "restic takes {restic} bytes, we take {total}");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
