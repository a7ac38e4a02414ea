//! What AWS's files say about a profile: settings, and where its keys come from.
//!
//! Given texts, not files; asks nobody. A source names secrets that it holds, and roles to assume with
//! them.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

use super::ini::{self, Section};

/// Where keys come from.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// They are known.
    Static(Keys),
    /// A command prints them.
    Process(String),
    /// The EC2 instance's identity.
    Instance,
    /// The container's identity: its address, and the file of its token.
    Container { uri: String, token_file: Option<String> },
    /// A role, with a token that somebody else signed.
    WebIdentity { role: Role, token_file: String },
    /// A role, by other keys.
    Assume { role: Role, by: Box<Self> },
}

/// A pair of keys.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Keys {
    pub(super) id: String,
    pub(super) secret: Zeroizing<String>,
    pub(super) token: Option<Zeroizing<String>>,
}

/// What to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Role {
    pub(super) arn: String,
    pub(super) session: String,
    pub(super) external_id: Option<String>,
    pub(super) seconds: Option<u32>,
}

impl Source {
    /// What it is, for people.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Static(_) => "static keys".to_owned(),
            Self::Process(_) => "the command of credential_process".to_owned(),
            Self::Instance => "the instance's identity".to_owned(),
            Self::Container { .. } => "the container's identity".to_owned(),
            Self::WebIdentity { role, .. } => format!("{} by web identity", role.arn),
            Self::Assume { role, by } => format!("{} by {}", role.arn, by.describe()),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

/// The profiles of both files.
pub(super) struct Profiles {
    profiles: BTreeMap<String, Section>,
    services: BTreeMap<String, Section>,
}

/// What a role may be assumed with besides profiles, by the environment.
#[derive(Default)]
pub(super) struct Surroundings {
    pub(super) keys: Option<Keys>,
    pub(super) container: Option<Source>,
}

impl Profiles {
    /// From the texts of `~/.aws/config` and `~/.aws/credentials`; what the second says counts more.
    pub(super) fn parse(config: &str, credentials: &str) -> Self {
        let (mut profiles, mut services) = (BTreeMap::<String, Section>::new(), BTreeMap::new());
        for (heading, section) in ini::parse(config) {
            match heading.split_once(' ') {
                None if heading == "default" => drop(profiles.insert(heading, section)),
                Some(("profile", name)) => drop(profiles.insert(name.to_owned(), section)),
                Some(("services", name)) => drop(services.insert(name.to_owned(), section)),
                // A plain name is no profile in this file.
                _ => {}
            }
        }
        for (name, section) in ini::parse(credentials) {
            profiles.entry(name).or_default().extend(section);
        }
        Self { profiles, services }
    }

    /// Whether there is such a profile.
    pub(super) fn has(&self, name: &str) -> bool {
        self.profiles.contains_key(name)
    }

