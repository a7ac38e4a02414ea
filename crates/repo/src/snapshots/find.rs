//! Finding snapshots: in order of time, `latest`, and by the beginning of an id.
//!
//! Invariant: what a user typed names one snapshot or is refused; no guess is ever made.

use lifeboat_format::key::ObjectKey;

use crate::error::{Error, Kind, Result};
use crate::snapshots::{Filter, Known, Snapshots};

/// The word that names the newest snapshot.
const LATEST: &str = "latest";
/// Candidates that the refusal of an ambiguous id lists.
const CANDIDATES_MAX: usize = 10;

impl Snapshots {
    /// The live snapshots that match, oldest first by the time that they are of.
    pub fn select(&self, filter: &Filter) -> Vec<&Known> {
        let mut selected: Vec<&Known> =
            self.live().filter(|known| filter.matches(&known.snapshot)).collect();
        // Stable, so that the log decides between equal times.
        selected.sort_by_key(|known| known.snapshot.when());
        selected
    }

    /// The newest snapshot that matches.
    pub fn latest(&self, filter: &Filter) -> Option<&Known> {
        self.select(filter).pop()
    }

    /// The snapshot that `text` names: `latest`, which minds the filter, or the beginning of an id.
    ///
    /// An id also names a snapshot whose marks were changed since (that is, its newest form), and a
    /// checkpoint, so that what a log or a note says keeps its meaning.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when there is none, or it is forgotten; [`Kind::Invalid`] when it is no id, or several begin
    /// with it: the message lists them. [`Kind::Corrupt`] when it names one that can't be opened, and
    /// for `latest` when a later entry of the log is damaged or missing, which may have had a newer one.
    pub fn resolve(&self, text: &str, filter: &Filter) -> Result<&Known> {
        const OPERATION: &str = "find snapshot";
        if text == LATEST {
            return self.surely_latest(filter);
        }
        let is_id = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.is_empty() || !text.bytes().all(is_id) {
            return Err(Error::new(Kind::Invalid, OPERATION, text).because(
                "that is neither 'latest' nor the beginning of an id (digits and the letters a to f)",
            ));
        }
        let names = |known: &&Known| {
            let snapshot = &known.snapshot;
            let original = snapshot.original.map(|id| id.to_string());
            snapshot.id.to_string().starts_with(text)
                || original.is_some_and(|id| id.starts_with(text))
        };
        let mut found: Vec<&Known> = self.live().filter(names).collect();
        if found.is_empty() {
            // Superseded, or replaced in the middle of a chain: still there and whole.
            let mut forgotten = None;
            let shown = |known: &&Known| {
                let by = self.forgotten_by(known);
                forgotten = forgotten.or(by.map(|entry| (known.snapshot.id, entry)));
                by.is_none()
            };
            found = self.all().iter().filter(names).filter(shown).collect();
            if let (true, Some((id, entry))) = (found.is_empty(), forgotten) {
                return Err(Error::forgotten(OPERATION, id, entry));
            }
        }
        match found.as_slice() {
            [only] => Ok(only),
            [] => Err(self.absent(text)),
            several => {
                let list: Vec<String> = several
                    .iter()
                    .take(CANDIDATES_MAX)
                    .map(|known| format!("{} ({})", known.snapshot.id, known.snapshot.source_key))
                    .collect();
                let more = match several.len().saturating_sub(CANDIDATES_MAX) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                let reason = format!("several begin so: {}{more}", list.join(", "));
                Err(Error::new(Kind::Invalid, OPERATION, text)
                    .because(reason)
                    .hint("type more of the id"))
            }
        }
    }

    /// The newest form of the forgotten snapshot of which `text` is the beginning of an id.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when there is none; [`Kind::Invalid`] when it is no id, or several begin with it.
    pub fn resolve_forgotten(&self, text: &str) -> Result<&Known> {
        const OPERATION: &str = "find forgotten snapshot";
        let names = |known: &&Known| known.snapshot.id.to_string().starts_with(text);
        let hidden = self.all().iter().filter(|known| self.forgotten_by(known).is_some());
        let mut found: Vec<&Known> = Vec::new();
        for known in hidden.filter(names) {
            let newest = self.newest_form(known.snapshot.id)?;
            if found.iter().all(|other| other.snapshot.id != newest.snapshot.id) {
                found.push(newest);
            }
        }
        match found.as_slice() {
            [only] => Ok(only),
            [] => Err(Error::new(Kind::NotFound, OPERATION, text)
                .because("no snapshot that is forgotten has an id that begins so")
                .hint("list those that there are with 'snapshots --all'")),
            several => Err(Error::new(Kind::Invalid, OPERATION, text)
                .because(format!("{} begin so", several.len()))
                .hint("type more of the id")),
        }
    }

    /// The newest that matches, unless a newer one may be in an entry of the log that can't be read.
    fn surely_latest(&self, filter: &Filter) -> Result<&Known> {
        let latest = self.latest(filter);
        match &self.damage {
            Some(lost) if latest.is_none_or(|known| self.may_be_outdated(known)) => {
                Err(Error::new(Kind::Corrupt, "find snapshot", LATEST)
                    .because(format!(
                        "a newer one may be lost with {}: {}",
                        ObjectKey::Log(lost.number),
                        lost.reason
                    ))
                    .hint("choose a snapshot by its id to go on"))
            }
            _ => latest.ok_or_else(|| self.nothing(filter)),
        }
    }

    /// Whether a snapshot newer than this one may be lost with an entry of the log that can't be read.
    pub fn may_be_outdated(&self, known: &Known) -> bool {
        self.damage.as_ref().is_some_and(|lost| self.first_entry(known) < lost.number)
    }

    /// The entry of the snapshot, or of the first that had its content: a change of marks makes no
    /// snapshot newer.
    fn first_entry(&self, known: &Known) -> u64 {
        let first = known.snapshot.original.unwrap_or(known.snapshot.id);
        let of_first = self.all().iter().find(|other| other.snapshot.id == first);
        // The first may be what is lost; then whatever has its content is as old as can be told.
        of_first.map_or(known.entry, |first| first.entry)
    }

    fn nothing(&self, filter: &Filter) -> Error {
        let error = Error::new(Kind::NotFound, "find snapshot", LATEST);
        if filter.is_empty() {
            error.because("the repository has no snapshot")
        } else {
            error.because("no snapshot matches the filters")
        }
    }

    fn absent(&self, text: &str) -> Error {
        match self.unreadable().iter().find(|known| known.id.to_string().starts_with(text)) {
            Some(unreadable) => Error::new(Kind::Corrupt, "open snapshot", unreadable.id)
                .because(unreadable.reason.clone()),
            None => Error::new(Kind::NotFound, "find snapshot", text)
                .because("no snapshot has an id that begins so")
                .hint("list the snapshots that there are"),
        }
    }
}
