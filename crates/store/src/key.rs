//! Which texts may be an object's key in every store.
//!
//! Knows nothing of what keys mean. The rules keep a key from leaving a store's root and from
//! meaning two things on two kinds of store.

use crate::{Error, ErrorKind, Result};

/// The longest key in bytes (S3's limit, the smallest of the clouds').
pub const KEY_BYTES_MAX: usize = 1024;

/// The longest component of a key in bytes (what file systems allow a name).
const COMPONENT_BYTES_MAX: usize = 255;

/// Local stores keep what is being written there, so no key may begin with it.
pub(crate) const TEMPORARY: &str = "tmp";

/// Checks that `key` is 1 to 1024 bytes of components of at most 255 bytes, joined by single
/// slashes, without `.` and `..`, without control characters, backslashes and the characters that
/// object stores escape, and not below `tmp`. No key may be what another calls its directory.
///
/// # Errors
/// [`ErrorKind::Invalid`], naming `operation` and the rule.
pub fn validate_key(operation: &'static str, key: &str) -> Result<()> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(invalid(operation, key, "must be 1 to 1024 bytes long"));
    }
    let broken = key.split('/').enumerate().find_map(|(position, component)| match component {
        "" => Some("must not begin or end with a slash or have two in a row"),
        "." | ".." => Some("must not have a component '.' or '..'"),
        TEMPORARY if position == 0 => Some("must not lie below tmp"),
        _ if component.len() > COMPONENT_BYTES_MAX => Some("has a component of over 255 bytes"),
        _ => None,
    });
    match broken {
        Some(rule) => Err(invalid(operation, key, rule)),
        None => validate_characters(operation, key),
    }
}

/// Checks that `prefix` can be the beginning of a key: no way out of the store, no characters that
/// keys can't have.
///
/// # Errors
/// [`ErrorKind::Invalid`], naming `operation` and the rule.
pub fn validate_prefix(operation: &'static str, prefix: &str) -> Result<()> {
    if prefix.len() > KEY_BYTES_MAX {
        return Err(invalid(operation, prefix, "must be at most 1024 bytes long"));
    }
    if prefix.starts_with('/') || prefix.contains("//") {
        return Err(invalid(operation, prefix, "must not begin with a slash or have two in a row"));
    }
    if prefix.split('/').rev().skip(1).any(|component| matches!(component, "." | "..")) {
        return Err(invalid(operation, prefix, "must not have a component '.' or '..'"));
    }
    validate_characters(operation, prefix)
}

fn validate_characters(operation: &'static str, key: &str) -> Result<()> {
    // The set that object stores escape in their keys, or advise against, so that a key is the same
    // text everywhere.
    const ESCAPED: &str = "\\{}^%`[]\"<>~#|*?";
    if key.chars().any(|c| c.is_control() || ESCAPED.contains(c)) {
        return Err(invalid(
            operation,
            key,
            "must not have control characters or any of \\{}^%`[]\"<>~#|*?",
        ));
    }
    Ok(())
}

fn invalid(operation: &'static str, key: &str, rule: &str) -> Error {
    Error::new(ErrorKind::Invalid, operation, key.escape_debug().to_string())
        .with_detail(format!("not a valid key: it {rule}"))
}

#[cfg(test)]
mod tests;
