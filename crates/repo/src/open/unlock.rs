//! Trying key slots until one opens.
//!
//! Knows slots, passphrases and key files; not what the bundle in them is used for. A slot that can't
//! be read does not keep another from opening, and is named when none does.

use lifeboat_codec as codec;
use lifeboat_codec::kdf;
use lifeboat_codec::seal::open_envelope;
use lifeboat_format::config::Config;
use lifeboat_format::envelope::ObjectType;
use lifeboat_format::key::{KEYS, ObjectKey};
use lifeboat_format::keys::{KeyBundle, Secret32};
use lifeboat_format::keyslot::{KeyFile, KeySlot, SlotKind};

use crate::error::{Error, Kind, Result};
use crate::io::Io;
use crate::open::{OpenOptions, OpenedBy, Unlock};
use crate::slots::{self, FoundSlot};

const OPERATION: &str = "unlock";
const SHEET_HINT: &str = "a recovery sheet (`key export`) has a copy of a key slot";

const NO_SLOT_HINT: &str = "if the repository was made a moment ago, its store may list late: try \
                            again; else use a recovery sheet (`key export`), which has a copy of a slot";

/// What came of the slots that did not open.
#[derive(Default)]
struct Attempts {
    /// Slots whose key this is not.
    refused: usize,
    /// Usable slots that open with the other kind of secret.
    other_kind: usize,
    /// Slots that this version can't use.
    unknown_kind: usize,
    /// Slots that are damaged, with the reason.
    damaged: Vec<String>,
    /// Slots that need more memory to try than there is.
    too_large: Vec<String>,
}

/// The bundle of the first slot that `unlock` opens, and that slot.
pub(super) fn find_bundle(
    io: &Io,
    config: &Config,
    unlock: &Unlock,
    options: &OpenOptions,
    warnings: &mut Vec<String>,
) -> Result<(KeyBundle, OpenedBy)> {
    let mut sheet = None;
    if let Unlock::KeyFile(file) = unlock {
        if file.repository != config.repository {
            let reason = format!("the key file is of repository {}", file.repository);
            let what = format!("repository {}", config.repository);
            return Err(Error::new(Kind::WrongKey, OPERATION, what).because(reason));
        }
        sheet = slot_of_sheet(file);
    }
    let last = slots::opened_last(io);
    let tried = last.as_ref().map(|slot| slot.key);
    let secret = Secret::of(unlock);
    let mut attempts = Attempts::default();
    let mut opened = attempts.first(sheet.into_iter().chain(last), config, &secret, options)?;
    if opened.is_none() {
        let others = slots::find(io)?.into_iter().filter(|slot| Some(slot.key) != tried);
        opened = attempts.first(others, config, &secret, options)?;
    }
    let Some(Opened { key, size, slot, bundle }) = opened else {
        return Err(attempts.into_error(io, &secret));
    };
    if size > 0 && Some(key) != tried {
        slots::keep_opened(io, key, size);
    }
    warnings.extend(attempts.damaged.into_iter().map(|slot| format!("passed over: {slot}")));
    let KeySlot { slot, kind, label, .. } = slot;
    Ok((bundle, OpenedBy { slot, kind, label }))
}

/// A slot that opened, and what is in it.
struct Opened {
    key: ObjectKey,
    size: u32,
    slot: KeySlot,
    bundle: KeyBundle,
}

/// A secret, with what can be derived from it once and for all slots.
enum Secret<'a> {
    Passphrase(&'a str),
    Kek(Secret32),
}

impl<'a> Secret<'a> {
    fn of(unlock: &'a Unlock) -> Self {
        match unlock {
            Unlock::Passphrase(passphrase) => Self::Passphrase(passphrase),
            Unlock::KeyFile(file) => Self::Kek(kdf::derive_kek_key_file(&file.key)),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Passphrase(_) => "passphrase",
            Self::Kek(_) => "key file",
        }
    }
}

impl Attempts {
    /// The first of these slots that opens; why others did not is noted.
    fn first(
        &mut self,
        slots: impl IntoIterator<Item = FoundSlot>,
        config: &Config,
        secret: &Secret<'_>,
        options: &OpenOptions,
    ) -> Result<Option<Opened>> {
        for FoundSlot { key, slot, size } in slots {
            let slot = match slot {
                Ok(slot) if slot.repository == config.repository => slot,
                Ok(slot) => {
                    self.damaged.push(format!("{key} is of repository {}", slot.repository));
                    continue;
                }
                Err(error) => {
                    self.damaged.push(error.to_string());
                    continue;
                }
            };
            if let Some(bundle) = self.try_slot(key, &slot, secret, options)? {
                return Ok(Some(Opened { key, size, slot, bundle }));
            }
        }
        Ok(None)
    }

