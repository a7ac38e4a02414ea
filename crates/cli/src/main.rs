//! The `lifeboat` command: parse, call the library, render.
//!
//! Everything that touches argv, environment, terminal, signals and exit codes is in this crate; what
//! a command does is in the library.

mod allocator;
mod args;
mod commands;
mod exit;
mod priority;
mod reference;
mod render;
mod settings;
mod signals;
mod yielding;

use std::process::ExitCode;

use clap::Parser as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::args::{Cli, Command};
use crate::render::{Output, print_failure, print_usage_failure};
use crate::settings::Settings;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    start_log(cli.global.verbose);
    raise_open_files();
    let output = Output::new(cli.global.json, cli.global.quiet);
    let ended = Settings::new(&cli.global, cli.command.purpose()).and_then(|settings| {
        allocator::give_large_buffers_back(settings.memory_bytes, settings.threads);
        // What is wrong with a configuration file must not keep it from being looked at.
        if !matches!(cli.command, Command::Config(_)) {
            // While there is one thread.
            priority::take(&settings.polite()?)?;
        }
        commands::run(cli.command, &settings, &output)
    });
    match ended {
        Ok(end) => exit::code(end.code()),
        Err(error) => {
            let number = exit::failure_code(&error);
            print_failure(&output, &error, number);
            exit::code(number)
        }
    }
}

/// Says what is wrong with the command line, or gives the help that was asked for.
fn refuse(error: &clap::Error) -> ExitCode {
    let number = u8::try_from(error.exit_code()).unwrap_or(2);
    if error.use_stderr() && std::env::args_os().any(|arg| arg == "--json") {
        print_usage_failure(&error.to_string(), number);
    } else if let Err(error) = error.print() {
        tracing::debug!(%error, "nobody reads the help");
    }
    exit::code(number)
}

/// A restore has many files open at once, and the soft limit is often only 1024.
fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

fn start_log(verbose: u8) {
    let by_option = match verbose {
        // Of a mount's requests that were given up the kernel has heard.
        0 => "warn,fuser=off",
        1 => "lifeboat=info,lifeboat_repo=info,lifeboat_store=info",
        _ => "lifeboat=debug,lifeboat_repo=debug,lifeboat_store=debug",
    };
    let filter = settings::log_filter().unwrap_or_else(|| by_option.to_owned());
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(false)
        .init();
}
