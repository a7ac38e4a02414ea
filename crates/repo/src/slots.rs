//! Key slots: the bundle of keys, wrapped once for each passphrase and key file.
//!
//! Knows slot objects and what wraps them; nothing of the log, which does not mention them. Slots are
//! the only objects of a repository that are removed by hand.
//!
//! Invariants: a new slot is in the store before the one that it replaces goes, and has been opened
//! again before it is put; the last usable slot stays. Whoever once opened a slot may have kept the
//! keys: removing it takes a passphrase away, not what it gave.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use lifeboat_codec::seal::{Subject, seal_envelope};
use lifeboat_codec::{Clock, Entropy, kdf};
use lifeboat_format::envelope::ObjectType;
use lifeboat_format::id::SlotId;
use lifeboat_format::key::{KEYS, ObjectKey};
use lifeboat_format::keys::{KeyBundle, Secret32};
use lifeboat_format::keyslot::{KdfParams, KeyFile, KeySlot, SLOT_MAX, SheetSlot, SlotKind};
use lifeboat_store::Payload;
use zeroize::Zeroizing;

use crate::error::{Error, Kind, Result};
use crate::io::Io;
use crate::open::{Repository, open_slot, random};

const OPERATION: &str = "make key slot";

/// Key slots that are looked at; more are a sign that something fills the place up.
const SLOTS_MAX: usize = 1000;

/// A slot to be made.
#[derive(Clone, Debug)]
pub struct NewSlot {
    /// The user's words for it.
    pub label: String,
    /// What opens it.
    pub secret: SlotSecret,
}

/// What opens a new slot.
#[derive(Clone)]
pub enum SlotSecret {
    /// A passphrase, and what it costs to try one.
    Passphrase(Zeroizing<String>, KdfCost),
    /// The secret of a key file.
    KeyFile(Secret32),
}

/// What it costs to try a passphrase: Argon2id's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KdfCost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

/// A slot in the store.
#[derive(Debug)]
pub struct FoundSlot {
    /// Its key.
    pub key: ObjectKey,
    /// The slot, or why it can't be read.
    pub slot: Result<KeySlot>,
    /// Its length in bytes; 0, if it is not from the store.
    pub size: u32,
}

/// A recovery sheet: it opens the repository even when `config` and all key slots are lost.
#[derive(Debug)]
pub struct RecoverySheet {
    /// The slot that was made for it.
    pub slot: SlotId,
    /// What is on it.
    pub file: KeyFile,
    /// Its text, to be printed or kept elsewhere.
    pub text: Zeroizing<String>,
}

impl Default for KdfCost {
    fn default() -> Self {
        let KdfParams { memory_kib, passes, lanes, salt: _ } = KdfParams::with_salt([0; 16]);
        Self { memory_kib, passes, lanes }
    }
}

/// All slots of the repository, in the order of their ids.
///
/// # Errors
/// The store's; a slot that can't be read is none.
pub fn list(repository: &Repository) -> Result<Vec<FoundSlot>> {
    find(repository.io())
}

/// The slot whose id begins with `text`.
///
/// # Errors
/// [`Kind::NotFound`] when there is none, [`Kind::Invalid`] when there are several.
pub fn resolve(repository: &Repository, text: &str) -> Result<SlotId> {
    const OPERATION: &str = "find key slot";
    let mut found = Vec::new();
    for FoundSlot { key, .. } in list(repository)? {
        if let ObjectKey::Slot(id) = key
            && !text.is_empty()
            && id.to_string().starts_with(text)
        {
            found.push(id);
        }
    }
    match found.as_slice() {
        [only] => Ok(*only),
        [] => Err(Error::new(Kind::NotFound, OPERATION, format!("{text:?}"))
            .because("no slot has an id that begins so")
            .hint("list them with `key list`")),
        [first, second, ..] => {
            let reason = format!("several begin so: {first}, {second}");
            Err(Error::new(Kind::Invalid, OPERATION, format!("{text:?}")).because(reason))
        }
    }
}

/// Wraps the keys for another passphrase or key file.
///
/// # Errors
/// [`Kind::Invalid`] for a passphrase that is none or a cost beyond the memory budget; the store's.
pub fn add(repository: &Repository, new: &NewSlot) -> Result<SlotId> {
    put(repository, new).map(|slot| slot.slot)
}

/// Removes a slot.
///
/// # Errors
/// [`Kind::Invalid`] when it is the last one that opens, [`Kind::NotFound`] when there is none.
pub fn remove(repository: &Repository, id: SlotId) -> Result<()> {
    const OPERATION: &str = "remove key slot";
    repository.require_writable()?;
    let found = list(repository)?;
    let doomed = ObjectKey::Slot(id);
    if !found.iter().any(|found| found.key == doomed) {
        return Err(Error::new(Kind::NotFound, OPERATION, id).because("there is no such slot"));
    }
    let is_usable = |found: &&FoundSlot| {
        found.slot.as_ref().is_ok_and(|slot| slot.is_usable() && slot.repository == repository.id())
    };
    let (of_it, of_others): (Vec<_>, Vec<_>) =
        found.iter().filter(is_usable).partition(|found| found.key == doomed);
    if of_others.is_empty() && !of_it.is_empty() {
        return Err(Error::new(Kind::Invalid, OPERATION, id)
            .because("it is the last one that opens the repository")
            .hint("add another first (`key add`)"));
    }
    repository.io().delete(&doomed)
}

