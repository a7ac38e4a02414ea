//! `log`: who changed what in the repository, when and why.

use anyhow::Result;
use lifeboat_repo::log::history::{Said, Told, history};
use serde::Serialize;

use super::session::Session;
use crate::args::LogArgs;
use crate::exit::End;
use crate::render::{Output, bytes, count, time_text};
use crate::settings::Settings;

#[derive(Serialize)]
struct Document<'a> {
    message_type: &'static str,
    entries: &'a [Told],
    warnings: Vec<String>,
}

pub(super) fn run(args: &LogArgs, settings: &Settings, output: &Output) -> Result<End> {
    // Folding it compares it with what was seen before: a log that was put back is noticed.
    let session = Session::open(settings, output)?;
    let is_wanted = |told: &Told| {
        let kind = told.said.as_ref().map(|said| said.kind.as_str());
        args.kind.as_deref().is_none_or(|wanted| kind == Some(wanted))
    };
    let mut entries = Vec::new();
    history(&session.repository, &session.fold, args.from, |told| {
        if is_wanted(&told) {
            entries.push(told);
        }
        Ok(())
    })?;
    session.remember();
    if output.json {
        let warnings = session.warnings();
        output.document(&Document { message_type: "log", entries: &entries, warnings })?;
    } else {
        output.lines(entries.iter().map(line))?;
    }
    Ok(End::Done)
}

fn line(told: &Told) -> String {
    let time = told.time.map_or_else(|| "-".to_owned(), time_text);
    let said = told.said.as_ref().map_or_else(|| "can't be read".to_owned(), text);
    let void = told.void.as_ref().map_or_else(String::new, |void| format!("; void: {void}"));
    format!("{:>6}  {time}  {said}{void}", told.number)
}

fn text(said: &Said) -> String {
    let mut text = format!("{:<8} by {:.8}", said.kind, said.author.to_string());
    let mut add = |more: String| {
        text.push_str(", ");
        text.push_str(&more);
    };
    if said.objects > 0 {
        add(format!("{} ({})", count(said.objects, "object"), bytes(said.bytes)));
    }
    match said.snapshots.as_slice() {
        [] => {}
        [one] => add(format!("snapshot {:.8}", one.to_string())),
        several => add(count(several.len() as u64, "snapshot")),
    }
    if let Some(closes) = said.closes {
        add(format!("of entry {closes}"));
    }
    if let Some(reason) = &said.reason {
        add(format!("because: {}", reason.escape_debug()));
    }
    text
}
