//! Names: which of them may be used below the target.

use super::fault::{Fault, Result};

/// Lets a name pass that stands for a direct member of a directory and for nothing else.
///
/// The decoder of trees refuses such names too; they are looked at again here because this is the
/// last place before the system takes them.
///
/// # Errors
/// A fault for an empty name, `.`, `..`, and a name with a slash or a zero byte.
pub fn check(name: &[u8]) -> Result<()> {
    let reason = match name {
        b"" => "the snapshot has an empty name, which no file can have",
        b"." | b".." => {
            "the snapshot has the name of a directory's own link, which no file can have"
        }
        name if name.contains(&b'/') => {
            "the snapshot has a name with a slash, which no file can have"
        }
        name if name.contains(&0) => {
            "the snapshot has a name with a zero byte, which no file can have"
        }
        _ => return Ok(()),
    };
    Err(Fault::refused("use the name of", reason))
}
