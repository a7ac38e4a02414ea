//! What `object_store` takes for an HTTP client.
//!
//! Adds a call's headers, signs, sends once, and writes down in the call what came of it. Requests
//! for credentials come through here too, in the same task: they are told by where they go.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::header::CONTENT_LENGTH;
use http::{StatusCode, Uri};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};

use super::body::{Download, Way, arrive, upload};
use super::carrier::{Arriving, Carry};
use super::watch::Watch;
use crate::cloud::answer::{Answer, Trouble};
use crate::cloud::call::Call;
use crate::cloud::sign::Signer;
use crate::cloud::traffic::{RequestClass, Traffic};
use crate::layer::bandwidth::Bandwidth;
use crate::options::Now;

/// The longest answer that is held in memory to be understood: an error, or what became of a copy.
const DESCRIBED_BYTES_MAX: usize = 64 << 10;

/// Work that a service does before it answers may take longer than a transfer may rest.
const WORK_FACTOR: u32 = 6;

/// Where metadata services are: of AWS and Azure, of ECS, of EKS, and of Google.
const NEARBY: [&str; 5] =
    ["169.254.169.254", "169.254.170.2", "169.254.170.23", "metadata.google.internal", "metadata"];

/// The HTTP client of one store; clones are the same.
#[derive(Clone)]
pub(in crate::cloud) struct Service(Arc<Inner>);

pub(in crate::cloud) struct Inner {
    pub(in crate::cloud) far: Arc<dyn Carry>,
    pub(in crate::cloud) nearby: Arc<dyn Carry>,
    pub(in crate::cloud) upload: Bandwidth,
    pub(in crate::cloud) download: Bandwidth,
    pub(in crate::cloud) stall: Duration,
    pub(in crate::cloud) traffic: Traffic,
    pub(in crate::cloud) now: Now,
    /// Known when the store is built, which needs this service.
    pub(in crate::cloud) aim: OnceLock<Aim>,
}

/// The bucket that requests go to.
pub(in crate::cloud) struct Aim {
    /// What the URLs of its requests begin with.
    pub(in crate::cloud) base: Uri,
    /// How requests to it are signed.
    pub(in crate::cloud) signer: Signer,
}

impl Service {
    pub(in crate::cloud) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// Says which requests are the bucket's; only the first time counts.
    pub(in crate::cloud) fn aim(&self, aim: Aim) {
        let _already = self.0.aim.set(aim);
    }

    pub(in crate::cloud) fn traffic(&self) -> &Traffic {
        &self.0.traffic
    }

