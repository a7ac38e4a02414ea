//! The numbers as a table, with the ratios that say where Lifeboat stands.

use std::{collections::BTreeMap, fmt::Write};

use super::{Measured, Measures, Options, mib};
use crate::{
    corpus::Edits,
    results,
    tool::{Step, Tool},
};

/// One measurement, for whoever watches.
pub(super) fn line(step: Step, tool: Tool, measured: &Measured) -> String {
    let (name, sample) = (step.name(), measured.sample);
    format!(
        "{name:<18} {:<9} wall {:8.2} s  cpu {:8.2} s  peak {:6.0} MiB  repository {:8.1} MiB",
        tool.name(),
        sample.wall_s,
        sample.cpu_s,
        sample.peak_mib,
        measured.repository_mib
    )
}

/// The whole section: circumstances, the volume, the table.
pub(super) fn render(
    versions: &BTreeMap<Tool, String>,
    measures: &Measures,
    options: &Options,
    edits: &Edits,
) -> String {
    let tools = versions.values().cloned().collect::<Vec<_>>().join(", ");
    let mut text = format!(
        "## Whole backups\n\n{}\n\nTools: {tools}. Volume: {}, seed {}; the next day {} files \
         changed, {} came, {} went ({} in the changed and new ones). Page cache emptied and warmed \
         before each step; medians of {}.\n\n× is the peer's number by Lifeboat's: above 1, \
         Lifeboat is better.\n\n",
        results::circumstances(),
        mib(options.spec.bytes),
        options.spec.seed,
        edits.changed,
        edits.added,
        edits.removed,
        mib(edits.bytes),
        options.rounds,
    );
    text.push_str("| step | tool | wall s | × | CPU s | × | peak MiB | × | repository MiB | × |\n");
    text.push_str("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n");
    for step in Step::ALL {
        let ours = median(measures, step, Tool::Lifeboat);
        for tool in versions.keys() {
            let Some(theirs) = median(measures, step, *tool) else { continue };
            write!(text, "| {} | {} |", step.name(), tool.name()).expect("a String takes all text");
            for (index, number) in theirs.into_iter().enumerate() {
                let ratio = ours.filter(|_| *tool != Tool::Lifeboat).map(|ours| ours[index]);
                text.push_str(&cells(number, ratio));
            }
            text.push('\n');
        }
    }
    text
}

/// The medians of one tool's step: wall, CPU, peak, repository.
fn median(measures: &Measures, step: Step, tool: Tool) -> Option<[f64; 4]> {
    let all = measures.get(&(step, tool))?;
    let columns: [fn(&Measured) -> f64; 4] = [
        |measured| measured.sample.wall_s,
        |measured| measured.sample.cpu_s,
        |measured| measured.sample.peak_mib,
        |measured| measured.repository_mib,
    ];
    Some(columns.map(|column| {
        let mut numbers: Vec<f64> = all.iter().map(column).collect();
        numbers.sort_by(f64::total_cmp);
        numbers[numbers.len() / 2]
    }))
}

/// A number and its ratio to ours, if it is not ours.
fn cells(number: f64, ours: Option<f64>) -> String {
    let shown = if number < 100.0 { format!("{number:.2}") } else { format!("{number:.0}") };
    match ours {
        Some(ours) if ours > 0.0 => format!(" {shown} | {:.2} |", number / ours),
        _ => format!(" {shown} | |"),
    }
}
