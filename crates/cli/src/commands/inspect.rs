//! `inspect`: shows any object of the repository, decoded.

use anyhow::Result;
use lifeboat_format::key::ObjectKey;
use serde::Serialize;
use serde_json::Value;

use super::open;
use crate::args::InspectArgs;
use crate::exit::{End, Usage};
use crate::render::Output;
use crate::settings::Settings;

#[derive(Serialize)]
struct Object<'a> {
    message_type: &'static str,
    #[serde(flatten)]
    object: &'a Value,
}

pub(super) fn run(args: &InspectArgs, settings: &Settings, output: &Output) -> Result<End> {
    let key: ObjectKey = args.key.parse().map_err(|error: lifeboat_format::Error| {
        Usage(format!("{:?} is not the key of an object: {error}", args.key))
    })?;
    // The log is not folded: an object can be looked at even where the log can't be understood.
    let repository = open::open(settings, output)?;
    let object = lifeboat_repo::inspect::inspect(&repository, key)?;
    if output.json {
        output.document(&Object { message_type: "object", object: &object })?;
    } else {
        output.line(serde_json::to_string_pretty(&object)?)?;
    }
    Ok(End::Done)
}
