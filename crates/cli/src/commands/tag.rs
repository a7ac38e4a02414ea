//! `tag`: changes the tags of snapshots.

use anyhow::Result;
use lifeboat_format::id::SnapshotId;
use lifeboat_repo::snapshots::{Filter, TagEdit, Tagged, tag};
use serde::Serialize;

use super::session::{Session, chosen};
use crate::args::TagArgs;
use crate::exit::End;
use crate::render::Output;
use crate::settings::Settings;

#[derive(Serialize)]
struct Document<'a> {
    message_type: &'static str,
    snapshots: Vec<View<'a>>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct View<'a> {
    old: SnapshotId,
    new: SnapshotId,
    tags: &'a [String],
}

pub(super) fn run(args: &TagArgs, settings: &Settings, output: &Output) -> Result<End> {
    let mut session = Session::open(settings, output)?;
    let snapshots = session.snapshots()?;
    // All names first, so that each means what it meant before the first change.
    let chosen = chosen(&snapshots, &args.snapshots, &Filter::default())?;
    let ids: Vec<SnapshotId> = chosen.iter().map(|known| known.snapshot.id).collect();
    let edit = TagEdit {
        set: (!args.set.is_empty()).then(|| args.set.clone()),
        add: args.add.clone(),
        remove: args.remove.clone(),
    };
    let mut tagged = Vec::with_capacity(ids.len());
    for id in ids {
        tagged.push(tag(&session.repository, &mut session.fold, id, &edit)?);
    }
    session.remember();
    if output.json {
        let snapshots = tagged.iter().map(view).collect();
        let warnings = session.warnings();
        output.document(&Document { message_type: "tags", snapshots, warnings })?;
    } else {
        output.lines(tagged.iter().map(line))?;
    }
    Ok(End::Done)
}

fn view(tagged: &Tagged) -> View<'_> {
    View { old: tagged.old, new: tagged.new, tags: &tagged.tags }
}

fn line(tagged: &Tagged) -> String {
    let id = |id: SnapshotId| format!("{:.8}", id.to_string());
    let tags = if tagged.tags.is_empty() { "none".to_owned() } else { tagged.tags.join(", ") };
    if tagged.old == tagged.new {
        return format!("snapshot {} is as it was; tags: {tags}", id(tagged.old));
    }
    format!("snapshot {} is now {}; tags: {tags}", id(tagged.old), id(tagged.new))
}
