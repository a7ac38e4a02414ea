//! The `lifeboat` command: parse, call the library, render.
//!
//! Everything that touches argv, environment, terminal, signals and exit codes is in this crate; what
//! a command does is in the library.

mod args;
mod commands;
mod exit;
mod reference;
mod render;
mod settings;
mod signals;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Cli;
use crate::render::{Output, print_failure};
use crate::settings::Settings;

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(cli.global.verbose);
    let output = Output::new(cli.global.json, cli.global.quiet);
    let ended = Settings::new(&cli.global)
        .and_then(|settings| commands::run(cli.command, &settings, &output));
    match ended {
        Ok(end) => exit::code(end.code()),
        Err(error) => {
            let number = exit::failure_code(&error);
            print_failure(&output, &error, number);
            exit::code(number)
        }
    }
}

fn start_log(verbose: u8) {
    let by_option = match verbose {
        0 => "warn",
        1 => "lifeboat=info,lifeboat_repo=info,lifeboat_store=info",
        _ => "lifeboat=debug,lifeboat_repo=debug,lifeboat_store=debug",
    };
    let filter = settings::log_filter().unwrap_or_else(|| by_option.to_owned());
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
}