/// Changes the passphrase that the repository was opened with: a new slot with the same label, and then
/// the old one is removed. The new slot's id.
///
/// # Errors
/// [`Kind::Invalid`] when it was opened with a key file; else as [`add`] and [`remove`].
pub fn passwd(
    repository: &Repository,
    passphrase: Zeroizing<String>,
    cost: KdfCost,
) -> Result<SlotId> {
    let opened_by = repository.opened_by();
    if opened_by.kind != SlotKind::Passphrase {
        return Err(Error::new(
            Kind::Invalid,
            "change the passphrase of",
            repository.io().describe(),
        )
        .because("it was opened with a key file")
        .hint("open it with the passphrase to be changed, or add one (`key add`)"));
    }
    let label = opened_by.label.clone();
    let new = NewSlot { label, secret: SlotSecret::Passphrase(passphrase, cost) };
    let id = add(repository, &new)?;
    remove(repository, opened_by.slot)?;
    Ok(id)
}

/// Makes a slot with a secret of its own and a recovery sheet that opens it.
///
/// # Errors
/// The store's.
pub fn export(repository: &Repository, label: &str) -> Result<RecoverySheet> {
    let secret = Secret32::new(repository.random()?);
    let new = NewSlot { label: label.to_owned(), secret: SlotSecret::KeyFile(secret.clone()) };
    let slot = put(repository, &new)?;
    let file = KeyFile {
        repository: repository.id(),
        key: secret,
        config: Some(repository.config_bytes().to_vec()),
        slot: Some(SheetSlot { id: slot.slot, object: slot.encode() }),
    };
    let text = file.to_text(&format!(
        "Lifeboat recovery sheet\n\n\
         Repository {id} at {place}, made {made}.\n\
         Whoever has this sheet can read every backup in it: keep it apart from the repository.\n\
         It opens the repository when the passphrase, the key slots or 'config' are lost:\n\
         save it as a file and give that as the key file (--key-file). Slot {slot}.",
        id = repository.id(),
        place = repository.io().describe(),
        made = slot.created,
        slot = slot.slot,
    ));
    Ok(RecoverySheet { slot: slot.slot, file, text })
}