    /// What a profile says about how S3 is reached, as variables.
    pub(super) fn settings(&self, name: &str) -> Vec<(&'static str, String)> {
        let Some(profile) = self.profiles.get(name) else { return Vec::new() };
        let services = profile.get("services").and_then(|name| self.services.get(name.as_str()));
        let own = |name: &str| profile.get(name).map(|value| value.to_string());
        let service = |name: &str| services?.get(name).map(|value| value.to_string());
        let addressing = own("s3.addressing_style").and_then(|style| match style.as_str() {
            "path" => Some("false".to_owned()),
            "virtual" => Some("true".to_owned()),
            _ => None,
        });
        let all = [
            ("AWS_REGION", own("region")),
            ("AWS_ENDPOINT_URL_S3", service("s3.endpoint_url").or_else(|| own("s3.endpoint_url"))),
            ("AWS_ENDPOINT_URL_STS", service("sts.endpoint_url")),
            ("AWS_ENDPOINT_URL", own("endpoint_url")),
            ("AWS_CA_BUNDLE", own("ca_bundle")),
            ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", addressing),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// Where the keys of a profile come from; `None` if it says nothing of keys.
    ///
    /// # Errors
    /// A sentence on what is wrong with which profile, without secrets.
    pub(super) fn source(
        &self,
        name: &str,
        around: &Surroundings,
    ) -> Result<Option<Source>, String> {
        self.follow(name, around, &mut Vec::new())
    }

    fn follow(
        &self,
        name: &str,
        around: &Surroundings,
        seen: &mut Vec<String>,
    ) -> Result<Option<Source>, String> {
        let profile = self.profiles.get(name);
        let profile = profile.ok_or_else(|| format!("there is no AWS profile '{name}'"))?;
        let get = |member: &str| profile.get(member).map(|value| value.to_string());
        // A profile may name itself as the source of the keys that it assumes its role with.
        let again = seen.iter().any(|before| before == name);
        if let Some(arn) = get("role_arn").filter(|_| !again) {
            seen.push(name.to_owned());
            return self.assumed(name, arn, profile, around, seen).map(Some);
        }
        if let Some(keys) = keys(name, profile)? {
            return Ok(Some(Source::Static(keys)));
        }
        if again {
            return Err(format!("the AWS profiles around '{name}' name each other in a circle"));
        }
        let signs_on = ["sso_session", "sso_start_url", "sso_account_id", "login_session"];
        if signs_on.iter().any(|member| profile.contains_key(*member)) {
            return Err(format!(
                "the AWS profile '{name}' signs on in a browser, which only the AWS command does: \
                 make another profile with `credential_process = aws configure export-credentials \
                 --profile {name} --format process` and name that one"
            ));
        }
        Ok(get("credential_process").map(Source::Process))
    }

    fn assumed(
        &self,
        name: &str,
        arn: String,
        profile: &Section,
        around: &Surroundings,
        seen: &mut Vec<String>,
    ) -> Result<Source, String> {
        let get = |member: &str| profile.get(member).map(|value| value.to_string());
        let fail = |what: &str| Err(format!("the AWS profile '{name}' {what}"));
        if profile.contains_key("mfa_serial") {
            return fail(
                "needs a code from a device at each use; give it keys by `credential_process`, or \
                 a role that needs no such code",
            );
        }
        let seconds = match get("duration_seconds").map(|text| text.parse::<u32>()) {
            None => None,
            Some(Ok(seconds)) => Some(seconds),
            Some(Err(_not_a_number)) => return fail("has a duration_seconds that is no number"),
        };
        let session = get("role_session_name").unwrap_or_else(|| "lifeboat".to_owned());
        let role = Role { arn, session, external_id: get("external_id"), seconds };
        if let Some(token_file) = get("web_identity_token_file") {
            return Ok(Source::WebIdentity { role, token_file });
        }
        let by = match (get("source_profile"), get("credential_source").as_deref()) {
            (Some(_), Some(_)) => {
                return fail("has both a source_profile and a credential_source; keep one");
            }
            (Some(other), None) => match self.follow(&other, around, seen)? {
                Some(source) => source,
                None => return fail(&format!("assumes a role by '{other}', which has no keys")),
            },
            (None, Some("Environment")) => match &around.keys {
                Some(keys) => Source::Static(keys.clone()),
                None => {
                    return fail("assumes a role by the environment's keys, and there are none");
                }
            },
            (None, Some("Ec2InstanceMetadata")) => Source::Instance,
            (None, Some("EcsContainer")) => match &around.container {
                Some(source) => source.clone(),
                None => return fail("assumes a role by the container's identity, and has none"),
            },
            (None, Some(_)) => return fail("has a credential_source that does not exist"),
            (None, None) => {
                return fail(
                    "has a role_arn without source_profile, credential_source or \
                             web_identity_token_file",
                );
            }
        };
        Ok(Source::Assume { role, by: Box::new(by) })
    }
}

fn keys(name: &str, profile: &Section) -> Result<Option<Keys>, String> {
    let id = profile.get("aws_access_key_id");
    let (id, secret) = match (id, profile.get("aws_secret_access_key")) {
        (None, None) => return Ok(None),
        (Some(id), Some(secret)) => (id.to_string(), secret.clone()),
        (Some(_), None) => {
            return Err(format!("the AWS profile '{name}' has no aws_secret_access_key"));
        }
        (None, Some(_)) => {
            return Err(format!("the AWS profile '{name}' has no aws_access_key_id"));
        }
    };
    Ok(Some(Keys { id, secret, token: profile.get("aws_session_token").cloned() }))
}
