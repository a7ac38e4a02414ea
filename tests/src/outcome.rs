//! What a finished command said: exit code, standard output, standard error.
//!
//! Failed expectations print all three, since a test's log is all that is left of them.

use std::{
    fmt,
    process::{Command, Output},
};

/// A command that has ended, with all that it printed.
#[derive(Clone)]
pub struct Outcome {
    said: String,
    output: Output,
}

impl Outcome {
    /// Runs `command` to its end and collects what it prints.
    pub fn of(command: &mut Command) -> Self {
        let said = format!("{command:?}");
        let output = command.output().unwrap_or_else(|error| panic!("run {said}: {error}"));
        Self { said, output }
    }

    /// The exit code; none when a signal ended the command.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.output.status.code()
    }

    /// Standard output as it was printed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.output.stdout
    }

    /// Standard output as text; other bytes than UTF-8 are replaced.
    #[must_use]
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// Standard error as text; other bytes than UTF-8 are replaced.
    #[must_use]
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// Goes on if the command ended with `code`, and fails the test with all it said if not.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code(), Some(code), "exit code of {self:?}");
        self
    }

    /// Goes on if standard error contains `text`, and fails the test with all it said if not.
    #[track_caller]
    pub fn expect_stderr(self, text: &str) -> Self {
        assert!(self.stderr().contains(text), "{text:?} is not in the errors of {self:?}");
        self
    }

    /// The one JSON document on standard output.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        match serde_json::from_slice(&self.output.stdout) {
            Ok(value) => value,
            Err(error) => panic!("not one JSON document ({error}): {self:?}"),
        }
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (status, stdout, stderr) = (self.output.status, self.stdout(), self.stderr());
        write!(f, "{}\n{status}\n--- stdout\n{stdout}\n--- stderr\n{stderr}\n---", self.said)
    }
}
