//! A collection beside `restic prune`: many snapshots of one volume, every other of them forgotten.
//!
//! Both free at once what nothing needs, and leave as much unused as they do by default (5 %). The peers' other two are left
//! out: rustic keeps for a day what it prunes, and borg deletes archive by archive.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    corpus::{self, Spec},
    measure::{self, Sample, say},
    results,
    tool::{Place, Step, Tool, quietly, remove},
};

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The volume; each day it is edited into that of the next.
    pub spec: Spec,
    /// How many snapshots are made, one a day.
    pub snapshots: u32,
}

/// What one tool took.
#[derive(Clone, Copy, Debug)]
struct Row {
    what: &'static str,
    sample: Sample,
    before: u64,
    after: u64,
}

/// Makes the snapshots, forgets half of them, collects, and writes the table into `file`.
///
/// # Errors
///
/// A tool failed, or finds damage afterwards.
pub fn collect(options: Options, place: &Place, file: &Path) -> Result<()> {
    remove(place, &place.data)?;
    corpus::build(&place.data, options.spec)?;
    let tools: Vec<Tool> = [Tool::Lifeboat, Tool::Restic]
        .into_iter()
        .filter(|tool| tool.version(place).is_some())
        .collect();
    for tool in &tools {
        tool.fresh(place)?;
    }
    for day in 0..options.snapshots {
        for tool in &tools {
            quietly(&mut tool.step(place, Step::NextDay))?;
        }
        // Other edits each day.
        let seed = options.spec.seed + u64::from(day) + 1;
        corpus::next_day(&place.data, Spec { seed, ..options.spec })?;
    }
    let mut rows = Vec::new();
    for tool in &tools {
        let all = ids(place, *tool)?;
        ensure!(all.len() == options.snapshots as usize, "{} snapshots are there", all.len());
        let half: Vec<&str> = all.iter().step_by(2).map(String::as_str).collect();
        let insist: &[&str] = if *tool == Tool::Lifeboat { &["--yes-really"] } else { &[] };
        quietly(tool.command(place, &["forget"]).args(insist).args(half))?;
    }
    for tool in &tools {
        rows.push(match tool {
            Tool::Lifeboat => {
                timed(place, *tool, "lifeboat gc", &["gc", "--now", "--trash-period", "0"])?
            }
            _ => timed(place, *tool, "restic prune", &["prune"])?,
        });
    }
    rows.extend(plans(place, options)?);
    for tool in &tools {
        quietly(&mut tool.command(place, &["check"]))?;
    }
    let text = render(options, &rows);
    say(&text)?;
    results::record(file, "collection", &text)
}

/// What planning takes where nothing is to be freed: by all trees, and after one more day by what came with it.
fn plans(place: &Place, options: Options) -> Result<Vec<Row>> {
    let lifeboat = |what, words: &[&str]| timed(place, Tool::Lifeboat, what, words);
    let everything = ["gc", "--dry-run", "--no-cache"];
    let by_all = lifeboat("lifeboat gc --dry-run, by all trees", &everything)?;
    // Where the marks are now that the collection has copied and merged.
    quietly(&mut Tool::Lifeboat.command(place, &["gc", "--dry-run"]))?;
    let seed = options.spec.seed + u64::from(options.snapshots) + 1;
    corpus::next_day(&place.data, Spec { seed, ..options.spec })?;
    quietly(&mut Tool::Lifeboat.step(place, Step::NextDay))?;
    let by_differences =
        lifeboat("lifeboat gc --dry-run, after one more snapshot", &["gc", "--dry-run"])?;
    Ok(vec![by_all, by_differences])
}

/// Runs one command with a repository that was read into the page cache.
fn timed(place: &Place, tool: Tool, what: &'static str, words: &[&str]) -> Result<Row> {
    let repository = place.repository(tool);
    measure::warm(&[&repository])?;
    let before = measure::bytes_below(&repository)?;
    let log = place.work.join(format!("{}-{}.log", tool.name(), words[0]));
    let sample = measure::timed(&tool.command(place, words), &log)?;
    Ok(Row { what, sample, before, after: measure::bytes_below(&repository)? })
}

/// The ids of all snapshots, the oldest first.
fn ids(place: &Place, tool: Tool) -> Result<Vec<String>> {
    let mut command: Command = tool.command(place, &["snapshots", "--json"]);
    let output = command.output().with_context(|| format!("run {command:?}"))?;
    let said: Value = serde_json::from_slice(&output.stdout).context("what `snapshots` says")?;
    let list = if tool == Tool::Lifeboat { &said["snapshots"] } else { &said };
    let list = list.as_array().context("`snapshots` lists none")?;
    Ok(list.iter().filter_map(|one| one["id"].as_str()).map(str::to_owned).collect())
}

fn render(options: Options, rows: &[Row]) -> String {
    let Options { spec, snapshots } = options;
    let mut text = format!(
        "## A collection\n\n{}\n\nVolume: {} MiB, seed {}; {snapshots} snapshots, each a day of edits after the one before, every \
         other of them forgotten. Repositories in the page cache; one run. × is the time by that of the first row.\n\n\
         | what | wall s | × | CPU s | × | peak MiB | before MiB | after MiB |\n|---|--:|--:|--:|--:|--:|--:|--:|\n",
        results::circumstances(),
        spec.bytes >> 20,
        spec.seed,
    );
    let first = rows.first().map(|row| row.sample);
    for Row { what, sample, before, after } in rows {
        let by = |of: fn(&Sample) -> f64| first.map_or(1.0, |first| of(sample) / of(&first));
        text.push_str(&format!(
            "| {what} | {:.2} | {:.2} | {:.2} | {:.2} | {:.0} | {} | {} |\n",
            sample.wall_s,
            by(|sample| sample.wall_s),
            sample.cpu_s,
            by(|sample| sample.cpu_s),
            sample.peak_mib,
            before >> 20,
            after >> 20,
        ));
    }
    text
}