/// All slots in a store, whatever repository they are of.
pub(crate) fn find(io: &Io) -> Result<Vec<FoundSlot>> {
    let mut keys = Vec::new();
    io.list(KEYS, |listed| {
        if let Ok(key @ ObjectKey::Slot(_)) = listed.key.parse() {
            keys.push((key, listed.size));
        }
        Ok(())
    })?;
    keys.sort_unstable();
    keys.truncate(SLOTS_MAX);
    let slots = io.each_of(&keys, |(key, size)| read(io, *key, *size));
    let mut found = Vec::with_capacity(keys.len());
    for ((key, _), slot) in keys.into_iter().zip(slots) {
        match slot {
            Ok(bytes) => {
                let size = u32::try_from(bytes.len()).unwrap_or_default();
                found.push(FoundSlot { key, slot: decode(key, &bytes), size });
            }
            // Removed since it was listed.
            Err(error) if error.kind() == Kind::NotFound => {}
            Err(error) if error.kind() == Kind::Corrupt => {
                found.push(FoundSlot { key, slot: Err(error), size: 0 });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Under which name it is kept where the slot is that opened last, and how long it is. The slot itself is not: what wraps
/// keys has no place in a cache.
const KEPT_PLACE: &str = "slot";

/// The slot that opened last on this machine, if there is one of that name.
pub(crate) fn opened_last(io: &Io) -> Option<FoundSlot> {
    let place = io.kept(KEPT_PLACE)?;
    let (size, name) = place.split_first_chunk()?;
    let key: ObjectKey = std::str::from_utf8(name).ok()?.parse().ok()?;
    let size = u32::from_le_bytes(*size);
    let bytes = io.get_range(&key, 0..u64::from(size)).ok()?;
    Some(FoundSlot { key, slot: Ok(decode(key, &bytes).ok()?), size })
}

/// Keeps in mind that this one has opened.
pub(crate) fn keep_opened(io: &Io, key: ObjectKey, size: u32) {
    io.keep(KEPT_PLACE, &[size.to_le_bytes().as_slice(), key.to_string().as_bytes()].concat());
}

/// The bytes of a slot, of which the list says how many there are.
fn read(io: &Io, key: ObjectKey, size: u64) -> Result<Bytes> {
    if size > SLOT_MAX as u64 {
        let reason = format!("it has {size} bytes, and no key slot has more than {SLOT_MAX}");
        return Err(Error::new(Kind::Corrupt, "read", key).because(reason));
    }
    io.get(&key)
}

/// The slot that the object `key` is.
pub(crate) fn decode(key: ObjectKey, bytes: &[u8]) -> Result<KeySlot> {
    const OPERATION: &str = "read";
    let slot = KeySlot::decode(bytes).map_err(|cause| Error::format(OPERATION, key, cause))?;
    if ObjectKey::Slot(slot.slot) == key {
        Ok(slot)
    } else {
        let reason = format!("it says that it is slot {}", slot.slot);
        Err(Error::new(Kind::Corrupt, OPERATION, key).because(reason))
    }
}

/// Wraps `bundle` for a new slot, several times: each has other bytes, and one of them is to be put.
pub(crate) fn seal_slots(
    bundle: &KeyBundle,
    new: &NewSlot,
    entropy: &Entropy,
    clock: &Arc<dyn Clock>,
    memory_bytes: u64,
    times: usize,
) -> Result<Vec<KeySlot>> {
    let mut slot = KeySlot {
        repository: bundle.repository,
        slot: SlotId(random(entropy)?),
        kind: SlotKind::KeyFile,
        label: new.label.clone(),
        created: clock.now(),
        kdf: None,
        sealed: Vec::new(),
    };
    let kek = derive_kek(&mut slot, new, entropy, memory_bytes)?;
    (0..times)
        .map(|_| {
            let mut slot = slot.clone();
            seal(&mut slot, &kek, bundle, entropy)?;
            Ok(slot)
        })
        .collect()
}

/// The key that wraps; makes `slot` say how it is derived.
fn derive_kek(
    slot: &mut KeySlot,
    new: &NewSlot,
    entropy: &Entropy,
    memory_bytes: u64,
) -> Result<Secret32> {
    let id = slot.slot;
    let invalid = |reason: String| Error::new(Kind::Invalid, OPERATION, id).because(reason);
    Ok(match &new.secret {
        SlotSecret::Passphrase(passphrase, _) if passphrase.is_empty() => {
            return Err(invalid("the passphrase is empty".to_owned()));
        }
        SlotSecret::Passphrase(passphrase, cost) => {
            let KdfCost { memory_kib, passes, lanes } = *cost;
            let salt = random::<16>(entropy)?.to_vec();
            let params = KdfParams { memory_kib, passes, lanes, salt };
            params.check().map_err(|cause| invalid(cause.to_string()))?;
            let needed = kdf::memory_bytes(&params);
            if needed > memory_bytes {
                return Err(invalid(format!(
                    "deriving its key needs {} MiB of memory, and the budget is {} MiB",
                    needed >> 20,
                    memory_bytes >> 20
                )));
            }
            let kek = kdf::derive_kek_passphrase(&params, passphrase.as_bytes())
                .map_err(|cause| Error::codec(OPERATION, id, cause))?;
            slot.kind = SlotKind::Passphrase;
            slot.kdf = Some(params);
            kek
        }
        SlotSecret::KeyFile(secret) => kdf::derive_kek_key_file(secret),
    })
}

fn seal(slot: &mut KeySlot, kek: &Secret32, bundle: &KeyBundle, entropy: &Entropy) -> Result<()> {
    let id = slot.slot;
    let subject =
        Subject { object_type: ObjectType::KeyBundle, epoch: 0, repository: bundle.repository };
    slot.sealed = seal_envelope(kek, &subject, &slot.binding(), &bundle.encode(), entropy)
        .map_err(|cause| Error::codec(OPERATION, id, cause))?;
    // A slot that does not open is found now, while another still does.
    let read = decode(ObjectKey::Slot(id), &slot.encode())?;
    match open_slot(&read, kek) {
        Ok(opened) if opened == *bundle => Ok(()),
        Ok(_) => Err(Error::new(Kind::Internal, OPERATION, id)
            .because("it holds other keys than were put into it")),
        Err(cause) => Err(Error::codec(OPERATION, id, cause)),
    }
}

fn put(repository: &Repository, new: &NewSlot) -> Result<KeySlot> {
    repository.require_writable()?;
    let sealed = seal_slots(
        repository.keyring().bundle(),
        new,
        repository.entropy(),
        repository.clock(),
        repository.memory_bytes(),
        1,
    )?;
    let [slot] = <[KeySlot; 1]>::try_from(sealed).expect("one was asked for");
    repository.io().put_new(&ObjectKey::Slot(slot.slot), Payload::from(slot.encode()))?;
    Ok(slot)
}

impl fmt::Debug for SlotSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passphrase(_, cost) => write!(f, "Passphrase(.., {cost:?})"),
            Self::KeyFile(_) => f.write_str("KeyFile(..)"),
        }
    }
}

#[cfg(test)]
mod tests;
