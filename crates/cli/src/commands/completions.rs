//! `completions`: what a shell needs to complete command lines.

use anyhow::Result;
use clap::CommandFactory as _;
use serde::Serialize;

use crate::args::{Cli, CompletionsArgs};
use crate::exit::End;
use crate::render::Output;

#[derive(Serialize)]
struct Script<'a> {
    message_type: &'static str,
    shell: String,
    script: &'a str,
}

pub(super) fn run(args: &CompletionsArgs, output: &Output) -> Result<End> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "lifeboat", &mut script);
    if output.json {
        let script = String::from_utf8_lossy(&script);
        let shell = args.shell.to_string();
        output.document(&Script { message_type: "completions", shell, script: &script })?;
    } else {
        output.raw(&script)?;
    }
    Ok(End::Done)
}
