//! A restore beside a plain copy of the same tree, and of one small file of many.
//!
//! Both write the same files to the same file system, mostly into the page cache, which is what either spends its time on;
//! once without waiting for the disk, and once until all is on it. The efficiency of a restore is what it can't do without, the
//! primitives on the same bytes and such a copy, by what it takes.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result};

use crate::{
    compare::volume_of_the_first_day,
    corpus::Spec,
    measure::{self, Sample, files_below, say},
    primitives::{Seconds, primitives},
    results,
    tool::{Place, Tool, quietly, remove},
};

/// How often each is measured; the median counts.
const ROUNDS: usize = 3;
/// How often the one file is restored.
const ROUNDS_OF_ONE: usize = 9;
/// About how long that file is, in bytes.
const ONE_FILE: std::ops::RangeInclusive<u64> = 3500..=4500;

/// The four that write the whole tree, in the order of the table.
const WHOLE: [&str; 4] = [
    "`cp -a --reflink=never`",
    "`restore --no-sync`",
    "`cp -a --reflink=never`, then `sync --file-system`",
    "`restore`",
];

/// Measures, and writes the table into `file`.
///
/// # Errors
///
/// The volume can't be made, or something failed.
pub fn restore(spec: Spec, place: &Place, file: &Path) -> Result<()> {
    volume_of_the_first_day(spec, place)?;
    let repository = place.repository(Tool::Lifeboat);
    let key = place.work.join("restore.key");
    remove(place, &repository)?;
    remove(place, &key)?;
    fs::create_dir_all(place.home(Tool::Lifeboat))?;
    quietly(&mut lifeboat(place, &["init"]))?;
    quietly(lifeboat(place, &["backup", "--quiet"]).arg(&place.data))?;
    let target = place.restored(Tool::Lifeboat);
    let mut samples = [const { Vec::new() }; WHOLE.len()];
    for round in 0..ROUNDS {
        for turn in 0..WHOLE.len() {
            let which = (turn + round) % WHOLE.len();
            remove(place, &target)?;
            fs::create_dir_all(&target)?;
            measure::warm(&[&place.data, &repository])?;
            let log = place.work.join("restore.log");
            samples[which].push(measure::timed(&whole(place, which), &log)?);
        }
    }
    remove(place, &target)?;
    let one = one_file(place)?;
    let seconds = primitives(&place.data, &place.work.join("primitives"))?.0;
    let files = files_below(&place.data)?.len();
    let medians = samples.map(|mut samples| median(&mut samples));
    let text = render(spec, files, &medians, &one, &seconds);
    say(&text)?;
    results::record(file, "restore", &text)
}

fn median(samples: &mut [Sample]) -> Sample {
    samples.sort_by(|one, other| one.wall_s.total_cmp(&other.wall_s));
    samples[samples.len() / 2]
}

/// Lifeboat with a key file.
fn lifeboat(place: &Place, words: &[&str]) -> Command {
    let mut command = Tool::Lifeboat.command(place, words);
    command.env_remove("LIFEBOAT_PASSWORD");
    command.env("LIFEBOAT_KEY_FILE", place.work.join("restore.key"));
    command
}

fn whole(place: &Place, which: usize) -> Command {
    let target = place.restored(Tool::Lifeboat);
    let mut copy = Command::new("sh");
    copy.current_dir(&place.work).args(["-ec", "cp -a --reflink=never \"$1\" \"$2\"; $3", "sh"]);
    copy.arg(&place.data).arg(&target);
    let mut restore = lifeboat(place, &["restore", "--quiet", "latest", "--target"]);
    restore.arg(&target);
    match which {
        0 => drop(copy.arg("")),
        1 => drop(restore.arg("--no-sync")),
        2 => {
            copy.arg(format!("sync --file-system {}", target.display()));
        }
        _ => {}
    }
    if matches!(which, 0 | 2) { copy } else { restore }
}

/// One file of about 4 KiB, out of the middle of the volume.
fn one_file(place: &Place) -> Result<Sample> {
    let mut files = files_below(&place.data)?;
    files.sort();
    let is_one = |path: &std::path::PathBuf| {
        fs::metadata(path).is_ok_and(|meta| ONE_FILE.contains(&meta.len()))
    };
    let middle = files.len() / 2;
    let path = files[middle..].iter().find(|path| is_one(path)).context("no file of 4 KiB")?;
    let target = place.restored(Tool::Lifeboat);
    let mut samples = Vec::new();
    for _ in 0..ROUNDS_OF_ONE {
        remove(place, &target)?;
        let mut command = lifeboat(place, &["restore", "--quiet"]);
        command.arg(format!("latest:{}", path.display())).arg("--target").arg(&target);
        samples.push(measure::timed(&command, &place.work.join("restore.log"))?);
    }
    remove(place, &target)?;
    Ok(median(&mut samples))
}

fn render(
    spec: Spec,
    files: usize,
    whole: &[Sample; WHOLE.len()],
    one: &Sample,
    seconds: &Seconds,
) -> String {
    let mut text = format!(
        "## A restore beside a copy\n\n{}\n\nVolume: {} MiB, seed {}, {files} files; volume and repository in the page cache, an empty \
         target on the same file system; medians of {ROUNDS}, interleaved. × is the time by that of the copy above it.\n\n\
         | what | wall s | × | CPU s | × | peak MiB |\n|---|--:|--:|--:|--:|--:|\n",
        results::circumstances(),
        spec.bytes >> 20,
        spec.seed,
    );
    for (at, (what, sample)) in WHOLE.iter().zip(whole).enumerate() {
        let copy = &whole[at - at % 2];
        text += &format!(
            "| {what} | {:.2} | {:.2} | {:.2} | {:.2} | {:.0} |\n",
            sample.wall_s,
            sample.wall_s / copy.wall_s,
            sample.cpu_s,
            sample.cpu_s / copy.cpu_s,
            sample.peak_mib
        );
    }
    let [copy, restore, ..] = whole;
    let sum = seconds.decompress + seconds.seal + seconds.hash + copy.cpu_s;
    text + &format!(
        "\nEfficiency, what a restore can't do without (decompression {:.2} s, AES-256-GCM {:.2} s, keyed BLAKE3 of the chunks {:.2} s, and the \
         copy {:.2} s) by the CPU time of `restore --no-sync`: **{:.2}**.\n\nOne file of about 4 KiB out of the {files}, local repository, key file, median of \
         {ROUNDS_OF_ONE}: {:.2} s, {:.0} MiB at the peak.\n",
        seconds.decompress,
        seconds.seal,
        seconds.hash,
        copy.cpu_s,
        sum / restore.cpu_s,
        one.wall_s,
        one.peak_mib
    )
}
