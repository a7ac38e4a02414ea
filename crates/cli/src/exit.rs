//! How a command ends: one table from outcomes and error kinds to exit codes and hints.
//!
//! The numbers are restic's where the meaning is the same (docs/cli.md lists them).

use std::path::PathBuf;
use std::process::ExitCode;

use lifeboat::Kind;

/// How a command ended, when it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Everything that was asked for is done.
    Done,
    /// Done, but some files could not be read or written.
    Partial,
    /// Done, and damage was found.
    Damage,
    /// Done looking, and what was looked at won't do.
    Unfit,
    /// Done, and what a store can't do rules out what was asked for.
    RuledOut,
    /// Stopped on request; what was done is kept, and the same command goes on from there.
    Continue,
}

impl End {
    /// The number that the shell sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Unfit => 1,
            Self::Partial => 3,
            Self::Damage => 4,
            Self::RuledOut => 5,
            Self::Continue => 75,
        }
    }
}

/// The number that the shell sees when a second signal, or one outside a run, ended the command.
pub(crate) const STOPPED: u8 = 130;

/// Wrong usage that clap can't see.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// The number that the shell sees for a failure.
pub(crate) fn failure_code(error: &anyhow::Error) -> u8 {
    if error.is::<Usage>() {
        return 2;
    }
    if no_repository(error) {
        return 10;
    }
    match kind(error) {
        Some(Kind::WrongKey) => 12,
        Some(Kind::Corrupt | Kind::Rollback) => 4,
        Some(Kind::Cancelled) => STOPPED,
        Some(Kind::Invalid) => 2,
        _ => 1,
    }
}

/// What the user can do now, if there is something to say.
pub(crate) fn hint(error: &anyhow::Error) -> Option<String> {
    if no_repository(error) {
        let hint = "check --repo, or create a repository with `lifeboat init` or `backup --init`";
        return Some(hint.to_owned());
    }
    if let Some(RolledBack(file)) = error.downcast_ref() {
        return Some(format!(
            "find out who put the store back to an earlier state, or replaced it; if that was you, \
             remove {}",
            file.display()
        ));
    }
    library_hint(error).map(str::to_owned)
}

fn library_hint(error: &anyhow::Error) -> Option<&'static str> {
    let own = error.chain().find_map(|cause| {
        let library = cause.downcast_ref::<lifeboat::Error>().and_then(lifeboat::Error::hint_text);
        let repository = cause.downcast_ref::<lifeboat_repo::Error>();
        library.or_else(|| repository.and_then(lifeboat_repo::Error::hint_text))
    });
    own.or_else(|| match kind(error)? {
        Kind::WrongKey => {
            Some("check the passphrase, or give another with --password-file or --key-file")
        }
        Kind::Unavailable => Some("try again later; nothing that was stored is lost"),
        Kind::NoSpace => {
            Some("free some space, then run it again; nothing that was stored is lost")
        }
        Kind::Denied => Some("check the permissions and who runs this"),
        Kind::Corrupt => Some("run `lifeboat check --read-data` to see all that is damaged"),
        Kind::Unsupported => Some("use a newer lifeboat"),
        Kind::Cancelled => Some("it was asked to stop; what was done so far stays"),
        _ => None,
    })
}

/// Ends the process with this code.
pub(crate) fn code(number: u8) -> ExitCode {
    ExitCode::from(number)
}

fn kind(error: &anyhow::Error) -> Option<Kind> {
    error.chain().find_map(|cause| {
        let library = cause.downcast_ref::<lifeboat::Error>().map(lifeboat::Error::kind);
        library.or_else(|| {
            cause.downcast_ref::<lifeboat_repo::Error>().map(lifeboat_repo::Error::kind)
        })
    })
}

/// Marks an error of opening: there is no repository at the place given.
#[derive(Debug, thiserror::Error)]
#[error("there is no repository at {0}")]
pub(crate) struct NoRepository(pub(crate) String);

/// Marks an error of folding: the log is not the one whose head is remembered in this file.
#[derive(Debug, thiserror::Error)]
#[error("the log is not the one that was seen before")]
pub(crate) struct RolledBack(pub(crate) PathBuf);

/// Whether `error` says that there is no repository at the place given.
pub(crate) fn no_repository(error: &anyhow::Error) -> bool {
    error.is::<NoRepository>()
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;
    use lifeboat_repo::{Error, Kind};

    use super::{NoRepository, Usage, failure_code, hint};

    #[test]
    fn codes_survive_contexts() {
        let missing = || Error::new(Kind::NotFound, "read", "config");
        let error = Err::<(), _>(missing()).context(NoRepository("/x".to_owned()));
        let error = error.context("more").unwrap_err();
        assert_eq!(failure_code(&error), 10);
        assert!(hint(&error).unwrap().contains("--init"));
        assert_eq!(failure_code(&NoRepository("/x".to_owned()).into()), 10);
        assert_eq!(failure_code(&missing().into()), 1);
        assert_eq!(failure_code(&Error::new(Kind::WrongKey, "unlock", "/x").into()), 12);
        let usage = anyhow::Error::new(Usage("no".to_owned())).context("more");
        assert_eq!(failure_code(&usage), 2);
    }
}
