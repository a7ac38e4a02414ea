//! What people and programs see: text, JSON, progress.
//!
//! The only place that prints. With `--json` stdout holds one document and nothing else; problems,
//! progress and notices go to stderr.

mod human;
mod progress;
mod table;

use std::io::Write as _;

use serde::Serialize;

pub(crate) use self::human::{bytes, count, duration, mode_text, ratio, time_text};
pub(crate) use self::progress::{LineMonitor, progress_monitor};
pub(crate) use self::table::Table;

/// Where results go, and in which form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// One JSON document instead of text.
    pub(crate) json: bool,
    /// Results and problems only.
    pub(crate) quiet: bool,
}

impl Output {
    /// As the options say.
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    /// A line of a result on stdout.
    pub(crate) fn line(&self, text: impl std::fmt::Display) -> anyhow::Result<()> {
        writeln!(std::io::stdout().lock(), "{text}").map_err(closed)
    }

    /// The result as JSON.
    pub(crate) fn document(&self, value: &impl Serialize) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        serde_json::to_writer(&mut out, value)?;
        writeln!(out).map_err(closed)
    }

    /// Something worth knowing on stderr, unless quiet.
    pub(crate) fn notice(&self, text: impl std::fmt::Display) {
        if !self.quiet {
            complain(&text.to_string());
        }
    }
}

/// The last words of a command that failed.
pub(crate) fn print_failure(output: &Output, error: &anyhow::Error, code: u8) {
    let hint = crate::exit::hint(error);
    let text = chain(error);
    if output.json {
        let document = serde_json::json!({
            "message_type": "exit_error", "code": code, "message": text, "hint": hint,
        });
        complain(&document.to_string());
        return;
    }
    complain(&format!("lifeboat: {text}"));
    if let Some(hint) = hint {
        complain(&format!("  what to do: {hint}"));
    }
}

/// An error with its causes, each told once.
fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause_text = cause.to_string();
        // Some errors tell their causes themselves.
        if !text.contains(&cause_text) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause_text);
        }
    }
    text
}

/// A line on stderr; there is nobody to tell if that fails.
pub(crate) fn complain(text: &str) {
    let _nobody_to_tell = writeln!(std::io::stderr().lock(), "{text}").is_ok();
}

fn closed(error: std::io::Error) -> anyhow::Error {
    anyhow::Error::new(error).context("write to stdout")
}
