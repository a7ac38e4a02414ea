//! `hold`: makes sure that snapshots can't be forgotten.

use anyhow::Result;
use lifeboat_format::entry::Until;
use lifeboat_format::id::SnapshotId;
use lifeboat_repo::forget::{Why, hold};
use lifeboat_repo::snapshots::Filter;
use serde::Serialize;

use super::open::TOOL;
use super::session::{Session, chosen};
use super::time::{parse_to_come, until_text};
use crate::args::HoldArgs;
use crate::exit::End;
use crate::render::Output;
use crate::settings::Settings;

#[derive(Serialize)]
struct Document {
    message_type: &'static str,
    snapshots: Vec<SnapshotId>,
    until: String,
    unchanged: Vec<SnapshotId>,
    warnings: Vec<String>,
}

pub(super) fn run(args: &HoldArgs, settings: &Settings, output: &Output) -> Result<End> {
    let mut session = Session::open(settings, output)?;
    let until = until(args, &session)?;
    let snapshots = session.snapshots()?;
    let chosen = chosen(&snapshots, &args.snapshots, &Filter::default())?;
    let ids: Vec<SnapshotId> = chosen.iter().map(|known| known.snapshot.id).collect();
    let why = Why { reason: args.reason.clone(), tool: TOOL.to_owned() };
    let held = hold(&session.repository, &mut session.fold, &ids, until, &why)?;
    session.remember();
    let unchanged: Vec<SnapshotId> = ids.into_iter().filter(|id| !held.contains(id)).collect();
    if output.json {
        output.document(&Document {
            message_type: "hold",
            snapshots: held,
            until: until_text(until),
            unchanged,
            warnings: session.warnings(),
        })?;
        return Ok(End::Done);
    }
    let what = match until {
        Until::Released => "is not held any more".to_owned(),
        Until::Forever => "is held until it is released".to_owned(),
        Until::Time(_) => format!("is held until {}", until_text(until)),
    };
    output.lines(held.iter().map(|id| format!("snapshot {:.8} {what}", id.to_string())))?;
    output
        .lines(unchanged.iter().map(|id| format!("snapshot {:.8} is as it was", id.to_string())))?;
    Ok(End::Done)
}

fn until(args: &HoldArgs, session: &Session<'_>) -> Result<Until> {
    match &args.until {
        Some(text) => {
            let time = parse_to_come("--until", text, session.repository.clock().now())?;
            let secs = u64::try_from(time.secs).unwrap_or(0);
            // In whole seconds, rather later.
            Ok(Until::Time(secs + u64::from(time.nanos > 0)))
        }
        None if args.release => Ok(Until::Released),
        None => Ok(Until::Forever),
    }
}
