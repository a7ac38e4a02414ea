//! What `forget` tells: which rule keeps each snapshot, what goes, and a calendar of both.

use std::collections::HashMap;

use anyhow::Result;
use jiff::tz::TimeZone;
use lifeboat_format::id::SnapshotId;
use lifeboat_format::time::Time;
use lifeboat_plan::retention::Verdict;
use lifeboat_repo::snapshots::{Filter, Known, Snapshots};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Way;
use super::choice::Choice;
use crate::render::{Calendar, Output, Table, count, time_text_in};

/// What rules or names came to.
#[derive(Default)]
pub(super) struct Decided {
    groups: Vec<DecidedGroup>,
    named: Vec<SnapshotId>,
}

struct DecidedGroup {
    title: String,
    by: Vec<(&'static str, Vec<String>)>,
    /// The newest first, each with its tags.
    verdicts: Vec<(Verdict, String)>,
}

/// What was done, or would be.
pub(super) struct Report {
    pub(super) decided: Decided,
    /// What is forgotten now, or would be.
    pub(super) gone: Vec<SnapshotId>,
    /// Why it would be refused.
    pub(super) refused: Option<String>,
    pub(super) is_dry_run: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    message_type: &'static str,
    dry_run: bool,
    groups: Vec<Value>,
    forgotten: &'a [SnapshotId],
    refused: Option<&'a str>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct Undone<'a> {
    message_type: &'static str,
    restored: &'a [SnapshotId],
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct GivenUp<'a> {
    message_type: &'static str,
    forgotten: &'a [SnapshotId],
    warnings: Vec<String>,
}

impl Decided {
    pub(super) fn by_rules(
        choice: &Choice,
        snapshots: &Snapshots,
        filter: &Filter,
        now: Time,
    ) -> Self {
        let decide = |group: &super::choice::Group<'_>| {
            let by_id: HashMap<SnapshotId, &Known> =
                group.snapshots.iter().map(|known| (known.snapshot.id, *known)).collect();
            let tags = |id: SnapshotId| {
                by_id.get(&id).map_or_else(String::new, |known| known.snapshot.tags.join(","))
            };
            let verdicts = group.decide(choice, now);
            DecidedGroup {
                title: group.title(),
                by: group.by.clone(),
                verdicts: verdicts
                    .into_iter()
                    .map(|verdict| {
                        let tags = tags(verdict.id);
                        (verdict, tags)
                    })
                    .collect(),
            }
        };
        let groups = choice.groups(snapshots, filter, now).iter().map(decide).collect();
        Self { groups, named: Vec::new() }
    }

    pub(super) fn by_name(named: Vec<SnapshotId>) -> Self {
        Self { groups: Vec::new(), named }
    }

    /// What is to be forgotten.
    pub(super) fn going(&self) -> Vec<SnapshotId> {
        let verdicts = self.groups.iter().flat_map(|group| &group.verdicts);
        let going = verdicts.map(|(verdict, _)| verdict).filter(|verdict| !verdict.is_kept());
        self.named.iter().copied().chain(going.map(|verdict| verdict.id)).collect()
    }
}

impl DecidedGroup {
    fn view(&self) -> Value {
        let by: Map<String, Value> =
            self.by.iter().map(|(name, values)| ((*name).to_owned(), json!(values))).collect();
        let reasons = |verdict: &Verdict| -> Vec<String> {
            verdict.reasons.iter().map(ToString::to_string).collect()
        };
        let (kept, going): (Vec<_>, Vec<_>) =
            self.verdicts.iter().map(|(verdict, _)| verdict).partition(|verdict| verdict.is_kept());
        let kept = kept.iter().map(
            |verdict| json!({ "id": verdict.id, "time": verdict.time, "reasons": reasons(verdict) }),
        );
        let going = going.iter().map(|verdict| json!({ "id": verdict.id, "time": verdict.time }));
        json!({ "by": by, "kept": kept.collect::<Vec<_>>(), "going": going.collect::<Vec<_>>() })
    }

    fn table(&self, zone: &TimeZone) -> Table {
        let mut table = Table::new(["ID", "Time", "Tags", "Kept by"]);
        for (verdict, tags) in self.verdicts.iter().rev() {
            let reasons: Vec<String> = verdict.reasons.iter().map(ToString::to_string).collect();
            table.row(vec![
                format!("{:.8}", verdict.id.to_string()),
                time_text_in(verdict.time, zone),
                lifeboat::report::escape(tags.as_bytes()),
                if verdict.is_kept() { reasons.join(", ") } else { "- goes".to_owned() },
            ]);
        }
        table
    }
}

impl Report {
    pub(super) fn document(&self, warnings: Vec<String>, output: &Output) -> Result<()> {
        output.document(&Document {
            message_type: "forget",
            dry_run: self.is_dry_run,
            groups: self.decided.groups.iter().map(DecidedGroup::view).collect(),
            forgotten: &self.gone,
            refused: self.refused.as_deref(),
            warnings,
        })
    }

    fn print_group(&self, group: &DecidedGroup, choice: &Choice, output: &Output) -> Result<()> {
        let all = group.verdicts.len();
        let going = group.verdicts.iter().filter(|(verdict, _)| !verdict.is_kept()).count();
        let kept = count((all - going) as u64, "snapshot");
        output.line(format!("{}: {kept} kept, {going} to go", group.title))?;
        output.lines(group.table(&choice.zone).lines())?;
        if self.is_dry_run {
            let mut calendar = Calendar::new(choice.zone.clone());
            for (verdict, _) in &group.verdicts {
                calendar.mark(verdict.time, verdict.is_kept());
            }
            output.line("")?;
            output.lines(calendar.lines())?;
        }
        output.line("")
    }

    pub(super) fn print(&self, way: &Way, output: &Output) -> Result<()> {
        if let Way::Rules(choice, _) = way
            && (self.is_dry_run || !output.quiet)
        {
            let mut groups = self.decided.groups.iter();
            groups.try_for_each(|group| self.print_group(group, choice, output))?;
        }
        let gone = count(self.gone.len() as u64, "snapshot");
        if self.is_dry_run {
            output.line(format!("{gone} would be forgotten"))?;
        } else {
            output.line(format!("{gone} forgotten"))?;
        }
        if !self.is_dry_run && !self.gone.is_empty() && !output.quiet {
            output.line("within seven days 'lifeboat forget --undo SNAPSHOT' brings them back")?;
        }
        if let Some(refused) = &self.refused {
            output.line(format!("it would be refused: {refused}"))?;
        }
        Ok(())
    }
}

/// What was brought back, as JSON.
pub(super) fn undone(
    restored: &[SnapshotId],
    warnings: Vec<String>,
    output: &Output,
) -> Result<()> {
    output.document(&Undone { message_type: "undo", restored, warnings })
}

/// What was given up, as JSON.
pub(super) fn given_up(
    forgotten: &[SnapshotId],
    warnings: Vec<String>,
    output: &Output,
) -> Result<()> {
    output.document(&GivenUp { message_type: "given_up", forgotten, warnings })
}
