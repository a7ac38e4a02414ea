//! The text of a key file, and of a recovery sheet, which is one with copies of what opening needs.
//!
//! Lines of a word and a value; `#` begins a comment line. Printed on paper and typed again it still works: white space
//! between hex digits is ignored, and a long value may go on in further lines of the same word.

use std::fmt::Write as _;

use zeroize::Zeroizing;

use crate::id::{RepositoryId, SlotId};
use crate::keys::Secret32;
use crate::{Error, Result, hex};

const WHAT: &str = "key file";
const FIRST: &str = "lifeboat-key-file";
const VERSION: &str = "1";
/// Hex digits in a line of a long value.
const LINE: usize = 64;

/// The most bytes of a key file that are read.
const KEY_FILE_MAX: usize = 4 << 20;

/// A key file: the secret that opens a slot of kind `key-file`, and on a recovery sheet copies of that slot and of
/// `config`, so that it opens a repository of which both were lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile {
    /// The repository it belongs to.
    pub repository: RepositoryId,
    /// The secret.
    pub key: Secret32,
    /// A copy of the object `config`.
    pub config: Option<Vec<u8>>,
    /// A copy of a slot that the secret opens.
    pub slot: Option<SheetSlot>,
}

/// The copy of a slot on a recovery sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetSlot {
    /// The slot's id.
    pub id: SlotId,
    /// The bytes of the slot object.
    pub object: Vec<u8>,
}

impl KeyFile {
    /// The text, with `heading` as a comment above; wiped when dropped.
    #[must_use]
    pub fn to_text(&self, heading: &str) -> Zeroizing<String> {
        let copies = self.config.as_ref().map_or(0, Vec::len)
            + self.slot.as_ref().map_or(0, |slot| slot.object.len());
        // Room for all of it from the start, so that growing leaves no copy of the secret behind.
        let mut text = Zeroizing::new(String::with_capacity(1024 + 2 * heading.len() + 3 * copies));
        for line in heading.lines() {
            text.push_str(if line.is_empty() { "#" } else { "# " });
            text.push_str(line);
            text.push('\n');
        }
        let key = Zeroizing::new(hex::encode(self.key.expose()));
        for part in [FIRST, " ", VERSION, "\nrepository ", &self.repository.to_string()] {
            text.push_str(part);
        }
        for part in ["\nkey ", &key, "\n"] {
            text.push_str(part);
        }
        if let Some(config) = &self.config {
            long(&mut text, "config", config);
        }
        if let Some(slot) = &self.slot {
            writeln!(text, "slot-id {}", slot.id).expect("a String takes everything");
            long(&mut text, "slot", &slot.object);
        }
        text
    }

    /// The key file that `text` is.
    ///
    /// # Errors
    /// `Unsupported` for a newer version; `Invalid` when it is no key file, with the line.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > KEY_FILE_MAX {
            return Err(Error::invalid(WHAT, format!("{} bytes are too many", text.len())));
        }
        let mut parsed = Parsed::default();
        for (place, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (word, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let at_line = |error: Error| error.within(&format!("{WHAT}: line {}", place + 1));
            parsed.line(word, value).map_err(at_line)?;
        }
        parsed.finish()
    }
}

/// What has been read so far, as hex digits without white space.
#[derive(Default)]
struct Parsed {
    version_seen: bool,
    repository: Option<RepositoryId>,
    key: Option<Secret32>,
    slot_id: Option<SlotId>,
    config: String,
    slot: String,
}

impl Parsed {
    fn line(&mut self, word: &str, value: &str) -> Result<()> {
        if !self.version_seen {
            if word != FIRST {
                return Err(Error::invalid(WHAT, format!("does not begin with \"{FIRST}\"")));
            }
            if value.trim() != VERSION {
                let detail = format!("version {value:?} is newer than {VERSION}");
                return Err(Error::unsupported(WHAT, detail));
            }
            self.version_seen = true;
            return Ok(());
        }
        let mut digits = Zeroizing::new(String::with_capacity(value.len()));
        digits.extend(value.split_whitespace());
        match word {
            "repository" => once(&mut self.repository, digits.parse()?),
            "key" => once(&mut self.key, Secret32::new(hex::decode_array(&digits)?)),
            "slot-id" => once(&mut self.slot_id, digits.parse()?),
            "config" => {
                self.config.push_str(&digits);
                Ok(())
            }
            "slot" => {
                self.slot.push_str(&digits);
                Ok(())
            }
            _ => Err(Error::invalid(WHAT, "an unknown word at its beginning")),
        }
    }

    fn finish(self) -> Result<KeyFile> {
        let missing = |what: &str| Error::invalid(WHAT, format!("has no line \"{what}\""));
        if !self.version_seen {
            return Err(missing(FIRST));
        }
        let slot = match (self.slot_id, self.slot.is_empty()) {
            (None, true) => None,
            (Some(id), false) => Some(SheetSlot { id, object: hex::decode(&self.slot)? }),
            (Some(_), true) => return Err(missing("slot")),
            (None, false) => return Err(missing("slot-id")),
        };
        let config = if self.config.is_empty() { None } else { Some(hex::decode(&self.config)?) };
        Ok(KeyFile {
            repository: self.repository.ok_or_else(|| missing("repository"))?,
            key: self.key.ok_or_else(|| missing("key"))?,
            config,
            slot,
        })
    }
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::invalid(WHAT, "says the same thing twice")),
    }
}

fn long(text: &mut String, word: &str, value: &[u8]) {
    for line in value.chunks(LINE / 2) {
        text.push_str(word);
        text.push(' ');
        text.push_str(&hex::encode(line));
        text.push('\n');
    }
}

#[cfg(test)]
mod tests;
