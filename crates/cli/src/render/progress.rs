//! Progress: a bar on a terminal, silence elsewhere; problems always, as they come.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lifeboat::monitor::{Monitor, Phase};
use lifeboat::report::Problem;

use super::{Output, complain};

/// Problems beyond this many are only counted on the terminal; the report has more.
const PROBLEMS_SHOWN: u64 = 100;

/// A monitor that fits the output: a bar where somebody looks, lines otherwise.
pub(crate) fn progress_monitor(output: &Output) -> LineMonitor {
    let visible = !output.quiet && !output.json && std::io::stderr().is_terminal();
    let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(None, target);
    if visible {
        bar.enable_steady_tick(Duration::from_millis(200));
    }
    LineMonitor {
        bar,
        visible,
        files: AtomicU64::new(0),
        problems: AtomicU64::new(0),
        json: output.json,
    }
}

/// Shows progress as a bar (if there is a terminal) and problems as lines on stderr.
#[derive(Debug)]
pub(crate) struct LineMonitor {
    bar: ProgressBar,
    visible: bool,
    files: AtomicU64,
    problems: AtomicU64,
    json: bool,
}

impl LineMonitor {
    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
        let hidden = self.problems.load(Ordering::Relaxed).saturating_sub(PROBLEMS_SHOWN);
        if hidden > 0 && !self.json {
            complain(&format!("problem: and {hidden} more"));
        }
    }

    fn style(&self, template: &str) {
        match ProgressStyle::with_template(template) {
            Ok(style) => self.bar.set_style(style),
            Err(error) => tracing::debug!(%error, "a progress template is wrong"),
        }
    }
}

impl Monitor for LineMonitor {
    fn phase(&self, phase: Phase) {
        let (name, template) = match phase {
            Phase::Open => ("opening", STEP),
            Phase::Backup => ("backing up", COUNTING),
            Phase::Commit => ("committing", STEP),
            Phase::Restore => ("restoring", COUNTING),
            Phase::Check => ("checking", STEP),
            Phase::Probe => ("trying out", COUNTING),
            Phase::ReadData => ("reading data", COUNTING),
            Phase::Collect => ("collecting", COUNTING),
            _ => ("", STEP),
        };
        self.style(template);
        self.bar.set_prefix(name);
    }

    fn wants_estimate(&self) -> bool {
        self.visible
    }

    fn expect(&self, files: u64, bytes: u64) {
        self.bar.set_length(bytes.max(self.bar.position()).max(1));
        let of = if files > 0 { format!(" of {}", super::digits(files)) } else { String::new() };
        self.style(&WHOLE.replace("{of}", &of));
    }

    fn advance(&self, files: u64, bytes: u64) {
        self.bar.inc(bytes);
        if files > 0 {
            let done = self.files.fetch_add(files, Ordering::Relaxed) + files;
            self.bar.set_message(super::digits(done));
        }
    }

    fn problem(&self, problem: &Problem) {
        if self.problems.fetch_add(1, Ordering::Relaxed) >= PROBLEMS_SHOWN {
            return;
        }
        let line = if self.json {
            serde_json::json!({
                "message_type": "problem", "path": problem.path,
                "operation": problem.operation, "error": problem.error,
            })
            .to_string()
        } else {
            format!("problem: {problem}")
        };
        self.bar.suspend(|| complain(&line));
    }
}

/// A step that has no measure.
const STEP: &str = "{spinner} {prefix}  {elapsed}";
/// The whole is not known.
const COUNTING: &str = "{spinner} {prefix} {msg}  {bytes}  {bytes_per_sec}  {elapsed}";
/// The whole is known, or guessed; `{of}` is replaced.
const WHOLE: &str = "{spinner} {prefix} {msg}{of}  {bytes} of {total_bytes}  {bytes_per_sec}  \
                     {wide_bar} {eta} left";
