//! Answers: a status, headers and content, and the ways of sending the content wrongly.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use quick_xml::escape::escape;

use super::fault::Effect;

/// Content as hyper sends it; an error in it ends the connection.
pub(super) type Content = UnsyncBoxBody<Bytes, io::Error>;

/// How many pieces a second of slow content.
const PIECES_PER_SECOND: u64 = 20;

/// What a request is answered with.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) content: Bytes,
    /// The length to name where there is no content: the answer to a HEAD.
    pub(super) named_bytes: Option<u64>,
}

impl Answer {
    pub(super) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), content: Bytes::new(), named_bytes: None }
    }

    /// A document.
    pub(super) fn xml(status: u16, document: String) -> Self {
        let declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
        let mut answer = Self::new(status).with("content-type", "application/xml");
        answer.content = format!("{declaration}{document}").into();
        answer
    }

    /// An error as the services describe them.
    pub(super) fn error(status: u16, code: &str, message: &str) -> Self {
        let (code, message) = (escape(code), escape(message));
        let id = "<RequestId>test</RequestId>";
        Self::xml(
            status,
            format!("<Error><Code>{code}</Code><Message>{message}</Message>{id}</Error>"),
        )
    }

    /// The error that a fault of this status is.
    pub(super) fn injected(status: u16, retry_after: Option<Duration>) -> Self {
        let code = match status {
            403 => "AccessDenied",
            404 => "NoSuchKey",
            409 => "ConditionalRequestConflict",
            412 => "PreconditionFailed",
            429 => "TooManyRequests",
            500 => "InternalError",
            503 => "SlowDown",
            507 => "InsufficientStorage",
            _ => "InjectedFault",
        };
        let answer = Self::error(status, code, "injected by the test");
        match retry_after {
            Some(pause) => answer.with("retry-after", pause.as_secs().to_string()),
            None => answer,
        }
    }

    #[must_use]
    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Without the content, as HEAD is answered.
    #[must_use]
    pub(super) fn head_only(mut self) -> Self {
        self.named_bytes = self.named_bytes.or(Some(self.content.len() as u64));
        self.content = Bytes::new();
        self
    }

    /// The answer for hyper, its content sent as `effect` says.
    pub(super) fn into_response(self, effect: Option<Effect>) -> Response<Content> {
        let bytes = self.named_bytes.unwrap_or(self.content.len() as u64);
        let mut response = Response::new(content(self.content, effect));
        *response.status_mut() =
            StatusCode::from_u16(self.status).expect("a test's status has three digits");
        let headers = response.headers_mut();
        for (name, value) in self.headers {
            let name: HeaderName = name.parse().expect("the names are ours");
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("values came in headers");
            headers.append(name, value);
        }
        if !matches!(self.status, 204 | 304) {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
        }
        response
    }
}

fn content(bytes: Bytes, effect: Option<Effect>) -> Content {
    let cut = |at: u64| bytes.slice(..usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len()));
    match effect {
        Some(Effect::TruncatedAnswer { bytes: at }) if cut(at).len() < bytes.len() => {
            let end = stream::once(async {
                // What comes before is sent while this waits.
                tokio::time::sleep(Duration::from_millis(5)).await;
                Err(io::Error::other("the test cuts the answer here"))
            });
            streamed(stream::iter([Ok(cut(at))]).chain(end))
        }
        Some(Effect::StalledAnswer { bytes: at }) if cut(at).len() < bytes.len() => {
            streamed(stream::iter([Ok(cut(at))]).chain(stream::pending()))
        }
        Some(Effect::SlowAnswer { bytes_per_second }) => {
            let piece = (bytes_per_second / PIECES_PER_SECOND).max(1);
            let pause = Duration::from_secs(piece) / u32::try_from(bytes_per_second).unwrap_or(1);
            let piece = usize::try_from(piece).unwrap_or(usize::MAX);
            let pieces = stream::unfold(bytes, move |mut rest| async move {
                if rest.is_empty() {
                    return None;
                }
                tokio::time::sleep(pause).await;
                let piece = rest.split_to(piece.min(rest.len()));
                Some((Ok(piece), rest))
            });
            streamed(pieces)
        }
        Some(Effect::FlippedAnswer { bit }) => whole(flip(&bytes, bit)),
        _ => whole(bytes),
    }
}

fn whole(bytes: Bytes) -> Content {
    Full::new(bytes).map_err(|never: Infallible| match never {}).boxed_unsync()
}

fn streamed(
    pieces: impl futures::Stream<Item = Result<Bytes, io::Error>> + Send + 'static,
) -> Content {
    BodyExt::boxed_unsync(StreamBody::new(pieces.map(|piece| piece.map(Frame::data))))
}

/// The bytes with one bit the other way round; none if there are none.
pub(super) fn flip(bytes: &Bytes, bit: u64) -> Bytes {
    if bytes.is_empty() {
        return bytes.clone();
    }
    let mut flipped = bytes.to_vec();
    let bit = bit % (flipped.len() as u64 * 8);
    let at = usize::try_from(bit / 8).expect("smaller than the length in memory");
    flipped[at] ^= 1 << (bit % 8);
    flipped.into()
}
