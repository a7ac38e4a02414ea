//! Where and how a provider is reached, as its usual variables say it.

use std::path::PathBuf;

use super::{Credentials, Origin};
use crate::options::CloudOptions;
use crate::url::Provider;
use crate::{Error, ErrorKind, Result};

/// One thing that variables say of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Setting {
    /// Another place than the provider's own.
    Endpoint,
    /// The region.
    Region,
    /// Whether the bucket is a part of the path.
    PathStyle,
    /// Also without TLS.
    AllowHttp,
    /// Certificates of further authorities.
    CaFile,
    /// The proxy.
    Proxy,
    /// Who is reached without the proxy.
    NoProxy,
}

/// What a variable says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known<'a> {
    /// The variable's name.
    pub name: &'a str,
    /// Its value, which may be the secret of a proxy.
    pub value: &'a str,
    /// Where it comes from.
    pub origin: &'a Origin,
}

pub(super) const REGION: &[&str] = &["AWS_REGION", "AWS_DEFAULT_REGION"];

/// A truth as people write it.
pub(super) fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" | "y" => Some(true),
        "0" | "false" | "no" | "off" | "n" => Some(false),
        _ => None,
    }
}

impl Setting {
    /// Every setting.
    pub const ALL: [Self; 7] = [
        Self::Endpoint,
        Self::Region,
        Self::PathStyle,
        Self::AllowHttp,
        Self::CaFile,
        Self::Proxy,
        Self::NoProxy,
    ];

    /// The variables that say it, the one that counts most first.
    fn names(self, provider: Provider, plain_http: bool) -> &'static [&'static str] {
        match (self, provider) {
            (Self::Endpoint, Provider::S3) => {
                &["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"]
            }
            (Self::Endpoint, Provider::Gcs) => &["GOOGLE_BASE_URL"],
            (Self::Endpoint, Provider::Azure) => &["AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"],
            (Self::Region, Provider::S3) => REGION,
            (Self::PathStyle, Provider::S3) => &["AWS_VIRTUAL_HOSTED_STYLE_REQUEST"],
            (Self::Region | Self::PathStyle, _) => &[],
            (Self::AllowHttp, Provider::S3) => &["AWS_ALLOW_HTTP"],
            (Self::AllowHttp, Provider::Gcs) => &["GOOGLE_ALLOW_HTTP"],
            (Self::AllowHttp, Provider::Azure) => &["AZURE_ALLOW_HTTP"],
            (Self::CaFile, Provider::S3) => &["AWS_CA_BUNDLE", "SSL_CERT_FILE"],
            (Self::CaFile, _) => &["SSL_CERT_FILE"],
            (Self::Proxy, _) if plain_http => {
                &["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
            }
            (Self::Proxy, _) => &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
            (Self::NoProxy, _) => &["no_proxy", "NO_PROXY"],
        }
    }
}

impl Credentials {
    /// What the variables say of `setting`; `plain_http` tells whether the endpoint is without TLS,
    /// which has a proxy of its own.
    pub fn setting(
        &self,
        setting: Setting,
        provider: Provider,
        plain_http: bool,
    ) -> Option<Known<'_>> {
        setting.names(provider, plain_http).iter().find_map(|name| {
            let (name, variable) = self.variables.get_key_value(*name)?;
            Some(Known { name, value: &variable.value, origin: &variable.origin })
        })
    }

    /// How `provider` is reached by these variables alone; the rest is left at its default.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a truth that is none, naming the variable.
    pub fn cloud_options(&self, provider: Provider) -> Result<CloudOptions> {
        let mut options = CloudOptions::default();
        // The endpoint comes first: it tells which proxy is meant.
        for setting in Setting::ALL {
            if let Some(known) = self.setting(setting, provider, options.is_plain_http()) {
                options.set(setting, &known)?;
            }
        }
        Ok(options)
    }
}

impl CloudOptions {
    /// Whether the endpoint is one without TLS.
    pub fn is_plain_http(&self) -> bool {
        let scheme = self.endpoint.as_deref().and_then(|endpoint| endpoint.split_once("://"));
        scheme.is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("http"))
    }

    /// Takes over what a variable says.
    ///
    /// # Errors
    /// [`Invalid`](ErrorKind::Invalid) for a truth that is none, naming the variable.
    pub fn set(&mut self, setting: Setting, known: &Known<'_>) -> Result<()> {
        let text = || known.value.to_owned();
        let truth = || {
            flag(known.value).ok_or_else(|| {
                Error::new(ErrorKind::Invalid, "read", known.name)
                    .with_detail("it says neither true nor false")
            })
        };
        match setting {
            Setting::Endpoint => self.endpoint = Some(text()),
            Setting::Region => self.region = Some(text()),
            // `AWS_VIRTUAL_HOSTED_STYLE_REQUEST` says the opposite.
            Setting::PathStyle => self.path_style = Some(!truth()?),
            Setting::AllowHttp => self.allow_http = truth()?,
            Setting::CaFile => self.ca_file = Some(PathBuf::from(known.value)),
            Setting::Proxy => self.proxy = Some(text()),
            Setting::NoProxy => self.no_proxy = Some(text()),
        }
        Ok(())
    }
}
