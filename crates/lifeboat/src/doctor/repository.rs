//! What can be seen of a repository without a key: `config`, and whether it fits its store.

use lifeboat_codec::sign::verify;
use lifeboat_format as format;
use lifeboat_format::config::{CONFIG_MAX, Config, SIGNATURE_CONTEXT, SignedConfig};
use lifeboat_format::key::ObjectKey;
use lifeboat_repo::Kind;
use lifeboat_repo::io::Io;
use lifeboat_store::probe::{Capabilities, Grade};

use crate::doctor::{Finding, Found};
use crate::error::Result;

const SHEET: &str = "a recovery sheet (`key export`) has a copy: give it as the key file";

/// Looks at `config`; the repository if there is one, and what there is to say of it.
pub(super) fn look(io: &Io, store: &Capabilities) -> Result<(Option<Found>, Vec<Finding>)> {
    let bytes = match io.get_at_most(&ObjectKey::Config, CONFIG_MAX as u64) {
        Ok(bytes) => bytes,
        Err(error) => {
            let finding = match error.kind() {
                Kind::NotFound => {
                    tell("config", Grade::Good, "there is no repository here yet", None, None)
                }
                Kind::Corrupt | Kind::Denied => {
                    let found = format!("'config' can't be read: {error}");
                    tell("config", Grade::Unfit, found, Some("nothing opens without it"), None)
                }
                _ => return Err(error.into()),
            };
            return Ok((None, vec![finding]));
        }
    };
    let signed = match SignedConfig::decode(&bytes) {
        Ok(signed) => signed,
        Err(error) => {
            let advice = match error.kind() {
                format::Kind::Unsupported => "use a newer version of Lifeboat",
                _ => SHEET,
            };
            let found = format!("'config' can't be understood: {error}");
            let meaning = Some("nothing opens without it");
            return Ok((None, vec![tell("config", Grade::Unfit, found, meaning, Some(advice))]));
        }
    };
    let mut findings = vec![signature(&signed)];
    findings.extend(features(&signed.config));
    findings.push(mark(&signed.config, store));
    let found = Found { id: signed.config.repository, is_exclusive: signed.config.is_exclusive() };
    Ok((Some(found), findings))
}

/// Whose signature it must be only the keys tell; that it fits its own text shows without.
fn signature(signed: &SignedConfig) -> Finding {
    let message = signed.message.get(SIGNATURE_CONTEXT.len()..).unwrap_or_default();
    let is_whole = signed
        .config
        .root()
        .is_some_and(|root| verify(&root, SIGNATURE_CONTEXT, message, &signed.signature).is_ok());
    if is_whole {
        let found = format!("'config' is whole: repository {}", signed.config.repository);
        let meaning = "whether it is the right one shows when the repository is opened with a key";
        return tell("config", Grade::Good, found, Some(meaning), None);
    }
    let found = "'config' is not what was signed";
    let meaning = Some("it was damaged or altered, and nothing opens with it");
    tell("config", Grade::Unfit, found, meaning, Some(SHEET))
}

fn features(config: &Config) -> Option<Finding> {
    let cause = config.check_writable().err()?;
    let meaning = Some("this version can read it, and restore; it can't write to it");
    let advice = Some("use a newer version of Lifeboat to back up");
    Some(tell("features", Grade::ReadOnly, cause.to_string(), meaning, advice))
}

/// Whether the mark for one writer at a time is there where it is needed.
fn mark(config: &Config, store: &Capabilities) -> Finding {
    let is_exclusive = config.is_exclusive();
    let (grade, found, meaning, advice) = match (is_exclusive, store.conditional_create) {
        (true, Some(true)) => (
            Grade::Note,
            "the repository is marked for one writer at a time, and its store could keep several apart",
            Some("whoever writes to it has to say --exclusive"),
            Some("to let several write, create a repository without --exclusive at another place"),
        ),
        (true, _) => (
            Grade::Good,
            "the repository is marked for one writer at a time",
            Some("whoever writes to it has to say --exclusive"),
            None,
        ),
        (false, Some(false)) => (
            Grade::Unfit,
            "the repository is for any number of writers, and its store can't keep two apart",
            Some("of two writers at once one may lose its backup without a word"),
            Some(
                "stop all writers but one, and move to a repository that was created with \
                 --exclusive, or to another store",
            ),
        ),
        (false, _) => (Grade::Good, "the repository is for any number of writers", None, None),
    };
    tell("writers", grade, found, meaning, advice)
}

fn tell(
    subject: &'static str,
    grade: Grade,
    found: impl Into<String>,
    meaning: Option<&str>,
    advice: Option<&str>,
) -> Finding {
    Finding {
        subject,
        grade,
        found: found.into(),
        meaning: meaning.map(str::to_owned),
        advice: advice.map(str::to_owned),
    }
}
