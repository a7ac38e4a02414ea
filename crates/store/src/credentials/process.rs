//! `credential_process`: a command that prints keys.
//!
//! What it prints is never repeated; what it says on stderr goes where ours goes.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use serde_json::Value;
use zeroize::Zeroizing;

use super::aws::Temporary;
use crate::BoxError;

/// A command that takes longer waits for somebody.
const TIME_MAX: Duration = Duration::from_secs(60);

/// More is no answer.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// Runs `command` by the shell and takes the keys that it prints.
pub(super) async fn run(command: &str) -> Result<Temporary, BoxError> {
    let command = command.to_owned();
    let run = tokio::task::spawn_blocking(move || parse(&output(&command, TIME_MAX)?));
    run.await.unwrap_or_else(|_stopped| Err("the credential_process was not waited for".into()))
}

fn output(command: &str, time_max: Duration) -> Result<Zeroizing<Vec<u8>>, BoxError> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("the credential_process can't be started: {error}"))?;
    let stdout = child.stdout.take().ok_or("the credential_process has no output")?;
    let (say, hear) = mpsc::channel();
    let read = move || {
        // Room for all, so that no part of it is left in memory that was given back.
        let mut bytes = Zeroizing::new(Vec::with_capacity(64 << 10));
        let read = stdout.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes).map(|_| bytes);
        // Nobody listens any more if it took too long.
        drop(say.send(read));
    };
    drop(std::thread::spawn(read));
    match hear.recv_timeout(time_max) {
        Ok(Ok(bytes)) => end(child).map(|()| bytes),
        Ok(Err(error)) => {
            stop(child);
            Err(format!("what the credential_process prints can't be read: {error}").into())
        }
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            stop(child);
            Err("the credential_process took longer than a minute".into())
        }
    }
}

fn end(mut child: Child) -> Result<(), BoxError> {
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the credential_process failed: {status}").into()),
        Err(error) => Err(format!("the credential_process can't be waited for: {error}").into()),
    }
}

fn stop(mut child: Child) {
    if let Err(error) = child.kill().and_then(|()| child.wait()) {
        tracing::debug!(%error, "the credential_process can't be stopped");
    }
}

fn parse(answer: &[u8]) -> Result<Temporary, BoxError> {
    // The error would quote what is there.
    let answer: Value = serde_json::from_slice(answer)
        .map_err(|_error| "the credential_process did not print a JSON document")?;
    if answer.get("Version").and_then(Value::as_u64) != Some(1) {
        return Err("what the credential_process prints is not of version 1".into());
    }
    let get = |name: &str| answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (Some(id), Some(secret)) = (get("AccessKeyId"), get("SecretAccessKey")) else {
        return Err("the credential_process prints no AccessKeyId or no SecretAccessKey".into());
    };
    let token = get("SessionToken").map(str::to_owned);
    Temporary::new(id.to_owned(), secret.to_owned(), token, get("Expiration"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_hangs_is_stopped() {
        let error = output("exec sleep 600", Duration::from_millis(100)).unwrap_err();
        assert!(error.to_string().contains("took longer"), "{error}");
    }

    #[test]
    fn what_is_printed_is_not_repeated() {
        for (script, says) in [
            ("echo hunter2", "JSON"),
            ("echo '{\"Version\": 2, \"SecretAccessKey\": \"hunter2\"}'", "version 1"),
            ("echo '{\"Version\": 1, \"SecretAccessKey\": \"hunter2\"}'", "no AccessKeyId"),
            ("echo hunter2; exit 3", "exit status: 3"),
        ] {
            let error = output(script, TIME_MAX).and_then(|bytes| parse(&bytes)).err().unwrap();
            assert!(error.to_string().contains(says), "{error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
