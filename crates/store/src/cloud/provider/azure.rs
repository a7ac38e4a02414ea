//! Azure Blob Storage.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};

use super::{Address, Ready, first, is_set, never_again, refuse, unbuilt};
use crate::Result;
use crate::cloud::client::{Aim, Service};
use crate::cloud::sign::Signer;
use crate::options::StoreOptions;
use crate::url::Bucket;

/// What everybody's emulator listens on, and whom it knows; printed in its documentation.
const EMULATOR_ENDPOINT: &str = "http://127.0.0.1:10000";
const EMULATOR_ACCOUNT: &str = "devstoreaccount1";
const EMULATOR_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// The account and what is said of it.
struct Account {
    name: String,
    key: Option<String>,
    sas: Option<String>,
    endpoint: String,
    own: bool,
    allow_http: bool,
}

/// Where a container is, whether that is at Azure, and whether it may be without TLS.
pub(super) fn base(bucket: &Bucket, options: &StoreOptions) -> Result<(String, bool, bool)> {
    let account = account(bucket, options)?;
    let base = format!("{}/{}", account.endpoint, bucket.name);
    Ok((base, account.own, account.allow_http))
}

pub(super) fn build(
    bucket: &Bucket,
    options: &StoreOptions,
    address: Address,
    service: &Service,
) -> Result<Ready> {
    let account = account(bucket, options)?;
    let mut builder = MicrosoftAzureBuilder::new();
    for (name, value) in options.credentials.variables("AZURE_") {
        match name.to_ascii_lowercase().parse() {
            Ok(key) if is_credential(key) && !value.is_empty() => {
                builder = builder.with_config(key, value);
            }
            _ => {}
        }
    }
    if let Some(key) = account.key {
        builder = builder.with_access_key(key);
    }
    if let Some(sas) = account.sas {
        builder = builder.with_config(AzureConfigKey::SasKey, sas);
    }
    let builder = builder
        .with_account(&account.name)
        .with_container_name(&bucket.name)
        .with_endpoint(account.endpoint)
        .with_skip_signature(is_set(options, "AZURE_SKIP_SIGNATURE"))
        .with_retry(never_again())
        .with_http_connector(service.clone());
    let store = Arc::new(builder.build().map_err(|error| unbuilt(bucket, &error))?);
    let signer = match is_set(options, "AZURE_SKIP_SIGNATURE") {
        true => Signer::Done,
        false => {
            Signer::Azure { credentials: Arc::clone(store.credentials()), account: account.name }
        }
    };
    let aim = Aim { base: address.base, signer };
    let (objects, single): (_, Arc<dyn ObjectStore>) =
        (Arc::clone(&store) as _, Arc::clone(&store) as _);
    Ok(Ready { objects, single, pages: store, aim, own: address.own })
}

fn account(bucket: &Bucket, options: &StoreOptions) -> Result<Account> {
    let connection = first(options, &["AZURE_STORAGE_CONNECTION_STRING"]);
    let said = |name: &str| connection.and_then(|text| part(text, name));
    let emulator = is_set(options, "AZURE_STORAGE_USE_EMULATOR")
        || said("UseDevelopmentStorage").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let names = ["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT"];
    let name = first(options, &names).or(said("AccountName"));
    let name = name.or(emulator.then_some(EMULATOR_ACCOUNT));
    let Some(name) = name else {
        return Err(refuse(
            bucket,
            "which storage account it is in is not known; name it in AZURE_STORAGE_ACCOUNT_NAME",
        ));
    };
    let keys = ["AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_KEY"];
    let key = first(options, &keys).or(said("AccountKey"));
    let known = emulator && name == EMULATOR_ACCOUNT;
    let sas = said("SharedAccessSignature");
    let key = key.or((known && sas.is_none()).then_some(EMULATOR_KEY));
    let endpoints = ["AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"];
    let endpoint = options.cloud.endpoint.as_deref().or_else(|| first(options, &endpoints));
    let endpoint = endpoint.or(said("BlobEndpoint")).map(ToOwned::to_owned);
    let emulated = || {
        let host = first(options, &["AZURITE_BLOB_STORAGE_URL"]).unwrap_or(EMULATOR_ENDPOINT);
        format!("{}/{name}", host.trim_end_matches('/'))
    };
    let endpoint = endpoint.or_else(|| emulator.then(emulated));
    let own = endpoint.is_none();
    let suffix = said("EndpointSuffix").unwrap_or("core.windows.net");
    let endpoint = endpoint.unwrap_or_else(|| format!("https://{name}.blob.{suffix}"));
    Ok(Account {
        name: name.to_owned(),
        key: key.map(ToOwned::to_owned),
        sas: sas.map(ToOwned::to_owned),
        endpoint: endpoint.trim_end_matches('/').to_owned(),
        own,
        allow_http: options.cloud.allow_http || emulator || is_set(options, "AZURE_ALLOW_HTTP"),
    })
}

/// One setting of a connection string.
fn part<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut parts = text.split(';').filter_map(|part| part.split_once('='));
    parts.find(|(found, _)| found.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// What a variable may say to the builder: who we are, and nothing of how requests are made.
fn is_credential(key: AzureConfigKey) -> bool {
    use AzureConfigKey as Key;
    matches!(
        key,
        Key::ClientId
            | Key::ClientSecret
            | Key::AuthorityId
            | Key::AuthorityHost
            | Key::SasKey
            | Key::Token
            | Key::MsiEndpoint
            | Key::ObjectId
            | Key::MsiResourceId
            | Key::FederatedTokenFile
            | Key::UseAzureCli
            | Key::CredentialType
    )
}
