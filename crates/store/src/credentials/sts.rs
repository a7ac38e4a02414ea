//! AWS's service that gives keys for a role.
//!
//! One request, one answer: whoever calls repeats.

use http::{Method, StatusCode, header};
use http_body_util::BodyExt as _;
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::{HttpClient, HttpRequest, HttpRequestBody};
use quick_xml::Reader;
use quick_xml::events::Event;
use url::form_urlencoded::Serializer;
use zeroize::Zeroizing;

use super::aws::Temporary;
use super::profile::Role;
use crate::BoxError;

type Answer = Result<Temporary, BoxError>;

/// Where roles are assumed.
#[derive(Clone, Debug)]
pub(super) struct Service {
    endpoint: String,
    region: String,
}

impl Service {
    /// The service of `region`, or another place.
    pub(super) fn new(region: Option<&str>, endpoint: Option<&str>) -> Self {
        let region = region.unwrap_or("us-east-1").to_owned();
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let own = || format!("https://sts.{region}.{domain}/");
        let endpoint = endpoint.map_or_else(own, |place| match place.strip_suffix('/') {
            Some(_) => place.to_owned(),
            None => format!("{place}/"),
        });
        Self { endpoint, region }
    }

    /// Keys for `role`, asked for with the keys `by`.
    pub(super) async fn assume(
        &self,
        role: &Role,
        by: &AwsCredential,
        http: &HttpClient,
    ) -> Answer {
        let external = role.external_id.as_deref().map(|id| ("ExternalId", id));
        let mut request = self.request("AssumeRole", role, external)?;
        AwsAuthorizer::new(by, "sts", &self.region).try_authorize(&mut request, None)?;
        ask(request, http).await
    }

    /// Keys for `role`, asked for with a token that an identity provider signed.
    pub(super) async fn assume_with_token(
        &self,
        role: &Role,
        token: &str,
        http: &HttpClient,
    ) -> Answer {
        let token = Some(("WebIdentityToken", token));
        ask(self.request("AssumeRoleWithWebIdentity", role, token)?, http).await
    }

    fn request(
        &self,
        action: &str,
        role: &Role,
        more: Option<(&str, &str)>,
    ) -> Result<HttpRequest, BoxError> {
        // In the body, where no log of addresses shows it.
        let mut form = Serializer::new(String::new());
        form.append_pair("Action", action)
            .append_pair("Version", "2011-06-15")
            .append_pair("RoleArn", &role.arn)
            .append_pair("RoleSessionName", &role.session);
        if let Some(seconds) = role.seconds {
            form.append_pair("DurationSeconds", &seconds.to_string());
        }
        if let Some((name, value)) = more {
            form.append_pair(name, value);
        }
        let request = http::Request::builder()
            .method(Method::POST)
            .uri(&self.endpoint)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(HttpRequestBody::from(form.finish()))
            .map_err(|_error| "AWS_ENDPOINT_URL_STS is not a URL")?;
        Ok(request)
    }
}

async fn ask(request: HttpRequest, http: &HttpClient) -> Answer {
    let answer = http.execute(request).await?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    let texts =
        texts(&body, &["Code", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"]);
    let [code, id, secret, token, expires] = &texts[..] else {
        return Err("STS gave no answer".into());
    };
    if status != StatusCode::OK {
        let code = code.as_ref().map_or("", |code| code.as_str());
        return Err(format!("STS refuses to give keys for the role: {status} {code}").into());
    }
    match (id, secret, token) {
        (Some(id), Some(secret), Some(token)) => Temporary::new(
            id.to_string(),
            secret.to_string(),
            Some(token.to_string()),
            expires.as_ref().map(|time| time.as_str()),
        ),
        _ => Err("what STS answered can't be understood".into()),
    }
}

/// The text of the first element of each of these names.
fn texts(xml: &[u8], names: &[&str]) -> Vec<Option<Zeroizing<String>>> {
    let mut found: Vec<Option<Zeroizing<String>>> = vec![None; names.len()];
    let mut reader = Reader::from_reader(xml);
    let mut inside = None;
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => {
                let local = start.local_name();
                inside = names.iter().position(|name| name.as_bytes() == local.as_ref());
            }
            Ok(Event::Text(text)) => {
                let slot = inside.and_then(|position: usize| found.get_mut(position));
                if let (Some(slot @ None), Ok(text)) = (slot, text.decode()) {
                    *slot = Some(Zeroizing::new(text.trim().to_owned()));
                }
            }
            Ok(Event::End(_)) => inside = None,
            Ok(Event::Eof) | Err(_) => return found,
            Ok(_) => {}
        }
    }
}
