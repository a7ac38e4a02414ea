//! `heal`: makes what is damaged or lost whole again, by itself or from a copy.

use anyhow::Result;
use lifeboat_format::key::ObjectKey;
use lifeboat_repo::heal::{
    HealReport, Outcome, Remedy, damaged, heal, heal_log, heal_opening, lost_segments,
};
use serde::Serialize;

use super::open;
use super::session::Session;
use crate::args::HealArgs;
use crate::exit::{End, Usage};
use crate::render::{Output, complain, count};
use crate::settings::Settings;
use crate::signals::cancel_on_signals;

#[derive(Serialize)]
struct Document {
    message_type: &'static str,
    objects: Vec<View>,
}

/// What became of one object.
#[derive(Serialize)]
pub(super) struct View {
    object: String,
    outcome: &'static str,
    /// The key under which it, or what it said, is whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    healed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<Remedy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(super) fn run(args: &HealArgs, settings: &Settings, output: &Output) -> Result<End> {
    let cancel = cancel_on_signals()?;
    let named: Vec<ObjectKey> =
        args.objects.iter().map(|object| key(object)).collect::<Result<_>>()?;
    let settings_of_copy = args.from.as_ref().map(|from| settings.of_copy(from)).transpose()?;
    let copy =
        settings_of_copy.as_ref().map(|settings| Session::open(settings, output)).transpose()?;
    let mut report = HealReport::new();
    // What is damaged may keep the repository from being opened, and its log from being folded.
    if let Some(copy) = &copy {
        let io = open::connect_to_what_is_there(settings)?;
        report.extend(heal_opening(&io, &copy.repository, &of_opening(&named))?);
    } else if let Some(key) = of_opening(&named).first() {
        let text =
            format!("{key} can only be healed from a copy of the repository: give it with --from");
        return Err(Usage(text).into());
    }
    let repository = open::open(settings, output)?;
    let of_log = |key: &ObjectKey| match key {
        ObjectKey::Log(number) => Some(*number),
        _ => None,
    };
    let entries: Vec<u64> = named.iter().filter_map(of_log).collect();
    report.extend(heal_log(&repository, copy.as_ref().map(|copy| &copy.repository), &entries)?);
    let mut session = Session::of(repository, settings, output)?;
    let objects = match named.is_empty() {
        true => {
            let mut objects = damaged(&session.fold);
            let lost = lost_segments(&session.repository, &session.fold)?;
            objects
                .extend(lost.into_iter().filter(|key| !objects.contains(key)).collect::<Vec<_>>());
            objects
        }
        false => named.iter().filter(|key| key.name().is_some()).copied().collect(),
    };
    if !objects.is_empty() {
        let replica = copy.as_ref().map(|copy| (&copy.repository, &copy.fold));
        match heal(&session.repository, &mut session.fold, &objects, replica, &cancel) {
            Ok(healed) => report.extend(healed),
            Err(error) => {
                // What was done before is told all the same.
                if !output.json && !report.is_empty() {
                    print(&report, args.from.is_some(), output)?;
                }
                return Err(error.into());
            }
        }
        session.remember();
    }
    let is_lost = report.iter().any(is_lost);
    if output.json {
        let objects = report.iter().map(view).collect();
        output.document(&Document { message_type: "healed", objects })?;
    } else {
        print(&report, args.from.is_some(), output)?;
    }
    Ok(if is_lost { End::Damage } else { End::Done })
}

/// Whether an object could not be made whole.
pub(super) fn is_lost((_, outcome): &(ObjectKey, Outcome)) -> bool {
    matches!(outcome, Outcome::Lost(_))
}

/// Those that open a repository.
fn of_opening(named: &[ObjectKey]) -> Vec<ObjectKey> {
    let is_it = |key: &&ObjectKey| matches!(key, ObjectKey::Config | ObjectKey::Slot(_));
    named.iter().filter(is_it).copied().collect()
}

fn key(text: &str) -> Result<ObjectKey> {
    let unknown = |_| Usage(format!("{text:?} is no object's key; give one as `scrub` names it"));
    Ok(text.parse().map_err(unknown)?)
}

pub(super) fn view((key, outcome): &(ObjectKey, Outcome)) -> View {
    let mut view = View {
        object: key.to_string(),
        outcome: "whole",
        healed: None,
        remedy: None,
        reason: None,
        error: None,
    };
    match outcome {
        Outcome::Healed(new, remedy) => {
            view.outcome = "healed";
            (view.healed, view.remedy) = (Some(new.to_string()), Some(*remedy));
        }
        Outcome::HealedBefore(new) => {
            view.outcome = "healed-before";
            view.healed = Some(new.to_string());
        }
        Outcome::Whole => {}
        Outcome::NotNeeded(reason) => {
            view.outcome = "not-needed";
            view.reason = Some(reason.clone());
        }
        Outcome::Lost(error) => {
            view.outcome = "lost";
            view.error = Some(error.to_string());
        }
    }
    view
}

/// Tells what became of objects; `has_copy` is whether there was one to take bytes from.
pub(super) fn print(report: &HealReport, has_copy: bool, output: &Output) -> Result<()> {
    let mut healed = 0;
    for (key, outcome) in report {
        match outcome {
            Outcome::Healed(new, remedy) => {
                healed += 1;
                let by = match remedy {
                    Remedy::Parity => "its own parity",
                    Remedy::Replica => "the copy",
                    Remedy::Packs => "what packs say of themselves",
                    Remedy::Checkpoint => "a checkpoint, which has what it said",
                    Remedy::Log => "the log",
                };
                let place = if new == key { String::new() } else { format!(", as {new}") };
                output.line(format!("{key}: whole again by {by}{place}"))?;
            }
            Outcome::HealedBefore(new) => {
                output.line(format!("{key}: was healed before, as {new}"))?;
            }
            Outcome::Whole => output.line(format!("{key}: nothing is wrong with it"))?,
            Outcome::NotNeeded(reason) => output.line(format!("{key}: is not needed: {reason}"))?,
            Outcome::Lost(error) => {
                let advice = match (error.hint_text(), has_copy) {
                    (Some(hint), _) => hint,
                    (None, false) => "give a copy of the repository with --from, if there is one",
                    (None, true) => "the copy does not have it whole either",
                };
                complain(&format!("lost: {key}: {error}; {advice}"));
            }
        }
    }
    if report.is_empty() {
        return output.line("nothing to heal: no damage is known that is still there");
    }
    output.line(format!("healed {}", count(healed, "object")))
}
