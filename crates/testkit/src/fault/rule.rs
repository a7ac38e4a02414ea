//! What a faulty store does to which of its calls.
//!
//! A rule counts the calls that it is about by itself, from the moment it is added.

use bytes::Bytes;
use lifeboat_store::{ErrorKind, Verb};

/// When a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before it takes effect: the store never saw it.
    Before,
    /// After it took effect: only the answer is lost.
    After,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It fails with an error of this kind.
    Fail {
        /// The error's kind.
        kind: ErrorKind,
        /// Whether the call has taken effect by then.
        moment: Moment,
    },
    /// Only the first bytes are read, or stored, and nothing says so.
    Truncate {
        /// How many bytes are left.
        bytes: usize,
    },
    /// One bit is read, or stored, the other way round, and nothing says so.
    Flip {
        /// Which one, counted from the first byte's lowest; modulo the number there are.
        bit: u64,
    },
}

impl Effect {
    /// What is left of `bytes`; a failure leaves them as they are.
    pub(super) fn damage(self, bytes: &Bytes) -> Bytes {
        match self {
            Self::Fail { .. } => bytes.clone(),
            Self::Truncate { bytes: left } => bytes.slice(..left.min(bytes.len())),
            Self::Flip { .. } if bytes.is_empty() => bytes.clone(),
            Self::Flip { bit } => {
                let mut damaged = bytes.to_vec();
                let bit = bit % (damaged.len() as u64 * 8);
                let at = usize::try_from(bit / 8).expect("smaller than the length in memory");
                damaged[at] ^= 1 << (bit % 8);
                damaged.into()
            }
        }
    }
}

/// One instruction to a faulty store: which calls, and what becomes of them.
#[derive(Clone, Debug)]
pub struct Rule {
    verb: Option<Verb>,
    prefix: String,
    number: u64,
    forever: bool,
    effect: Effect,
    seen: u64,
}

impl Rule {
    /// About calls of any verb: the next one fails with [`ErrorKind::Unavailable`] before it takes
    /// effect, unless the rule is made to say otherwise.
    pub fn any() -> Self {
        let effect = Effect::Fail { kind: ErrorKind::Unavailable, moment: Moment::Before };
        Self { verb: None, prefix: String::new(), number: 1, forever: false, effect, seen: 0 }
    }

    /// As [`Rule::any`], about the calls of one verb; puts are meant whether at once or soon.
    pub fn on(verb: Verb) -> Self {
        Self { verb: Some(verb), ..Self::any() }
    }

    /// Only about keys (and prefixes of lists) that begin with `prefix`; others are not counted.
    #[must_use]
    pub fn below(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// Meant is the `number`th of the calls that the rule is about, from 1.
    #[must_use]
    pub fn call(mut self, number: u64) -> Self {
        self.number = number;
        self
    }

    /// Meant are all the calls after it, too.
    #[must_use]
    pub fn forever(mut self) -> Self {
        self.forever = true;
        self
    }

    /// They fail with an error of this kind, before or after they take effect.
    #[must_use]
    pub fn fails(mut self, kind: ErrorKind, moment: Moment) -> Self {
        self.effect = Effect::Fail { kind, moment };
        self
    }

    /// Of the content only the first `bytes` are left.
    #[must_use]
    pub fn truncates(mut self, bytes: usize) -> Self {
        self.effect = Effect::Truncate { bytes };
        self
    }

    /// In the content one bit is flipped.
    #[must_use]
    pub fn flips(mut self, bit: u64) -> Self {
        self.effect = Effect::Flip { bit };
        self
    }

    /// Counts a call that it is about; returns what becomes of it if it is meant.
    pub(super) fn meets(&mut self, verb: Verb, key: &str) -> Option<Effect> {
        let is_meant = |wanted| wanted == verb || wanted == Verb::Put && verb == Verb::PutSoon;
        if !self.verb.is_none_or(is_meant) || !key.starts_with(&self.prefix) {
            return None;
        }
        self.seen += 1;
        let meant = self.seen == self.number || self.forever && self.seen > self.number;
        meant.then_some(self.effect)
    }
}
