//! Remarks: the sealed bodies of entries, made and opened with the repository's keys.
//!
//! Knows one entry at a time; nothing of what it does. Invariant: a body is bound to its repository and its log, and
//! what seals it to its place there is the entry's signature.

use lifeboat_codec::seal::{Subject, open_envelope, seal_envelope};
use lifeboat_format::entry::{REASON_BYTES_MAX, REMARK_VERSION, Remark};
use lifeboat_format::envelope::{ObjectType, Preamble, log_extra};
use lifeboat_format::key::ObjectKey;

use crate::error::{Error, Kind, Result};
use crate::open::Repository;

/// The body of an entry that says why it was written, and by which program.
///
/// # Errors
/// [`Kind::Invalid`] for a reason that is too long; [`Kind::Denied`] without the key of the log's bodies.
pub fn seal_remark(repository: &Repository, reason: Option<&str>, tool: &str) -> Result<Vec<u8>> {
    const OPERATION: &str = "seal the reason of";
    let subject = || format!("an entry of log {}", repository.log_id());
    if reason.is_some_and(|reason| reason.len() > REASON_BYTES_MAX) {
        let reason = format!("it is longer than {REASON_BYTES_MAX} bytes");
        return Err(Error::new(Kind::Invalid, OPERATION, subject()).because(reason));
    }
    let keyring = repository.keyring();
    let sealed_as = Subject {
        object_type: ObjectType::LogBody,
        epoch: keyring.newest_epoch(),
        repository: repository.id(),
    };
    let key = keyring.role_key(sealed_as.object_type, sealed_as.epoch)?;
    let remark = Remark {
        version: REMARK_VERSION,
        reason: reason.map(str::to_owned),
        tool: tool.to_owned(),
    };
    let extra = log_extra(&repository.log_id());
    seal_envelope(key, &sealed_as, &extra, &remark.encode(), repository.entropy())
        .map_err(|cause| Error::codec(OPERATION, subject(), cause))
}

/// What the sealed body of the entry `number` says.
///
/// # Errors
/// [`Kind::Denied`] without the key; [`Kind::Corrupt`] or [`Kind::Unsupported`] when it is no remark of this log.
pub(crate) fn open(repository: &Repository, number: u64, body: &[u8]) -> Result<Remark> {
    const OPERATION: &str = "open the body of";
    let place = ObjectKey::Log(number);
    let preamble =
        Preamble::decode(body).map_err(|cause| Error::format(OPERATION, place, cause))?;
    let key = repository.keyring().role_key(ObjectType::LogBody, preamble.epoch)?;
    let extra = log_extra(&repository.log_id());
    let plaintext = open_envelope(key, ObjectType::LogBody, repository.id(), &extra, body)
        // The keys opened the repository, so what does not fit is the body.
        .map_err(|cause| Error::new(Kind::Corrupt, OPERATION, place).because(cause))?;
    Remark::decode(&plaintext).map_err(|cause| Error::format(OPERATION, place, cause))
}