    /// The bundle, if the slot opens; `None` with the reason noted if it does not.
    ///
    /// # Errors
    /// When the key can't be derived here and now, so that nothing is known of the slot.
    fn try_slot(
        &mut self,
        key: ObjectKey,
        slot: &KeySlot,
        secret: &Secret<'_>,
        options: &OpenOptions,
    ) -> Result<Option<KeyBundle>> {
        let kek = match (&slot.kind, secret, &slot.kdf) {
            (SlotKind::Passphrase, Secret::Passphrase(passphrase), Some(kdf)) => {
                let needed = kdf::memory_bytes(kdf);
                if needed > options.memory_bytes {
                    self.too_large.push(format!(
                        "{key} needs {} MiB of memory to try, and the budget is {} MiB",
                        needed >> 20,
                        options.memory_bytes >> 20
                    ));
                    return Ok(None);
                }
                kdf::derive_kek_passphrase(kdf, passphrase.as_bytes())
                    .map_err(|cause| derive_error(key, cause))?
            }
            (SlotKind::KeyFile, Secret::Kek(kek), _) => kek.clone(),
            (SlotKind::Other(_), ..) => {
                self.unknown_kind += 1;
                return Ok(None);
            }
            _ => {
                self.other_kind += 1;
                return Ok(None);
            }
        };
        match open_slot(slot, &kek) {
            Ok(bundle) => return Ok(Some(bundle)),
            Err(error) if error.kind() == codec::Kind::WrongKey => self.refused += 1,
            Err(error) => self.damaged.push(Error::codec("open", key, error).to_string()),
        }
        Ok(None)
    }

    fn into_error(self, io: &Io, secret: &Secret<'_>) -> Error {
        let name = secret.name();
        let place = io.describe();
        let damaged = self.damaged.join("; ");
        if !self.too_large.is_empty() {
            return Error::new(Kind::Invalid, OPERATION, place)
                .because(self.too_large.join("; "))
                .hint("give it more memory (`--memory`)");
        }
        if self.refused > 0 {
            let also = if damaged.is_empty() { damaged } else { format!("; also, {damaged}") };
            let reason = format!("wrong {name}: none of {} key slots opens{also}", self.refused);
            return Error::new(Kind::WrongKey, OPERATION, place).because(reason);
        }
        if !damaged.is_empty() {
            return Error::new(Kind::Corrupt, OPERATION, place)
                .because(format!("no key slot is whole: {damaged}"))
                .hint(SHEET_HINT);
        }
        if self.other_kind + self.unknown_kind == 0 {
            return Error::new(Kind::Corrupt, OPERATION, place)
                .because(format!("the store lists no key slot ({KEYS})"))
                .hint(NO_SLOT_HINT);
        }
        let reason = format!(
            "none of the {} key slots opens with a {name}",
            self.other_kind + self.unknown_kind
        );
        Error::new(Kind::WrongKey, OPERATION, place).because(reason)
    }
}

fn derive_error(key: ObjectKey, cause: codec::Error) -> Error {
    match cause.kind() {
        codec::Kind::Unavailable => {
            Error::new(Kind::Unavailable, "derive the key of", key).because(cause)
        }
        _ => Error::codec("derive the key of", key, cause),
    }
}

/// Opens a slot and reads the bundle in it.
pub(crate) fn open_slot(slot: &KeySlot, kek: &Secret32) -> Result<KeyBundle, codec::Error> {
    let plaintext = zeroize::Zeroizing::new(open_envelope(
        kek,
        ObjectType::KeyBundle,
        slot.repository,
        &slot.binding(),
        &slot.sealed,
    )?);
    Ok(KeyBundle::decode(&plaintext)?)
}

fn slot_of_sheet(file: &KeyFile) -> Option<FoundSlot> {
    let copy = file.slot.as_ref()?;
    let key = ObjectKey::Slot(copy.id);
    Some(FoundSlot { key, slot: slots::decode(key, &copy.object), size: 0 })
}
