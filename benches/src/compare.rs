//! Whole backups of one volume by every installed tool, step beside step.
//!
//! Every tool takes a step before any takes the next, each time another one first; the volume is
//! edited once, in place, between the steps of the first day and those of the next.

mod table;

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    corpus::{self, Edits, Spec},
    measure::{self, Sample, say},
    results,
    tool::{Place, Step, Tool, quietly, remove},
};

/// How much of the next day's data Lifeboat may read beyond the files that changed: a tenth.
const READ_MORE: f64 = 1.1;

/// What is compared.
#[derive(Clone, Debug)]
pub struct Options {
    /// The volume.
    pub spec: Spec,
    /// The tools, Lifeboat among them or not; those that are not installed are left out.
    pub tools: Vec<Tool>,
    /// How often all is repeated; the table has the medians.
    pub rounds: u32,
}

/// What one tool took for one step, with the size of its repository behind it.
#[derive(Clone, Copy, Debug)]
struct Measured {
    sample: Sample,
    repository_mib: f64,
}

type Measures = BTreeMap<(Step, Tool), Vec<Measured>>;

/// Makes the volume, measures every tool, and writes the table into `file`.
///
/// # Errors
///
/// A tool failed, restored something else than the volume, or Lifeboat read much more on the next
/// day than what had changed.
pub fn compare(options: &Options, place: &Place, file: &Path) -> Result<()> {
    let installed = options.tools.iter().filter_map(|tool| Some((*tool, tool.version(place)?)));
    let versions: BTreeMap<Tool, String> = installed.collect();
    ensure!(!versions.is_empty(), "none of the tools is installed");
    for tool in options.tools.iter().filter(|tool| !versions.contains_key(*tool)) {
        say(&format!("{} is not installed and is left out", tool.name()))?;
    }
    let tools: Vec<Tool> = versions.keys().copied().collect();
    let (mut measures, mut edits) = (Measures::new(), Edits::default());
    for round in 1..=options.rounds {
        say(&format!("round {round} of {}", options.rounds))?;
        edits = one_round(options.spec, place, &tools, &mut measures)?;
    }
    let text = table::render(&versions, &measures, options, &edits);
    say(&text)?;
    results::record(file, "comparison", &text)
}

/// All steps of all tools, once.
fn one_round(spec: Spec, place: &Place, tools: &[Tool], measures: &mut Measures) -> Result<Edits> {
    volume_of_the_first_day(spec, place)?;
    for tool in tools {
        tool.fresh(place)?;
    }
    let mut edits = Edits::default();
    for (index, step) in Step::ALL.into_iter().enumerate() {
        if step == Step::NextDay {
            remove(place, &mark(place))?;
            copy(&place.data, &day_before(place))?;
            edits = corpus::next_day(&place.data, spec)?;
            say(&format!("the next day: {edits:?}"))?;
        }
        for turn in 0..tools.len() {
            let tool = tools[(turn + index) % tools.len()];
            let measured = one_step(place, tool, step)?;
            say(&table::line(step, tool, &measured))?;
            if (step, tool) == (Step::NextDay, Tool::Lifeboat) {
                reads_only_what_changed(place, &edits)?;
            }
            measures.entry((step, tool)).or_default().push(measured);
        }
    }
    remove(place, &day_before(place))?;
    Ok(edits)
}

/// The volume as it was the day before.
fn day_before(place: &Place) -> std::path::PathBuf {
    place.work.join("day-before")
}

/// Copies a tree with all that a restore would compare.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    quietly(Command::new("cp").args(["-a", "--reflink=never"]).arg(from).arg(to))
}

fn one_step(place: &Place, tool: Tool, step: Step) -> Result<Measured> {
    let (repository, restored) = (place.repository(tool), place.restored(tool));
    let read = match step {
        Step::Restore => {
            fs::create_dir_all(&restored)?;
            place.data.clone()
        }
        Step::InPlace => {
            copy(&day_before(place), &place.restored_data(tool))?;
            restored.clone()
        }
        _ => place.data.clone(),
    };
    if !measure::warm(&[&read, &repository])? {
        say("the page cache could not be emptied, which takes root")?;
    }
    let sample = measure::timed(&tool.step(place, step), &log(place, tool, step))?;
    if matches!(step, Step::Restore | Step::InPlace) {
        if tool == Tool::Lifeboat {
            came_back(place, tool, step)?;
        }
        remove(place, &restored)?;
    }
    #[expect(clippy::cast_precision_loss, reason = "a size to look at")]
    let repository_mib = measure::bytes_below(&repository)? as f64 / f64::from(1 << 20);
    Ok(Measured { sample, repository_mib })
}

fn log(place: &Place, tool: Tool, step: Step) -> std::path::PathBuf {
    place.work.join(format!("{}-{}.log", tool.name(), step.name().replace(' ', "-")))
}

/// Makes the volume, unless it stands there as it was made and was never edited.
pub(crate) fn volume_of_the_first_day(spec: Spec, place: &Place) -> Result<()> {
    let said = format!("{spec:?}\n");
    if fs::read_to_string(mark(place)).is_ok_and(|marked| marked == said) {
        return Ok(());
    }
    say(&format!("making {} of data in {}", mib(spec.bytes), place.data.display()))?;
    remove(place, &place.data)?;
    corpus::build(&place.data, spec)?;
    fs::write(mark(place), said).context("mark the volume as made")
}

/// The file that says which volume is there, while it is that of the first day.
fn mark(place: &Place) -> std::path::PathBuf {
    place.work.join("first-day")
}

/// Lifeboat's own report of the next day must name about the bytes that changed.
fn reads_only_what_changed(place: &Place, edits: &Edits) -> Result<()> {
    let report = fs::read_to_string(log(place, Tool::Lifeboat, Step::NextDay))?;
    let read = read_bytes(&report).context("lifeboat's report has no stats.read_bytes")?;
    #[expect(clippy::cast_precision_loss, reason = "a ratio to compare")]
    let ratio = read as f64 / edits.bytes as f64;
    say(&format!("lifeboat read {} where {} had changed", mib(read), mib(edits.bytes)))?;
    ensure!(
        (0.9..READ_MORE).contains(&ratio),
        "on the next day lifeboat read {read} bytes, but the changed files have {}",
        edits.bytes
    );
    Ok(())
}

/// The bytes read, by the last JSON document of a report.
fn read_bytes(report: &str) -> Option<u64> {
    let documents = serde_json::Deserializer::from_str(report).into_iter::<serde_json::Value>();
    let last = documents.map_while(Result::ok).last()?;
    last.pointer("/stats/read_bytes")?.as_u64()
}

/// What was restored must be the volume: content, owners, times, links, attributes.
fn came_back(place: &Place, tool: Tool, step: Step) -> Result<()> {
    let mut from = place.data.clone().into_os_string();
    from.push("/");
    let mut rsync = Command::new("rsync");
    rsync.args(["-aXAHn", "--checksum", "--itemize-changes"]);
    // In place, what went since the day before was not to be deleted.
    if step == Step::Restore {
        rsync.arg("--delete");
    }
    let output = rsync.arg(from).arg(place.restored_data(tool)).output().context("run rsync")?;
    if !output.status.success() || !output.stdout.is_empty() {
        let said = [output.stdout, output.stderr].concat();
        bail!("{} restored something else:\n{}", tool.name(), String::from_utf8_lossy(&said));
    }
    Ok(())
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

#[cfg(test)]
mod tests;
