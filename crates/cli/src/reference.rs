//! docs/cli.md: the reference of the command line, made from the very definitions that clap parses with.
//!
//! What clap can't know (exit codes, environment, JSON) is written by hand beside this file.
//! `cargo xtask tidy` compares docs/cli.md with what `lifeboat reference` prints.

use std::fmt::Write as _;

use anyhow::Result;
use clap::{Arg, ArgAction, Command, CommandFactory as _};
use serde::Serialize;

use crate::args::Cli;
use crate::exit::End;
use crate::render::Output;

const INTRO: &str = include_str!("reference/intro.md");
const EXIT: &str = include_str!("reference/exit.md");
const JSON: &str = include_str!("reference/json.md");

#[derive(Serialize)]
struct Document<'a> {
    message_type: &'static str,
    markdown: &'a str,
}

/// Prints the reference.
pub(crate) fn print(output: &Output) -> Result<End> {
    let markdown = markdown();
    if output.json {
        output.document(&Document { message_type: "reference", markdown: &markdown })?;
    } else {
        output.raw(markdown.as_bytes())?;
    }
    Ok(End::Done)
}

fn markdown() -> String {
    let mut cli = Cli::command();
    cli.build();
    let mut text = String::from(INTRO);
    text.push_str("\n## Commands\n\n");
    for command in visible(&cli) {
        let name = command.get_name();
        push(&mut text, format_args!("- [`{name}`](#lifeboat-{name}): {}\n", about(command)));
    }
    text.push_str("\n## Global options\n\nEvery command takes them, before or after its name.\n\n");
    for arg in cli.get_arguments().filter(|arg| arg.is_global_set()) {
        push_arg(&mut text, arg);
    }
    for command in visible(&cli) {
        push_command(&mut text, command, "lifeboat", 2);
    }
    text.push('\n');
    text.push_str(EXIT);
    text.push('\n');
    text.push_str(JSON);
    text
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    let all = command.get_subcommands();
    all.filter(|command| !command.is_hide_set() && command.get_name() != "help")
}

fn push_command(text: &mut String, command: &Command, above: &str, depth: usize) {
    let name = format!("{above} {}", command.get_name());
    push(text, format_args!("\n{} {name}\n\n{}.\n", "#".repeat(depth), about(command)));
    let mut usage = command.clone().render_usage().to_string();
    usage = usage.replace("Usage: ", "");
    push(text, format_args!("\n```text\n{}\n```\n", usage.trim()));
    let own = |arg: &&Arg| !arg.is_global_set() && !arg.is_hide_set();
    let own = |arg: &&Arg| own(arg) && !matches!(arg.get_id().as_str(), "help" | "version");
    let mut heading = None;
    for (place, arg) in command.get_arguments().filter(own).enumerate() {
        let of_arg = arg.get_help_heading();
        if place == 0 || heading != of_arg {
            match of_arg {
                Some(title) => push(text, format_args!("\n{title}:\n\n")),
                None => text.push('\n'),
            }
            heading = of_arg;
        }
        push_arg(text, arg);
    }
    for below in visible(command) {
        push_command(text, below, &name, depth + 1);
    }
}

fn push_arg(text: &mut String, arg: &Arg) {
    let mut names = Vec::new();
    names.extend(arg.get_short().map(|short| format!("-{short}")));
    names.extend(arg.get_long().map(|long| format!("--{long}")));
    let values: Vec<String> =
        arg.get_value_names().into_iter().flatten().map(|name| format!("<{name}>")).collect();
    let takes_value = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let values = if takes_value { values.join(" ") } else { String::new() };
    let shown = match (names.is_empty(), values.is_empty()) {
        (true, _) => values,
        (false, true) => names.join(", "),
        (false, false) => format!("{} {values}", names.join(", ")),
    };
    let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
    push(text, format_args!("- `{shown}`: {}", one_line(&help)));
    let default: Vec<_> =
        arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if takes_value && !default.is_empty() && !default.concat().is_empty() {
        push(text, format_args!(" [default: {}]", default.join(" ")));
    }
    text.push('\n');
    if takes_value {
        for value in arg.get_possible_values().iter().filter(|value| !value.is_hide_set()) {
            let help = value.get_help().map(|help| format!(": {}", one_line(&help.to_string())));
            push(text, format_args!("  - `{}`{}\n", value.get_name(), help.unwrap_or_default()));
        }
    }
}

fn about(command: &Command) -> String {
    one_line(&command.get_about().map(ToString::to_string).unwrap_or_default())
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn push(text: &mut String, piece: std::fmt::Arguments<'_>) {
    text.write_fmt(piece).expect("writing to a String never fails");
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use crate::args::Cli;

    #[test]
    fn the_definitions_agree() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_code_is_there() {
        let text = super::markdown();
        for command in super::visible(&Cli::command()) {
            let name = command.get_name();
            assert!(text.contains(&format!("\n## lifeboat {name}\n")), "{name}");
        }
        assert!(!text.contains("lifeboat reference\n"));
        use crate::exit::End;
        for end in [End::Partial, End::Damage, End::RuledOut, End::Continue] {
            assert!(text.contains(&format!("| {} |", end.code())), "{end:?}");
        }
    }
}
