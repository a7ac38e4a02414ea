//! Providers of AWS keys by the ways that profiles name, for `object_store`.
//!
//! Keys that expire are renewed in time, by one caller while the others wait. Clocks and HTTP are
//! given.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredential, AwsCredentialProvider};
use object_store::client::{HttpClient, HttpConnector};
use object_store::{ClientOptions, CredentialProvider, RetryConfig, StaticCredentialProvider};
use tokio::sync::Mutex;

use super::process;
use super::profile::{Keys, Role, Source};
use super::sts::Service;
use crate::options::Now;
use crate::{BoxError, Error, ErrorKind, Result};

/// Keys that expire sooner are renewed first.
const RENEW_BEFORE: Duration = Duration::from_secs(5 * 60);

/// How long keys that are still good are used after they could not be renewed.
const RENEW_AGAIN_AFTER: Duration = Duration::from_secs(15);

/// Keys, and until when they are good.
pub(super) struct Temporary {
    pub(super) keys: Arc<AwsCredential>,
    pub(super) expires: Option<SystemTime>,
}

impl Temporary {
    /// Keys that came in parts, `expires` as RFC 3339 has it.
    pub(super) fn new(
        id: String,
        secret: String,
        token: Option<String>,
        expires: Option<&str>,
    ) -> std::result::Result<Self, BoxError> {
        let expires = expires.map(str::parse::<jiff::Timestamp>).transpose();
        let expires = expires.map_err(|_error| "the time at which the keys expire is no time")?;
        let keys = Arc::new(AwsCredential { key_id: id, secret_key: secret, token });
        Ok(Self { keys, expires: expires.map(SystemTime::from) })
    }

    fn is_good_for(&self, time: Duration, now: SystemTime) -> bool {
        self.expires.is_none_or(|expires| expires > now + time)
    }
}

/// Gives the keys of `source`.
///
/// # Errors
/// When the machine's own ways can't be set up.
pub(super) fn provider(
    source: &Source,
    sts: Service,
    http: &HttpClient,
    now: &Now,
) -> Result<AwsCredentialProvider> {
    let ask = match source {
        Source::Static(keys) => {
            return Ok(Arc::new(StaticCredentialProvider::new(credential(keys))));
        }
        Source::Instance => return machine(&[], http),
        Source::Container { uri, token_file } => {
            use AmazonS3ConfigKey as Key;
            let is_relative = uri.starts_with('/');
            let uri_key = match is_relative {
                true => Key::ContainerCredentialsRelativeUri,
                false => Key::ContainerCredentialsFullUri,
            };
            let file =
                token_file.as_deref().map(|file| (Key::ContainerAuthorizationTokenFile, file));
            let settings: Vec<_> = [(uri_key, uri.as_str())].into_iter().chain(file).collect();
            return machine(&settings, http);
        }
        Source::Process(command) => Ask::Process(command.clone()),
        Source::WebIdentity { role, token_file } => {
            Ask::WebIdentity { role: role.clone(), token_file: token_file.clone() }
        }
        Source::Assume { role, by } => {
            let by = provider(by, sts.clone(), http, now)?;
            Ask::Assume { role: role.clone(), by }
        }
    };
    let (http, now) = (http.clone(), Arc::clone(now));
    Ok(Arc::new(Renewing { ask, sts, http, now, kept: Mutex::default() }))
}

fn credential(keys: &Keys) -> AwsCredential {
    AwsCredential {
        key_id: keys.id.clone(),
        secret_key: keys.secret.to_string(),
        token: keys.token.as_ref().map(|token| token.to_string()),
    }
}

/// The provider that `object_store` makes of `settings`, of the instance's own identity without any.
fn machine(
    settings: &[(AmazonS3ConfigKey, &str)],
    http: &HttpClient,
) -> Result<AwsCredentialProvider> {
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name("unused")
        .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
        .with_http_connector(Ready(http.clone()));
    for (key, value) in settings {
        builder = builder.with_config(*key, *value);
    }
    let built = builder.build().map_err(|cause| {
        Error::new(ErrorKind::Other, "find", "AWS credentials").with_source(cause)
    })?;
    Ok(Arc::clone(built.credentials()))
}

/// Gives the client that there is.
#[derive(Debug)]
struct Ready(HttpClient);

impl HttpConnector for Ready {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(self.0.clone())
    }
}

/// How to get new keys.
enum Ask {
    Process(String),
    WebIdentity { role: Role, token_file: String },
    Assume { role: Role, by: AwsCredentialProvider },
}

/// Keys that are renewed before they expire.
struct Renewing {
    ask: Ask,
    sts: Service,
    http: HttpClient,
    now: Now,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    keys: Option<Temporary>,
    /// Not to be renewed before.
    rest_until: Option<SystemTime>,
}

impl Renewing {
    async fn ask(&self) -> std::result::Result<Temporary, BoxError> {
        match &self.ask {
            Ask::Process(command) => process::run(command).await,
            Ask::WebIdentity { role, token_file } => {
                let token = std::fs::read_to_string(token_file);
                let token = token.map_err(|error| {
                    format!("the token file {token_file} can't be read: {error}")
                })?;
                self.sts.assume_with_token(role, token.trim(), &self.http).await
            }
            Ask::Assume { role, by } => {
                let by = by.get_credential().await?;
                self.sts.assume(role, &by, &self.http).await
            }
        }
    }
}

#[async_trait]
impl CredentialProvider for Renewing {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut kept = self.kept.lock().await;
        let now = (self.now)();
        let rests = kept.rest_until.is_some_and(|until| now < until);
        let margin = if rests { Duration::ZERO } else { RENEW_BEFORE };
        if let Some(keys) = kept.keys.as_ref().filter(|keys| keys.is_good_for(margin, now)) {
            return Ok(Arc::clone(&keys.keys));
        }
        match self.ask().await {
            Ok(new) => {
                let keys = Arc::clone(&new.keys);
                // Keys that live shorter than the margin must not be asked for at each request.
                let is_short = !new.is_good_for(RENEW_BEFORE, now);
                *kept =
                    Kept { keys: Some(new), rest_until: is_short.then(|| now + RENEW_AGAIN_AFTER) };
                Ok(keys)
            }
            Err(cause) => match &kept.keys {
                Some(keys) if keys.is_good_for(Duration::ZERO, now) => {
                    tracing::warn!(%cause, "AWS keys could not be renewed; the old ones are still good");
                    let keys = Arc::clone(&keys.keys);
                    kept.rest_until = Some(now + RENEW_AGAIN_AFTER);
                    Ok(keys)
                }
                _ => Err(object_store::Error::Generic { store: "S3", source: cause }),
            },
        }
    }
}

impl fmt::Debug for Renewing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.ask {
            Ask::Process(_) => "Renewing(process)",
            Ask::WebIdentity { .. } => "Renewing(web identity)",
            Ask::Assume { .. } => "Renewing(role)",
        })
    }
}
