//! Creates of one key, made at once: does exactly one win, and are its bytes there?
//!
//! Knows the [`Store`] trait alone. Whoever creates an object that matters may do it this way: the
//! winner's object stays, so that nothing has to be written for the trial alone, and nothing is
//! left where deletes are refused.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::{Error, ErrorKind, Payload, Result, Store};

/// How creates of one key ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Race {
    /// How many creates were made: every candidate's at once, then one more.
    pub creates: usize,
    /// How many of them were told that they have created the object.
    pub won: usize,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a race.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The object is this candidate's, and every other create was refused.
    Created(usize),
    /// The object was there before, or somebody else's create came first; all of ours were refused.
    Taken,
    /// The store let more than one create succeed, or has other bytes than the winner's: it does not
    /// create conditionally.
    Overwritten,
}

/// Creates the object `key` from all of `candidates` at once, then from one of them once more. Their
/// bytes must differ, so that it shows whose are there, and each must be fit to stay.
///
/// # Errors
/// Of the first candidate when none was created; of the read that says whose bytes are there.
pub async fn create_raced(
    store: &Arc<dyn Store>,
    key: &str,
    candidates: &[Payload],
) -> Result<Race> {
    let mut answers = create_all(store, key, candidates).await;
    // A store may look before it writes without doing both in one: also a late create must fail.
    let first = answers.iter().position(Result::is_ok);
    let late = first.map_or(0, |winner| (winner + 1) % candidates.len().max(1));
    if let Some(candidate) = candidates.get(late) {
        answers.push(store.put_new(key, candidate.clone()).await);
    }
    let (creates, won) = (answers.len(), answers.iter().filter(|answer| answer.is_ok()).count());
    let race = |outcome| Ok(Race { creates, won, outcome });
    if won > 1 {
        return race(Outcome::Overwritten);
    }
    let bytes = match store.get(key).await {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(first_failure(answers).unwrap_or(error));
        }
        // It has one winner, whose bytes are just not seen now.
        Err(error) if error.is_retryable() && won == 1 => {
            return race(Outcome::Created(first.unwrap_or(late)));
        }
        Err(error) => return Err(error),
    };
    match (first, owner(candidates, &bytes)) {
        (Some(winner), Some(owner)) if winner == owner => race(Outcome::Created(owner)),
        (Some(_), _) => race(Outcome::Overwritten),
        // The answer to it was lost: it is ours all the same.
        (None, Some(owner)) => race(Outcome::Created(owner)),
        (None, None) => race(Outcome::Taken),
    }
}

/// The answers in the order of the candidates.
async fn create_all(store: &Arc<dyn Store>, key: &str, candidates: &[Payload]) -> Vec<Result<()>> {
    let start = Arc::new(Barrier::new(candidates.len().max(1)));
    let mut racers = JoinSet::new();
    for (number, candidate) in candidates.iter().cloned().enumerate() {
        let (store, start, key) = (Arc::clone(store), Arc::clone(&start), key.to_owned());
        racers.spawn(async move {
            start.wait().await;
            (number, store.put_new(&key, candidate).await)
        });
    }
    let mut answers = Vec::with_capacity(candidates.len());
    while let Some(ended) = racers.join_next().await {
        match ended {
            Ok(answer) => answers.push(answer),
            Err(error) => {
                let error = Error::new(ErrorKind::Other, "put", key).with_source(error);
                answers.push((candidates.len(), Err(error)));
            }
        }
    }
    answers.sort_by_key(|(number, _)| *number);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

fn owner(candidates: &[Payload], bytes: &Bytes) -> Option<usize> {
    candidates.iter().position(|candidate| candidate.equals(bytes))
}

/// Why nothing is there: the first error that is not only "exists already".
fn first_failure(answers: Vec<Result<()>>) -> Option<Error> {
    let errors = answers.into_iter().filter_map(Result::err);
    errors.into_iter().find(|error| error.kind() != ErrorKind::AlreadyExists)
}

#[cfg(test)]
mod tests;
