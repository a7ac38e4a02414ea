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
    let target =
        if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(None, target);
    if visible {
        bar.enable_steady_tick(Duration::from_millis(200));
    }
    LineMonitor { bar, files: AtomicU64::new(0), problems: AtomicU64::new(0), json: output.json }
}

/// Shows progress as a bar (if there is a terminal) and problems as lines on stderr.
#[derive(Debug)]
pub(crate) struct LineMonitor {
    bar: ProgressBar,
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
}

impl Monitor for LineMonitor {
    fn phase(&self, phase: Phase) {
        let (name, template) = match phase {
            Phase::Open => ("open", "{spinner} {prefix}"),
            Phase::Backup => ("backup", BYTES),
            Phase::Commit => ("commit", "{spinner} {prefix}"),
            Phase::Restore => ("restore", BYTES),
            Phase::Check => ("check", OBJECTS),
            Phase::ReadData => ("read data", BYTES),
            _ => ("", "{spinner} {prefix}"),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        self.bar.set_prefix(name);
    }

    fn expect(&self, files: u64, bytes: u64) {
        self.bar.set_length(bytes.max(1));
        self.bar.set_message(format!("of {}", super::count(files, "file")));
    }

    fn advance(&self, files: u64, bytes: u64) {
        self.bar.inc(bytes);
        if files > 0 {
            let done = self.files.fetch_add(files, Ordering::Relaxed) + files;
            self.bar.set_prefix(super::count(done, "file"));
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

const BYTES: &str =
    "{spinner} {prefix} {msg}  {bytes} of {total_bytes}  {bytes_per_sec}  {wide_bar} {eta} left";
const OBJECTS: &str = "{spinner} {prefix} {msg}  {elapsed}";
