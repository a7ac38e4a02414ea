//! What all JSON structures share: the version comes first, before anything else is believed.

use serde::Deserialize;

use crate::{Error, Result};

#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// Refuses what is not JSON with a `version`, and every version but `known`.
pub(crate) fn check_version(what: &str, bytes: &[u8], known: u32) -> Result<()> {
    let found: Version =
        serde_json::from_slice(bytes).map_err(|error| Error::json(what, &error))?;
    match found.version {
        0 => Err(Error::corrupt(what, "version 0 does not exist")),
        version if version > known => {
            let detail = format!("version {version} is newer than {known}, the newest known here");
            Err(Error::unsupported(what, detail))
        }
        _ => Ok(()),
    }
}
