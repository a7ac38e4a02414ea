//! Targets for the structures that are texts.

use lifeboat_codec::sign::{SigningKey, verify};
use lifeboat_format::config::{SIGNATURE_CONTEXT, SignedConfig};
use lifeboat_format::entry::Remark;
use lifeboat_format::keys::{KeyBundle, Secret32};
use lifeboat_format::keyslot::{KeyFile, KeySlot};
use lifeboat_format::snapshot::Snapshot;

/// A configuration that was read can be written, signed and read again.
#[must_use]
pub fn config(input: &[u8]) -> bool {
    let Ok(read) = SignedConfig::decode(input) else { return false };
    let key = SigningKey::from_secret(&Secret32::new([7; 32]));
    let signature = key.sign(SIGNATURE_CONTEXT, read.config.unsigned_text().as_bytes());
    let again = SignedConfig::decode(&read.config.encode(&signature)).expect("it was read before");
    assert_eq!(again.config, read.config);
    let text = &again.message[SIGNATURE_CONTEXT.len()..];
    verify(&key.public(), SIGNATURE_CONTEXT, text, &again.signature).expect("just signed");
    true
}

/// A key bundle comes back the same.
#[must_use]
pub fn key_bundle(input: &[u8]) -> bool {
    let Ok(bundle) = KeyBundle::decode(input) else { return false };
    assert_eq!(KeyBundle::decode(&bundle.encode()), Ok(bundle));
    true
}

/// A slot comes back the same, and with it what binds its clear fields.
#[must_use]
pub fn key_slot(input: &[u8]) -> bool {
    let Ok(slot) = KeySlot::decode(input) else { return false };
    let again = KeySlot::decode(&slot.encode()).expect("it was read before");
    assert_eq!((again.binding(), &again), (slot.binding(), &slot));
    true
}

/// A key file comes back the same.
#[must_use]
pub fn key_file(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let Ok(file) = KeyFile::parse(text) else { return false };
    assert_eq!(KeyFile::parse(&file.to_text("fuzz")), Ok(file));
    true
}

/// A remark comes back the same.
#[must_use]
pub fn remark(input: &[u8]) -> bool {
    let Ok(remark) = Remark::decode(input) else { return false };
    assert_eq!(Remark::decode(&remark.encode()), Ok(remark));
    true
}

/// A snapshot comes back the same, with the members that this version does not know.
#[must_use]
pub fn snapshot(input: &[u8]) -> bool {
    let Ok(snapshot) = Snapshot::decode(input) else { return false };
    assert_eq!(Snapshot::decode(&snapshot.encode()), Ok(snapshot));
    true
}
