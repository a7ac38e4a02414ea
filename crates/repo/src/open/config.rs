//! Finding `config`, and saying plainly what is at a place where there is none.
//!
//! Knows the object and its copy on a recovery sheet; not the keys that vouch for it, which come later.

use lifeboat_codec::sign::verify;
use lifeboat_format as format;
use lifeboat_format::config::{Config, SIGNATURE_CONTEXT, SignedConfig};
use lifeboat_format::key::{KEYS, ObjectKey, PROBE};
use lifeboat_format::keys::KeyBundle;

use crate::error::{Error, Kind, Result};
use crate::io::Io;
use crate::open::Unlock;

const OPERATION: &str = "open";
const SHEET_HINT: &str = "a recovery sheet (`key export`) has a copy: give it as the key file";

/// A configuration that was read and is not yet vouched for.
pub(super) struct UnverifiedConfig {
    signed: SignedConfig,
    bytes: Vec<u8>,
    is_copy: bool,
}

/// A configuration and its bytes.
pub(super) struct LoadedConfig {
    pub(super) config: Config,
    pub(super) bytes: Vec<u8>,
    /// Whether it comes from a recovery sheet instead of the store.
    pub(super) is_copy: bool,
}

impl UnverifiedConfig {
    pub(super) fn config(&self) -> &Config {
        &self.signed.config
    }

    /// Checks that the bundle is of this repository, and that its root key has signed the configuration.
    pub(super) fn verify(&self, bundle: &KeyBundle) -> Result<()> {
        let config = &self.signed.config;
        let refuse = |reason: &str| {
            Err(Error::new(Kind::Corrupt, "verify", ObjectKey::Config)
                .because(reason.to_owned())
                .hint("it was altered or replaced; a recovery sheet has a copy of the right one"))
        };
        if bundle.repository != config.repository {
            return refuse("the keys are of another repository");
        }
        if config.root() != Some(bundle.root_public) {
            return refuse("its root key is not the one that the keys name");
        }
        let message = &self.signed.message[SIGNATURE_CONTEXT.len()..];
        if verify(&bundle.root_public, SIGNATURE_CONTEXT, message, &self.signed.signature).is_err()
        {
            return refuse("the root key's signature does not match its text");
        }
        Ok(())
    }

    pub(super) fn into_config(self) -> LoadedConfig {
        LoadedConfig { config: self.signed.config, bytes: self.bytes, is_copy: self.is_copy }
    }
}

/// Reads `config`, or the copy on a recovery sheet when it is lost or damaged.
pub(super) fn load(
    io: &Io,
    unlock: &Unlock,
    warnings: &mut Vec<String>,
) -> Result<UnverifiedConfig> {
    let error = match fetch(io) {
        Ok(config) => return Ok(config),
        Err(error) => error,
    };
    let copy = match unlock {
        Unlock::KeyFile(file) => file.config.as_ref(),
        Unlock::Passphrase(_) => None,
    };
    let lost = match error.kind() {
        Kind::Corrupt => true,
        // With a sheet at hand the place was right once, so anything there is worth a try.
        Kind::NotFound => copy.is_some() && first_key(io)?.is_some(),
        _ => false,
    };
    match copy {
        Some(bytes) if lost => {
            warnings.push(format!("{error}; the recovery sheet's copy is used"));
            decode(bytes.clone(), true)
        }
        _ if error.kind() == Kind::NotFound => Err(describe_absence(io)?),
        _ => Err(error),
    }
}

fn fetch(io: &Io) -> Result<UnverifiedConfig> {
    let bytes = io.config()?;
    decode(bytes.to_vec(), false)
}

fn decode(bytes: Vec<u8>, is_copy: bool) -> Result<UnverifiedConfig> {
    let signed = SignedConfig::decode(&bytes).map_err(|cause| {
        let hint = match cause.kind() {
            format::Kind::Unsupported => "use a newer version of Lifeboat",
            _ => SHEET_HINT,
        };
        Error::format(OPERATION, ObjectKey::Config, cause).hint(hint)
    })?;
    Ok(UnverifiedConfig { signed, bytes, is_copy })
}

/// What is at a place without `config`.
pub(super) enum Contents {
    /// Nothing.
    Nothing,
    /// Key slots only: an `init` that was interrupted.
    OnlySlots,
    /// Objects of a repository; one of them.
    Objects(String),
    /// Something that Lifeboat did not write; a name.
    Foreign(String),
}

/// Looks at all that is there.
pub(super) fn look_around(io: &Io) -> Result<Contents> {
    let mut slots = false;
    let mut object = None;
    let mut foreign = None;
    io.list("", |listed| {
        match listed.key.parse::<ObjectKey>() {
            Ok(ObjectKey::Slot(_)) => slots = true,
            Ok(_) => object = object.take().or(Some(listed.key)),
            // What a trial of the store could not remove again.
            Err(_not_ours) if listed.key.starts_with(PROBE) => {}
            Err(_not_ours) => foreign = foreign.take().or(Some(listed.key)),
        }
        Ok(())
    })?;
    Ok(match (object, foreign, slots) {
        (Some(object), _, _) => Contents::Objects(object),
        (None, Some(foreign), _) => Contents::Foreign(foreign),
        (None, None, true) => Contents::OnlySlots,
        (None, None, false) => Contents::Nothing,
    })
}

fn describe_absence(io: &Io) -> Result<Error> {
    const INIT: &str = "create one with `init`, or check the place";
    let (kind, reason, hint) = match look_around(io)? {
        Contents::Nothing => (Kind::NotFound, "there is no repository".to_owned(), INIT),
        Contents::OnlySlots => (
            Kind::NotFound,
            format!("there are key slots ({KEYS}) but no 'config': an `init` was interrupted"),
            "run `init` again",
        ),
        Contents::Objects(example) => (
            Kind::Corrupt,
            format!("there are objects of a repository ({example}) but 'config' is missing"),
            SHEET_HINT,
        ),
        Contents::Foreign(example) => (
            Kind::NotFound,
            format!("this is not a repository: it holds other things ({example}) and no 'config'"),
            INIT,
        ),
    };
    Ok(Error::new(kind, OPERATION, io.describe()).because(reason).hint(hint))
}

/// Any key at all.
fn first_key(io: &Io) -> Result<Option<String>> {
    let mut first = None;
    io.list("", |listed| {
        first = first.take().or(Some(listed.key));
        Ok(())
    })?;
    Ok(first)
}
