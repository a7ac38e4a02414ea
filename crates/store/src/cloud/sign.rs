//! Signatures of requests to a bucket, made anew for each attempt.
//!
//! Must be the last to change a request: signatures cover its headers. Credentials come from
//! `object_store`'s providers, which renew them in time.

use http::header::AUTHORIZATION;
use http::uri::Scheme;
use object_store::aws::{AwsAuthorizer, AwsCredentialProvider};
use object_store::azure::{AzureAuthorizer, AzureCredential, AzureCredentialProvider};
use object_store::client::HttpRequest;

use super::answer::Trouble;
use super::call::Call;

/// How the requests to one bucket are signed.
pub(super) enum Signer {
    /// By SigV4.
    S3 { credentials: AwsCredentialProvider, region: String, requester_pays: bool },
    /// By a shared key; `object_store` has signed it already, without our headers.
    Azure { credentials: AzureCredentialProvider, account: String },
    /// By a token that `object_store` has put in, or not at all.
    Done,
}

impl Signer {
    pub(super) async fn sign(&self, request: &mut HttpRequest, call: &Call) -> Result<(), Trouble> {
        match self {
            Self::S3 { credentials, region, requester_pays } => {
                let credential = credentials.get_credential().await;
                let credential = credential.map_err(|error| no_credentials(call, &error))?;
                // Over TLS the transport protects the body, and a checksum is sent with it: hashing
                // it once more would cost a core.
                let hash = request.uri().scheme() != Some(&Scheme::HTTPS);
                let authorizer = AwsAuthorizer::new(&credential, "s3", region)
                    .with_sign_payload(hash)
                    .with_request_payer(*requester_pays);
                let digest = call.body_sha256.as_ref().map(|digest| digest.as_slice());
                authorizer.try_authorize(request, digest).map_err(|error| unsigned(&error))
            }
            Self::Azure { credentials, account } if !call.headers.is_empty() => {
                let credential = credentials.get_credential().await;
                let credential = credential.map_err(|error| no_credentials(call, &error))?;
                if matches!(*credential, AzureCredential::AccessKey(_)) {
                    request.headers_mut().remove(AUTHORIZATION);
                    let authorizer = AzureAuthorizer::new(&credential, account);
                    authorizer.try_authorize(request).map_err(|error| unsigned(&error))?;
                }
                Ok(())
            }
            Self::Azure { .. } | Self::Done => Ok(()),
        }
    }
}

/// What asking for credentials came to is in the call, in better words, if a request was made.
fn no_credentials(call: &Call, error: &object_store::Error) -> Trouble {
    call.seen().trouble.unwrap_or_else(|| Trouble::Credentials {
        host: "the provider of credentials".to_owned(),
        status: None,
        what: error.to_string(),
    })
}

fn unsigned(error: &object_store::Error) -> Trouble {
    Trouble::Request(format!("it can't be signed: {error}"))
}
