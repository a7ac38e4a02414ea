//! One HTTP exchange over the network.
//!
//! Must not repeat, redirect or decide anything.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use http::request::Parts;

use super::body::Pieces;
use super::tls;
use crate::cloud::answer::Trouble;
use crate::options::CloudOptions;
use crate::{BoxError, Error, ErrorKind, Result};

const CONNECT_MAX: Duration = Duration::from_secs(10);

/// The services of a machine's own host answer at once or not at all.
const CONNECT_NEARBY_MAX: Duration = Duration::from_secs(2);

/// Services close a connection that rests: S3 after some 20 s. Not to be the later one saves a
/// request that breaks.
const IDLE_MAX: Duration = Duration::from_secs(15);

const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A body as it arrives.
pub(in crate::cloud) type Arriving = BoxStream<'static, Result<Bytes, Trouble>>;

/// Takes one request to a server and brings its answer.
#[async_trait]
pub(in crate::cloud) trait Carry: fmt::Debug + Send + Sync {
    /// Sends `head` and `body`; returns when the head of the answer is there.
    async fn carry(
        &self,
        head: Parts,
        body: Option<Pieces>,
    ) -> Result<http::Response<Arriving>, Trouble>;
}

/// Over TCP, with TLS and a proxy as the options say.
#[derive(Debug)]
pub(in crate::cloud) struct HttpCarrier(reqwest::Client);

impl HttpCarrier {
    /// To the world. `secure` says that a server with TLS will be asked.
    pub(in crate::cloud) fn far(options: &CloudOptions, secure: bool) -> Result<Self> {
        let tls = tls::config(options.ca_file.as_deref(), secure)?;
        let builder = builder(tls).connect_timeout(CONNECT_MAX);
        let Some(proxy) = &options.proxy else {
            return finish(builder.no_proxy());
        };
        // Its error could repeat a password.
        let proxy = reqwest::Proxy::all(proxy.as_str()).map_err(|_error| {
            Error::new(ErrorKind::Invalid, "open", "proxy").with_detail(
                "the proxy's address can't be understood; it is written http://HOST:PORT",
            )
        })?;
        let except = options.no_proxy.as_deref().and_then(reqwest::NoProxy::from_string);
        finish(builder.proxy(proxy.no_proxy(except)))
    }

    /// To the metadata service of the machine's own host: never through a proxy.
    pub(in crate::cloud) fn nearby() -> Result<Self> {
        let tls = tls::config(None, false)?;
        finish(builder(tls).connect_timeout(CONNECT_NEARBY_MAX).no_proxy())
    }
}

fn builder(tls: rustls::ClientConfig) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .use_preconfigured_tls(tls)
        // One connection for each transfer fills a link better than all in one.
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .user_agent(concat!("lifeboat/", env!("CARGO_PKG_VERSION")))
        .pool_idle_timeout(IDLE_MAX)
        .tcp_keepalive(KEEP_ALIVE)
        .tcp_nodelay(true)
}

fn finish(builder: reqwest::ClientBuilder) -> Result<HttpCarrier> {
    let client = builder.build();
    client.map(HttpCarrier).map_err(|error| {
        Error::new(ErrorKind::Other, "open", "HTTP client").with_source(error.without_url())
    })
}

#[async_trait]
impl Carry for HttpCarrier {
    async fn carry(
        &self,
        head: Parts,
        body: Option<Pieces>,
    ) -> Result<http::Response<Arriving>, Trouble> {
        let body = body.map_or_else(reqwest::Body::default, |pieces| {
            reqwest::Body::wrap_stream(pieces.map(Ok::<_, BoxError>))
        });
        let request = reqwest::Request::try_from(http::Request::from_parts(head, body));
        let request = request.map_err(|error| Trouble::Request(chain(&error.without_url())))?;
        let answer = self.0.execute(request).await.map_err(trouble)?;
        let answer: http::Response<reqwest::Body> = answer.into();
        let (head, body) = answer.into_parts();
        let body = http_body_util::BodyExt::into_data_stream(body);
        Ok(http::Response::from_parts(head, body.map_err(trouble).boxed()))
    }
}

fn trouble(error: reqwest::Error) -> Trouble {
    let error = error.without_url();
    let text = chain(&error);
    if is_tls(&error) {
        Trouble::Tls(text)
    } else if error.is_connect() {
        Trouble::Connect(text)
    } else {
        Trouble::Broken(text)
    }
}

/// Whether the handshake, and not the network, is what failed.
fn is_tls(error: &reqwest::Error) -> bool {
    let mut next = error.source();
    while let Some(error) = next {
        let inner = error.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref());
        if error.is::<rustls::Error>() || inner.is_some_and(|inner| inner.is::<rustls::Error>()) {
            return true;
        }
        next = error.source();
    }
    false
}

/// The causes of an error from the outermost in, without repetitions.
fn chain(error: &reqwest::Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next: Option<&dyn std::error::Error> = error.source();
    while let Some(error) = next {
        let text = error.to_string();
        if texts.last().is_none_or(|last| !last.contains(&text)) {
            texts.push(text);
        }
        next = error.source();
    }
    if texts.is_empty() { error.to_string() } else { texts.join(": ") }
}
