//! Bodies on their way up and down: counted, watched, and held to the bandwidth limits.
//!
//! Knows nothing of what they mean.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use object_store::client::{HttpError, HttpErrorKind, HttpRequestBody};

use super::carrier::Arriving;
use super::watch::Watch;
use crate::cloud::call::Call;
use crate::cloud::traffic::{RequestClass, Traffic};
use crate::layer::bandwidth::Bandwidth;

/// What goes through a limit at once: small enough that a slow link flows evenly.
const PIECE_BYTES: usize = 64 << 10;

/// Pieces of a body on their way up.
pub(in crate::cloud) type Pieces = BoxStream<'static, Bytes>;

/// What a body's way needs: a limit, a watch, counters.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) class: RequestClass,
    pub(super) traffic: Traffic,
    pub(super) bandwidth: Bandwidth,
    pub(super) watch: Arc<Watch>,
}

/// Cuts a body into pieces that pass as the limit allows.
pub(super) fn upload(body: HttpRequestBody, way: Way) -> Pieces {
    let frames = stream::unfold(body, |mut body| async move {
        // Bytes in memory: neither an error nor trailers can come.
        let frame = body.frame().await?.ok()?;
        Some((frame.into_data().unwrap_or_default(), body))
    });
    let pieces = frames.flat_map(|bytes: Bytes| {
        let cuts = (0..bytes.len()).step_by(PIECE_BYTES);
        let cut = move |at: usize| bytes.slice(at..bytes.len().min(at + PIECE_BYTES));
        stream::iter(cuts.map(cut))
    });
    let passed = pieces.then(move |piece| {
        let way = way.clone();
        async move {
            way.watch.hold();
            way.bandwidth.take(piece.len() as u64).await;
            way.watch.release();
            way.traffic.up(way.class, piece.len() as u64);
            piece
        }
    });
    passed.boxed()
}

/// Lets a body pass as the limit allows.
pub(super) fn arrive(body: Arriving, way: Way) -> Arriving {
    let arrived = stream::unfold(Some((body, way)), |state| async move {
        let (mut body, way) = state?;
        let next = tokio::select! {
            biased;
            next = body.next() => next?,
            trouble = way.watch.stuck() => Err(trouble),
        };
        match next {
            Ok(bytes) => {
                way.watch.hold();
                way.bandwidth.take(bytes.len() as u64).await;
                way.watch.release();
                way.traffic.down(way.class, bytes.len() as u64);
                Some((Ok(bytes), Some((body, way))))
            }
            Err(trouble) => {
                way.traffic.failure(way.class, None);
                Some((Err(trouble), None))
            }
        }
    });
    // Who has heard that an empty body has ended may ask once more.
    arrived.fuse().boxed()
}

/// The body of an answer for `object_store`; what breaks it is written down in the call.
pub(super) struct Download {
    /// Never locked by two: the lock is there because a body must be shareable between threads.
    body: Mutex<Arriving>,
    call: Arc<Call>,
}

impl Download {
    pub(super) fn new(body: Arriving, call: Arc<Call>) -> Self {
        Self { body: Mutex::new(body), call }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let body = self.body.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(next) = ready!(body.poll_next_unpin(context)) else {
            return Poll::Ready(None);
        };
        Poll::Ready(Some(next.map(Frame::data).map_err(|trouble| {
            self.call.troubled(trouble.clone());
            HttpError::new(HttpErrorKind::Interrupted, trouble)
        })))
    }
}
