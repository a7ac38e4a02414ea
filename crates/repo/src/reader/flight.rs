//! Flights: of all threads that want one frame at the same time, one fetches it.
//!
//! Knows frames by pack and number, and who is on the way to which. The others wait and are given what
//! came, or the reason why nothing did.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use bytes::Bytes;
use lifeboat_format::key::ObjectKey;

use super::location::FrameRef;
use super::lock;
use crate::error::{Error, Kind, Result};

type FrameKey = (ObjectKey, u32);
type Outcome = Result<Bytes, (Kind, String)>;

/// Who is on the way to what.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<FrameKey, Arc<Flight>>>);

#[derive(Debug, Default)]
struct Flight {
    outcome: Mutex<Option<Outcome>>,
    landed: Condvar,
}

impl Flights {
    /// Whether somebody is on the way to the frame.
    pub(super) fn has(&self, frame: &FrameRef) -> bool {
        lock(&self.0).contains_key(&(frame.pack, frame.number))
    }

    /// Whether nobody is on the way to anything.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }

    /// What `fetch` returns, if nobody is on the way already; else what they are given.
    pub(super) fn fly(
        &self,
        frame: &FrameRef,
        fetch: impl FnOnce() -> Result<Bytes>,
    ) -> Result<Bytes> {
        let key = (frame.pack, frame.number);
        let flight = match lock(&self.0).entry(key) {
            Entry::Occupied(there) => Err(Arc::clone(there.get())),
            Entry::Vacant(free) => Ok(Arc::clone(free.insert(Arc::default()))),
        };
        match flight {
            Err(others) => others.wait(frame),
            Ok(own) => {
                let pilot = Pilot { flights: self, key, flight: own };
                let fetched = fetch();
                pilot.land(match &fetched {
                    Ok(bytes) => Ok(bytes.clone()),
                    Err(error) => Err((error.kind(), error.to_string())),
                });
                fetched
            }
        }
    }
}

impl Flight {
    fn wait(&self, frame: &FrameRef) -> Result<Bytes> {
        let mut outcome = lock(&self.outcome);
        loop {
            match &*outcome {
                Some(Ok(bytes)) => return Ok(bytes.clone()),
                Some(Err((kind, reason))) => {
                    return Err(Error::new(*kind, "read", frame).because(reason.clone()));
                }
                None => outcome = self.landed.wait(outcome).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn land(&self, outcome: Outcome) {
        lock(&self.outcome).get_or_insert(outcome);
        self.landed.notify_all();
    }
}

/// Lands its flight, whatever happens to the thread.
struct Pilot<'f> {
    flights: &'f Flights,
    key: FrameKey,
    flight: Arc<Flight>,
}

impl Pilot<'_> {
    fn land(self, outcome: Outcome) {
        self.flight.land(outcome);
    }
}

impl Drop for Pilot<'_> {
    fn drop(&mut self) {
        lock(&self.flights.0).remove(&self.key);
        let gone = "the thread that was to fetch it has ended".to_owned();
        self.flight.land(Err((Kind::Internal, gone)));
    }
}
