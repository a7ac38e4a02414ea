//! What people and programs see: text, JSON, progress.
//!
//! The only place that prints. With `--json` stdout holds one document and nothing else; problems,
//! progress and notices go to stderr.

mod base64;
mod calendar;
mod entry;
mod human;
mod progress;
mod stream;
mod table;

use std::io::Write as _;

use serde::Serialize;

pub(crate) use self::base64::Base64;
pub(crate) use self::calendar::Calendar;
pub(crate) use self::entry::EntryView;
pub(crate) use self::human::{bytes, count, digits, duration, ratio, time_text, time_text_in};
pub(crate) use self::progress::{LineMonitor, progress_monitor};
pub(crate) use self::stream::{Gone, Stream, closed};
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

    /// A line of a result on stdout. That nobody reads it does not undo what was done.
    pub(crate) fn line(&self, text: impl std::fmt::Display) -> anyhow::Result<()> {
        unless_gone(writeln!(std::io::stdout().lock(), "{text}"))
    }

    /// Lines of a result on stdout.
    pub(crate) fn lines(&self, lines: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
        lines.into_iter().try_for_each(|line| self.line(line))
    }

    /// Text or bytes of a result on stdout, as they are.
    pub(crate) fn raw(&self, bytes: &[u8]) -> anyhow::Result<()> {
        unless_gone(std::io::stdout().lock().write_all(bytes))
    }

    /// The result as JSON.
    pub(crate) fn document(&self, value: &impl Serialize) -> anyhow::Result<()> {
        let text = serde_json::to_string(value)?;
        unless_gone(writeln!(std::io::stdout().lock(), "{text}"))
    }

    /// Something worth knowing on stderr, unless quiet.
    pub(crate) fn notice(&self, text: impl std::fmt::Display) {
        if !self.quiet {
            complain(&text.to_string());
        }
    }
}

/// The last words about a command line that can't be understood, as JSON.
pub(crate) fn print_usage_failure(text: &str, code: u8) {
    let document = serde_json::json!({
        "message_type": "exit_error", "code": code, "message": text.trim_end(), "hint": null,
    });
    complain(&document.to_string());
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
pub(crate) fn chain(error: &anyhow::Error) -> String {
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

fn unless_gone(written: std::io::Result<()>) -> anyhow::Result<()> {
    match written.map_err(closed) {
        Err(error) if error.is::<Gone>() => Ok(()),
        written => written,
    }
}