    fn aim_of(&self, uri: &Uri) -> Option<&Aim> {
        let same = |aim: &&Aim| {
            let path = aim.base.path().trim_end_matches('/');
            let below = uri.path().strip_prefix(path);
            aim.base.scheme() == uri.scheme()
                && aim.base.authority() == uri.authority()
                && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.0.aim.get().filter(same)
    }

    /// A request to the bucket.
    async fn ask(
        &self,
        mut request: HttpRequest,
        aim: &Aim,
        call: Arc<Call>,
    ) -> Result<HttpResponse, Trouble> {
        for (name, value) in &call.headers {
            request.headers_mut().insert(name, value.clone());
        }
        let bytes = request.body().content_length();
        if bytes > 0 {
            // Said before it is signed; without it the body would go in chunks, which S3 refuses.
            request.headers_mut().insert(CONTENT_LENGTH, bytes.into());
        }
        aim.signer.sign(&mut request, &call).await?;
        let patience = match call.class {
            RequestClass::Copy | RequestClass::DeleteMany => WORK_FACTOR,
            _ => 1,
        };
        let sent = self.send(&*self.0.far, request, call.class, patience).await;
        let (answer, way) = sent.inspect_err(|_| self.0.traffic.failure(call.class, None))?;
        let (mut head, body) = answer.into_parts();
        let describes = call.class == RequestClass::Copy || !head.status.is_success();
        if !describes {
            call.answered(Answer::new(head.status, &head.headers, b"", (self.0.now)()));
            let body = HttpResponseBody::new(Download::new(arrive(body, way), call));
            return Ok(http::Response::from_parts(head, body));
        }
        let body = collect(body, way).await?;
        // A copy's answer can begin well and end badly.
        let failed = head.status.is_success() && body.windows(6).any(|six| six == b"<Error");
        if failed {
            head.status = StatusCode::INTERNAL_SERVER_ERROR;
        }
        if !matches!(head.status.as_u16(), 200..=299 | 304 | 404 | 409 | 412 | 416) {
            self.0.traffic.failure(call.class, Some(head.status));
        }
        call.answered(Answer::new(head.status, &head.headers, &body, (self.0.now)()));
        Ok(http::Response::from_parts(head, body.into()))
    }

    /// A request to whoever gives credentials.
    async fn ask_for_credentials(&self, request: HttpRequest) -> Result<HttpResponse, Trouble> {
        let class = RequestClass::Credentials;
        let host = request.uri().host().unwrap_or_default().to_owned();
        let carrier = if NEARBY.contains(&host.as_str()) { &self.0.nearby } else { &self.0.far };
        let sent = self.send(&**carrier, request, class, 1).await;
        let failed = |status: Option<StatusCode>, what: String| {
            self.0.traffic.failure(class, status);
            Trouble::Credentials { host: host.clone(), status, what }
        };
        let (answer, way) = sent.map_err(|trouble| failed(None, trouble.to_string()))?;
        let (head, body) = answer.into_parts();
        let body = collect(body, way).await?;
        if head.status.is_client_error() || head.status.is_server_error() {
            let answer = Answer::new(head.status, &head.headers, &body, (self.0.now)());
            let code = answer.code.map(|code| format!(" {code}")).unwrap_or_default();
            let message = answer.message.map(|text| format!(" ({text})")).unwrap_or_default();
            return Err(failed(Some(head.status), code + &message));
        }
        Ok(http::Response::from_parts(head, body.into()))
    }

    async fn send(
        &self,
        carrier: &dyn Carry,
        request: HttpRequest,
        class: RequestClass,
        patience: u32,
    ) -> Result<(http::Response<Arriving>, Way), Trouble> {
        self.0.traffic.request(class);
        let (head, body) = request.into_parts();
        let bytes = body.content_length() as u64;
        let way = |bandwidth: &Bandwidth, stall: Duration, bytes: u64| Way {
            class,
            traffic: self.0.traffic.clone(),
            bandwidth: bandwidth.clone(),
            watch: Arc::new(Watch::new(stall, bytes)),
        };
        let up = way(&self.0.upload, self.0.stall * patience, bytes);
        let watch = Arc::clone(&up.watch);
        let pieces = (bytes > 0).then(|| upload(body, up));
        let answer = tokio::select! {
            biased;
            answer = carrier.carry(head, pieces) => answer?,
            trouble = watch.stuck() => return Err(trouble),
        };
        let length = answer.headers().get(CONTENT_LENGTH);
        let length = length.and_then(|text| text.to_str().ok()?.parse().ok()).unwrap_or(0);
        Ok((answer, way(&self.0.download, self.0.stall * patience, length)))
    }
}

/// What of a body is needed to understand it.
async fn collect(body: Arriving, way: Way) -> Result<Bytes, Trouble> {
    let mut collected = BytesMut::new();
    let mut body = arrive(body, way);
    while let Some(bytes) = body.next().await {
        collected.extend_from_slice(&bytes?);
        if collected.len() > DESCRIBED_BYTES_MAX {
            break;
        }
    }
    Ok(collected.freeze())
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let call = Call::current();
        let answer = match (self.aim_of(request.uri()), &call) {
            (Some(aim), Some(call)) => self.ask(request, aim, Arc::clone(call)).await,
            _ => self.ask_for_credentials(request).await,
        };
        answer.map_err(|trouble| {
            if let Some(call) = call {
                call.troubled(trouble.clone());
            }
            HttpError::new(HttpErrorKind::Unknown, trouble)
        })
    }
}

impl HttpConnector for Service {
    /// Timeouts, proxies and certificates are ours, so the options say nothing that counts.
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
