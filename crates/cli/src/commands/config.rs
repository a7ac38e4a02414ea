//! `config`: what the configuration file says, and what it leads to.
//!
//! Shows where each value comes from, and never a secret.

use anyhow::Result;
use lifeboat::repository::Entropy;
use serde::Serialize;

use super::open::{is_there, system_clock};
use crate::args::{ConfigArgs, ConfigCheckArgs, ConfigCommand};
use crate::exit::{End, Usage};
use crate::render::{Output, Table, chain};
use crate::settings::{Place, Said, Settings};

#[derive(Serialize)]
struct Document {
    message_type: &'static str,
    file: Option<String>,
    repositories: Vec<Checked>,
    problem_count: usize,
}

/// What was found of one repository.
#[derive(Serialize)]
struct Checked {
    name: Option<String>,
    location: String,
    settings: Vec<Value>,
    /// Whether a repository is there; known when the store was asked.
    exists: Option<bool>,
    problems: Vec<String>,
}

#[derive(Serialize)]
struct Value {
    setting: &'static str,
    value: String,
    origin: String,
}

impl From<Said> for Value {
    fn from(said: Said) -> Self {
        Self { setting: said.member, value: said.value, origin: said.origin }
    }
}

pub(super) fn run(args: &ConfigArgs, settings: &Settings, output: &Output) -> Result<End> {
    match &args.command {
        ConfigCommand::Check(args) => check(args, settings, output),
    }
}

fn check(args: &ConfigCheckArgs, settings: &Settings, output: &Output) -> Result<End> {
    let places = places(args, settings)?;
    let repositories: Vec<Checked> =
        places.iter().map(|place| look(place, settings, args.connect)).collect();
    let problem_count = repositories.iter().map(|checked| checked.problems.len()).sum();
    let document = Document {
        message_type: "config_check",
        file: settings.file.path.as_ref().map(|path| path.display().to_string()),
        repositories,
        problem_count,
    };
    if output.json {
        output.document(&document)?;
    } else {
        print(&document, output)?;
    }
    Ok(if problem_count == 0 { End::Done } else { End::Unfit })
}

/// The repositories to look at.
fn places(args: &ConfigCheckArgs, settings: &Settings) -> Result<Vec<Place>> {
    if let Some(name) = &args.name {
        let place = settings.named(name).ok_or_else(|| {
            Usage(match &settings.file.path {
                Some(path) => format!("there is no [repository.{name}] in {}", path.display()),
                None => "there is no configuration file".to_owned(),
            })
        });
        return Ok(vec![place?]);
    }
    let mut places: Vec<Place> =
        settings.file.names().filter_map(|name| settings.named(name)).collect();
    places.extend(settings.place.clone().filter(|place| place.name.is_none()));
    Ok(places)
}

fn look(place: &Place, settings: &Settings, connect: bool) -> Checked {
    let mut checked = Checked {
        name: place.name.clone(),
        location: place.shown(),
        settings: Vec::new(),
        exists: None,
        problems: place.missing_files(),
    };
    match settings.polite_settings.of(Some(place)) {
        Err(error) => checked.problems.push(chain(&error)),
        Ok(polite) => checked.settings.extend(polite.said().into_iter().map(Value::from)),
    }
    match place.reach(&settings.store, &Entropy::os(), &system_clock()) {
        Err(error) => checked.problems.push(chain(&error)),
        Ok(mut reach) => {
            checked.settings.extend(place.key_said(settings).map(Value::from));
            checked.settings.extend(std::mem::take(&mut reach.said).into_iter().map(Value::from));
            // Without asking it, too, much of what can't be is told here.
            let reached = if connect {
                is_there(&reach).map(|exists| checked.exists = Some(exists))
            } else {
                reach.prepare()
            };
            if let Err(error) = reached {
                checked.problems.push(chain(&error));
            }
        }
    }
    checked
}

fn print(document: &Document, output: &Output) -> Result<()> {
    match &document.file {
        Some(file) => output.line(format!("configuration file {file}"))?,
        None => output.line("no configuration file")?,
    }
    for checked in &document.repositories {
        output.line("")?;
        let name = checked.name.as_ref().map(|name| format!("{name}: "));
        output.line(format!("{}{}", name.unwrap_or_default(), checked.location))?;
        let mut table = Table::new(["  Setting", "Value", "From"]);
        for Value { setting, value, origin } in &checked.settings {
            table.row(vec![format!("  {setting}"), value.clone(), origin.clone()]);
        }
        if !checked.settings.is_empty() {
            output.lines(table.lines())?;
        }
        match checked.exists {
            Some(true) => output.line("  reached, and a repository is there")?,
            Some(false) => output.line("  reached; there is no repository yet")?,
            None => {}
        }
        for problem in &checked.problems {
            output.line(format!("  problem: {problem}"))?;
        }
    }
    Ok(())
}
