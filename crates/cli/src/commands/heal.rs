//! `heal`: puts damaged packs beside themselves once more, whole.

use anyhow::Result;
use lifeboat_format::key::ObjectKey;
use lifeboat_repo::heal::{HealReport, Outcome, Remedy, damaged, heal};
use serde::Serialize;

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

#[derive(Serialize)]
struct View {
    object: String,
    outcome: &'static str,
    /// The key under which it is whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    healed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<Remedy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(super) fn run(args: &HealArgs, settings: &Settings, output: &Output) -> Result<End> {
    let cancel = cancel_on_signals()?;
    let mut session = Session::open(settings, output)?;
    let objects = if args.objects.is_empty() {
        damaged(&session.fold)
    } else {
        args.objects.iter().map(|object| key(object)).collect::<Result<_>>()?
    };
    let settings_of_copy = args.from.as_ref().map(|from| settings.of_copy(from)).transpose()?;
    let copy =
        settings_of_copy.as_ref().map(|settings| Session::open(settings, output)).transpose()?;
    let replica = copy.as_ref().map(|copy| (&copy.repository, &copy.fold));
    let report = heal(&session.repository, &mut session.fold, &objects, replica, &cancel)?;
    session.remember();
    let is_lost = report.iter().any(|(_, outcome)| matches!(outcome, Outcome::Lost(_)));
    if output.json {
        let objects = report.iter().map(view).collect();
        output.document(&Document { message_type: "healed", objects })?;
    } else {
        print(&report, args, output)?;
    }
    Ok(if is_lost { End::Damage } else { End::Done })
}

fn key(text: &str) -> Result<ObjectKey> {
    let unknown = |_| Usage(format!("{text:?} is no object's key; give one as `scrub` names it"));
    Ok(text.parse().map_err(unknown)?)
}

fn view((key, outcome): &(ObjectKey, Outcome)) -> View {
    let (name, healed, remedy, error) = match outcome {
        Outcome::Healed(new, remedy) => ("healed", Some(new.to_string()), Some(*remedy), None),
        Outcome::HealedBefore(new) => ("healed-before", Some(new.to_string()), None, None),
        Outcome::Whole => ("whole", None, None, None),
        Outcome::Lost(error) => ("lost", None, None, Some(error.to_string())),
    };
    View { object: key.to_string(), outcome: name, healed, remedy, error }
}

fn print(report: &HealReport, args: &HealArgs, output: &Output) -> Result<()> {
    let mut healed = 0;
    for (key, outcome) in report {
        match outcome {
            Outcome::Healed(new, remedy) => {
                healed += 1;
                let by = match remedy {
                    Remedy::Parity => "its own parity",
                    Remedy::Replica => "the copy",
                };
                output.line(format!("{key}: whole again by {by}, as {new}"))?;
            }
            Outcome::HealedBefore(new) => {
                output.line(format!("{key}: was healed before, as {new}"))?;
            }
            Outcome::Whole => output.line(format!("{key}: nothing is wrong with it"))?,
            Outcome::Lost(error) => {
                let advice = match &args.from {
                    None => "give a copy of the repository with --from, if there is one",
                    Some(_) => "the copy does not have it whole either",
                };
                complain(&format!("lost: {key}: {error}; {advice}"));
            }
        }
    }
    if report.is_empty() {
        return output.line("nothing to heal: no scrub has found damage that is still there");
    }
    output.line(format!("healed {}", count(healed, "object")))
}
