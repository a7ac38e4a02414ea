//! What a probe found, in numbers and in sentences.
//!
//! Knows no terminal. A sentence says what was found; another what that rules out or allows; a third
//! what to do.

use std::time::Duration;

/// What one finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// A create fails when the object exists, also when many race.
    Create,
    /// What was just written is read.
    Read,
    /// What was just written is listed.
    List,
    /// Parts of an object are read exactly.
    Ranges,
    /// Objects can be removed.
    Delete,
    /// Old versions are kept, and what that means for deleted names.
    Versions,
    /// Objects are locked for a time.
    Lock,
    /// The store's clock, beside this machine's.
    Clock,
    /// How long a small request takes, and how fast many bytes move.
    Speed,
    /// What could not be removed again.
    Left,
}

impl Subject {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::List => "list",
            Self::Ranges => "ranges",
            Self::Delete => "delete",
            Self::Versions => "versions",
            Self::Lock => "lock",
            Self::Clock => "clock",
            Self::Speed => "speed",
            Self::Left => "left",
        }
    }
}

/// What a finding rules out; the worst is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Grade {
    /// As it should be.
    Good,
    /// Safe, and worth knowing.
    Note,
    /// Not more than one writer at a time.
    OneWriter,
    /// No writing, with these credentials.
    ReadOnly,
    /// No repository can be kept there.
    Unfit,
}

impl Grade {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Note => "note",
            Self::OneWriter => "one-writer",
            Self::ReadOnly => "read-only",
            Self::Unfit => "unfit",
        }
    }
}

/// One thing that was found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub subject: Subject,
    /// What it rules out.
    pub grade: Grade,
    /// What was found, as a sentence without a full stop.
    pub found: String,
    /// What that rules out or allows.
    pub meaning: Option<String>,
    /// What to do about it.
    pub advice: Option<String>,
}

/// What deletes do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletes {
    /// They remove.
    Allowed,
    /// They are refused: who has these credentials can only add.
    Refused,
    /// They are answered with success, and the object stays.
    Ignored,
}

/// What the store can do; `None` is what was not found out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Of racing creates exactly one wins.
    pub conditional_create: Option<bool>,
    /// What was just written is read.
    pub read_after_write: Option<bool>,
    /// What was just written is listed.
    pub list_after_write: Option<bool>,
    /// Parts of objects are read exactly.
    pub ranges: Option<bool>,
    /// What deletes do.
    pub deletes: Option<Deletes>,
    /// An object of a deleted name can be created again.
    pub deleted_name_is_free: Option<bool>,
    /// Old versions of objects are kept.
    pub versions: Option<bool>,
    /// New objects are locked, and the lock holds.
    pub locks: Option<bool>,
}

/// How long small requests take: the median of some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// To put a small object.
    pub put: Duration,
    /// To get a small object.
    pub get: Duration,
}

/// Bytes that were moved, and the time it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many bytes.
    pub bytes: u64,
    /// In this time.
    pub time: Duration,
}

impl Rate {
    /// Bytes a second.
    pub fn bytes_per_s(&self) -> f64 {
        // A rate of bytes is no more exact than a double.
        #[expect(clippy::cast_precision_loss, reason = "a rate to be shown")]
        let bytes = self.bytes as f64;
        bytes / self.time.as_secs_f64().max(1e-9)
    }
}

/// How fast bytes move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speed {
    /// The size of the objects that were moved, in bytes.
    pub object_bytes: u64,
    /// How many moved at once, where many did.
    pub at_once: usize,
    /// Up, one after the other.
    pub put_one: Rate,
    /// Up, many at once.
    pub put_many: Rate,
    /// Down, one after the other.
    pub get_one: Rate,
    /// Down, many at once.
    pub get_many: Rate,
}

/// Everything that a probe found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeReport {
    /// In the order in which they were tried.
    pub findings: Vec<Finding>,
    /// The same as facts.
    pub capabilities: Capabilities,
    /// How long small requests take.
    pub latency: Option<Latency>,
    /// How fast bytes move, if that was asked for.
    pub speed: Option<Speed>,
    /// By how many milliseconds the store's clock is ahead of this machine's; negative is behind.
    /// Within the time of a request and the second to which stores round.
    pub clock_ahead_ms: Option<i64>,
    /// The keys of what could not be removed again.
    pub left: Vec<String>,
    /// Whether it was stopped before everything was tried.
    pub is_stopped: bool,
}

impl ProbeReport {
    /// The worst of all findings.
    pub fn grade(&self) -> Grade {
        self.findings.iter().map(|finding| finding.grade).max().unwrap_or(Grade::Good)
    }

    /// The finding about `subject`.
    pub fn finding(&self, subject: Subject) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.subject == subject)
    }

    pub(super) fn tell(
        &mut self,
        subject: Subject,
        grade: Grade,
        found: impl Into<String>,
        meaning: &str,
        advice: &str,
    ) {
        let sentence = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        self.findings.push(Finding {
            subject,
            grade,
            found: found.into(),
            meaning: sentence(meaning),
            advice: sentence(advice),
        });
    }

    pub(super) fn tell_left(&mut self, left: Vec<String>) {
        if let Some(example) = left.first() {
            let found = match left.len() {
                1 => format!("an object of this trial stays in the store: {example}"),
                many => {
                    format!("{many} objects of this trial stay in the store, such as {example}")
                }
            };
            let meaning = "they are small but for those that the speed was measured with, and \
                           nothing reads them";
            let advice = "remove what lies below probe/ with credentials that may";
            self.tell(Subject::Left, Grade::Note, found, meaning, advice);
        }
        self.left = left;
    }
}
