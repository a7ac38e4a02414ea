//! Tests that can't run here: they say so, and are counted, so that nobody takes them for passed.
//!
//! A test runner keeps what a test that passes has printed to itself. So the line goes to the file, too, that
//! `cargo xtask ci` names in a variable, and it tells and counts them in its closing line.

use std::{
    fmt,
    fs::OpenOptions,
    io::{self, Write},
    thread,
};

/// The variable that names the file.
pub const SKIPS: &str = "LIFEBOAT_TEST_SKIPS";

/// Says that the calling test does not run here, and why. The caller then returns.
///
/// # Panics
/// When the file is named and can't be written.
pub fn skip(reason: impl fmt::Display) {
    #[expect(clippy::disallowed_methods, reason = "cargo xtask tells in this variable")]
    let file = std::env::var_os(SKIPS);
    let thread = thread::current();
    let test = thread.name().unwrap_or("a test");
    // One line each, whatever the reason.
    let reason = reason.to_string().replace('\n', " ");
    let line = format!("SKIPPED: {test}: {}\n", reason.trim());
    // Not by a macro that tests' output is caught by: it is for whoever runs the test alone.
    drop(io::stdout().write_all(line.as_bytes()));
    if let Some(file) = file {
        let written = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&file)
            .and_then(|mut file| file.write_all(line.as_bytes()));
        written.expect("the file that was named for what is skipped can be written");
    }
}
