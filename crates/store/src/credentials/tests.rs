use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use object_store::client::{HttpError, HttpRequest, HttpResponse, HttpService};

use super::*;
use crate::options::CloudOptions;
use crate::url::Provider;

/// Secrets in these tests all say so.
const SECRET: &str = "hunter2";

fn around(variables: &[(&str, &str)]) -> Credentials {
    let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Credentials::around(owned, &[], "")
}

/// A home with these files below `.aws`, and the environment to go with it.
struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    fn new(config: &str, credentials: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let aws = dir.path().join(".aws");
        std::fs::create_dir(&aws).unwrap();
        std::fs::write(aws.join("config"), config).unwrap();
        std::fs::write(aws.join("credentials"), credentials).unwrap();
        Self { dir }
    }

    fn around(&self, variables: &[(&str, &str)]) -> Credentials {
        let home = ("HOME", self.dir.path().to_str().unwrap());
        around(&[&[home], variables].concat())
    }
}

#[test]
fn debug_and_origins_show_no_secret() {
    let credentials = around(&[("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_ACCESS_KEY_ID", "id")]);
    let shown = format!("{credentials:?} {:?}", credentials.way(Provider::S3));
    assert!(shown.contains("AWS_SECRET_ACCESS_KEY") && !shown.contains(SECRET), "{shown}");
    assert_eq!(credentials.origin("AWS_ACCESS_KEY_ID"), Some(&Origin::Environment));
    let proxy = Some(format!("http://me:{SECRET}@proxy:3128"));
    let options = CloudOptions { proxy, ..CloudOptions::default() };
    assert!(!format!("{options:?}").contains(SECRET));
    assert_eq!(options.proxy_shown().unwrap(), "http://***@proxy:3128");
}

#[test]
fn a_profile_gives_keys_and_settings() {
    let home = Home::new(
        "[default]\nregion = eu-west-1\n[profile other]\nregion=eu-north-1 # cold\n\
         endpoint_url = https://s3.example.com\ns3 =\n  addressing_style = path\n\
         services = special\n[services special]\ns3 =\n  endpoint_url = https://s3.special\n",
        &format!(
            "[default]\naws_access_key_id = one\naws_secret_access_key = {SECRET}\n\
                  [other]\naws_access_key_id = two\naws_secret_access_key = {SECRET}\n\
                  aws_session_token = {SECRET}\n"
        ),
    );
    let default = home.around(&[]);
    assert_eq!(default.variable("AWS_ACCESS_KEY_ID"), Some("one"));
    assert_eq!(default.cloud_options(Provider::S3).unwrap().region.unwrap(), "eu-west-1");
    let other = home.around(&[("AWS_PROFILE", "other")]);
    assert_eq!(other.variable("AWS_ACCESS_KEY_ID"), Some("two"));
    assert_eq!(other.variable("AWS_SESSION_TOKEN"), Some(SECRET));
    let options = other.cloud_options(Provider::S3).unwrap();
    assert_eq!(options.region.unwrap(), "eu-north-1");
    assert_eq!(options.endpoint.unwrap(), "https://s3.special");
    assert_eq!(options.path_style, Some(true));
    let origin = other.origin("AWS_SECRET_ACCESS_KEY").unwrap().to_string();
    assert_eq!(origin, "AWS profile 'other'");
}

#[test]
fn the_environment_counts_more_than_a_profile() {
    let home = Home::new(
        "[default]\nregion = eu-west-1\nendpoint_url = https://file\n",
        "[default]\naws_access_key_id = file\naws_secret_access_key = x\naws_session_token = t\n",
    );
    let credentials = home.around(&[
        ("AWS_ACCESS_KEY_ID", "env"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_DEFAULT_REGION", "env-1"),
        ("AWS_ENDPOINT_URL", "https://env"),
    ]);
    assert_eq!(credentials.variable("AWS_ACCESS_KEY_ID"), Some("env"));
    assert_eq!(credentials.variable("AWS_SESSION_TOKEN"), None);
    let options = credentials.cloud_options(Provider::S3).unwrap();
    assert_eq!(options.region.as_deref(), Some("env-1"));
    assert_eq!(options.endpoint.as_deref(), Some("https://env"));
}

#[test]
fn usual_names_are_understood() {
    let options =
        |provider, variables: &[(&str, &str)]| around(variables).cloud_options(provider).unwrap();
    let s3 = options(
        Provider::S3,
        &[
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:9000"),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "false"),
            ("SSL_CERT_FILE", "/etc/ca.pem"),
            ("https_proxy", "http://secure:1"),
            ("HTTP_PROXY", "http://plain:1"),
            ("NO_PROXY", "localhost"),
        ],
    );
    assert_eq!((s3.allow_http, s3.path_style), (true, Some(true)));
    assert_eq!(s3.ca_file.unwrap(), std::path::Path::new("/etc/ca.pem"));
    assert_eq!(s3.proxy.unwrap(), "http://plain:1");
    assert_eq!(s3.no_proxy.unwrap(), "localhost");
    let secure =
        options(Provider::Gcs, &[("https_proxy", "http://s:1"), ("ALL_PROXY", "http://a:1")]);
    assert_eq!(secure.proxy.unwrap(), "http://s:1");
    let gcs = options(Provider::Gcs, &[("STORAGE_EMULATOR_HOST", "localhost:4443")]);
    assert_eq!((gcs.endpoint.as_deref(), gcs.allow_http), (Some("http://localhost:4443"), true));
    let wrong = around(&[("AWS_ALLOW_HTTP", "maybe")]).cloud_options(Provider::S3).unwrap_err();
    assert!(wrong.to_string().contains("AWS_ALLOW_HTTP"), "{wrong}");
}

#[test]
fn azures_other_names_and_connection_strings() {
    let string = format!(
        "DefaultEndpointsProtocol=https;AccountName=me;AccountKey={SECRET}==;\
         EndpointSuffix=core.chinacloudapi.cn"
    );
    let credentials = around(&[("AZURE_STORAGE_CONNECTION_STRING", &string)]);
    assert_eq!(credentials.variable("AZURE_STORAGE_ACCOUNT_NAME"), Some("me"));
    let key = format!("{SECRET}==");
    assert_eq!(credentials.variable("AZURE_STORAGE_ACCOUNT_KEY"), Some(key.as_str()));
    let endpoint = credentials.cloud_options(Provider::Azure).unwrap().endpoint.unwrap();
    assert_eq!(endpoint, "https://me.blob.core.chinacloudapi.cn");
    let way = credentials.way(Provider::Azure);
    assert_eq!(way.origin.unwrap().to_string(), "part of AZURE_STORAGE_CONNECTION_STRING");
    let short = around(&[("AZURE_STORAGE_ACCOUNT", "you"), ("AZURE_STORAGE_KEY", SECRET)]);
    assert_eq!(short.variable("AZURE_STORAGE_ACCOUNT_NAME"), Some("you"));
    assert_eq!(short.variable("AZURE_STORAGE_ACCOUNT_KEY"), Some(SECRET));
}

#[test]
fn googles_default_credentials_are_found() {
    let home = tempfile::tempdir().unwrap();
    let gcloud = home.path().join(".config/gcloud");
    std::fs::create_dir_all(&gcloud).unwrap();
    let file = gcloud.join("application_default_credentials.json");
    let around_it = || around(&[("HOME", home.path().to_str().unwrap())]);
    assert_eq!(around_it().variable("GOOGLE_APPLICATION_CREDENTIALS"), None);
    std::fs::write(&file, "{}").unwrap();
    assert_eq!(around_it().variable("GOOGLE_APPLICATION_CREDENTIALS"), file.to_str());
}

#[test]
fn who_is_said_to_act_instead_takes_the_place_of_all_others() {
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let environment = [
        ("AWS_ACCESS_KEY_ID", "writer"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_SESSION_TOKEN", SECRET),
        ("AWS_REGION", "eu"),
    ];
    let of = |more: &[(&str, &str)], instead: &[(&str, &str)]| {
        let environment = pairs(&[&environment, more].concat());
        let defaults = pairs(&[("AWS_ROLE_ARN", "arn:writer"), ("AWS_REQUEST_PAYER", "requester")]);
        Credentials::around_instead(environment, "M_", &pairs(instead), &defaults, "config.toml")
    };
    let ordinary = of(&[], &[]);
    assert_eq!(ordinary.variable("AWS_ACCESS_KEY_ID"), Some("writer"));
    assert_eq!(ordinary.variable("AWS_ROLE_ARN"), Some("arn:writer"));
    let by_environment =
        of(&[("M_AWS_ACCESS_KEY_ID", "keeper"), ("M_AWS_SECRET_ACCESS_KEY", "s")], &[]);
    assert_eq!(by_environment.variable("AWS_ACCESS_KEY_ID"), Some("keeper"));
    assert_eq!(by_environment.variable("AWS_SECRET_ACCESS_KEY"), Some("s"));
    // Not a mixture of both, and at the same place.
    for gone in ["AWS_SESSION_TOKEN", "AWS_ROLE_ARN"] {
        assert_eq!(by_environment.variable(gone), None, "{gone}");
    }
    assert_eq!(by_environment.variable("AWS_REGION"), Some("eu"));
    assert_eq!(by_environment.variable("AWS_REQUEST_PAYER"), Some("requester"));
    let by_file =
        of(&[], &[("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"), ("AWS_ROLE_ARN", "arn:keeper")]);
    assert_eq!(by_file.variable("AWS_ROLE_ARN"), Some("arn:keeper"));
    assert_eq!(by_file.variable("AWS_ACCESS_KEY_ID"), None);
    let both = of(&[("M_AWS_ROLE_ARN", "arn:environment")], &[("AWS_ROLE_ARN", "arn:keeper")]);
    assert_eq!(both.variable("AWS_ROLE_ARN"), Some("arn:environment"));
}

#[test]
fn defaults_from_a_file_count_less_than_the_environment() {
    let defaults = [("AWS_REGION".to_owned(), "file".to_owned())];
    let of = |environment: Vec<(String, String)>| {
        let credentials = Credentials::around(environment, &defaults, "config.toml");
        let known = credentials.setting(Setting::Region, Provider::S3, false).unwrap();
        (known.value.to_owned(), known.origin.to_string())
    };
    assert_eq!(of(vec![]), ("file".to_owned(), "config.toml".to_owned()));
    let environment = vec![("AWS_REGION".to_owned(), "env".to_owned())];
    assert_eq!(of(environment), ("env".to_owned(), "environment".to_owned()));
}

/// Answers as STS and the metadata services do, and remembers what it was asked.
#[derive(Debug, Default)]
struct Fake {
    asked: Mutex<Vec<String>>,
    /// Seconds since 1970 at which new keys expire.
    expires: AtomicU64,
    refuses: std::sync::atomic::AtomicBool,
    count: AtomicU32,
}

#[derive(Debug, Clone)]
struct FakeService(Arc<Fake>);

#[async_trait]
impl HttpService for FakeService {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        let header = |name: &str| {
            head.headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned()
        };
        let key = header("authorization");
        let key =
            key.split_once("Credential=").map_or("-", |(_, rest)| rest.split('/').next().unwrap());
        self.0.asked.lock().unwrap().push(format!("{} {} {key} {body}", head.method, head.uri));
        let number = self.0.count.fetch_add(1, Ordering::Relaxed) + 1;
        let expires =
            SystemTime::UNIX_EPOCH + Duration::from_secs(self.0.expires.load(Ordering::Relaxed));
        let expires = jiff::Timestamp::try_from(expires).unwrap();
        let (status, text) = match head.uri.path() {
            _ if self.0.refuses.load(Ordering::Relaxed) => {
                let code = "<Error><Code>AccessDenied</Code></Error>";
                (StatusCode::FORBIDDEN, format!("<ErrorResponse>{code}</ErrorResponse>"))
            }
            "/latest/api/token" => (StatusCode::OK, "token".to_owned()),
            "/latest/meta-data/iam/security-credentials/" => (StatusCode::OK, "role".to_owned()),
            path if path.contains("security-credentials/role") || path == "/ecs" => {
                let text = format!(
                    "{{\"AccessKeyId\": \"machine\", \"SecretAccessKey\": \"{SECRET}\", \
                     \"Token\": \"{SECRET}\", \"Expiration\": \"2099-01-01T00:00:00Z\"}}"
                );
                (StatusCode::OK, text)
            }
            _ => {
                let text = format!(
                    "<AssumeRoleResponse><AssumeRoleResult><Credentials>\
                     <AccessKeyId>role{number}</AccessKeyId>\
                     <SecretAccessKey>{SECRET}</SecretAccessKey>\
                     <SessionToken>{SECRET}</SessionToken><Expiration>{expires}</Expiration>\
                     </Credentials></AssumeRoleResult></AssumeRoleResponse>"
                );
                (StatusCode::OK, text)
            }
        };
        Ok(http::Response::builder().status(status).body(text.into()).unwrap())
    }
}

/// A clock that is set by hand, in seconds since 1970.
#[derive(Clone)]
struct Watch(Arc<AtomicU64>);

impl Watch {
    fn now(&self) -> Now {
        let seconds = Arc::clone(&self.0);
        Arc::new(move || {
            SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.load(Ordering::Relaxed))
        })
    }
}

struct Scene {
    fake: Arc<Fake>,
    watch: Watch,
    provider: AwsCredentialProvider,
}

impl Scene {
    fn new(credentials: &Credentials) -> Self {
        let fake = Arc::new(Fake::default());
        fake.expires.store(10_000, Ordering::Relaxed);
        let watch = Watch(Arc::new(AtomicU64::new(1_000)));
        let http = HttpClient::new(FakeService(Arc::clone(&fake)));
        let provider = credentials.aws_provider(&http, &watch.now()).unwrap().unwrap();
        Self { fake, watch, provider }
    }

    async fn id(&self) -> String {
        self.provider.get_credential().await.unwrap().key_id.clone()
    }

    fn asked(&self) -> Vec<String> {
        self.fake.asked.lock().unwrap().clone()
    }
}

const CHAIN: &str = "[profile base]\naws_access_key_id = base\naws_secret_access_key = hunter2\n\
    [profile middle]\nrole_arn = arn:aws:iam::1:role/middle\nsource_profile = base\n\
    [profile top]\nrole_arn = arn:aws:iam::2:role/top\nsource_profile = middle\nregion = eu-west-3\n\
    role_session_name = night\nexternal_id = a b\nduration_seconds = 900\n";

#[tokio::test]
async fn roles_are_assumed_along_the_chain() {
    let scene = Scene::new(&Home::new(CHAIN, "").around(&[("AWS_PROFILE", "top")]));
    assert_eq!(scene.id().await, "role2");
    let asked = scene.asked();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(
        asked[0].starts_with("POST https://sts.eu-west-3.amazonaws.com/ base Action=AssumeRole&")
    );
    assert!(asked[0].contains("role%2Fmiddle&RoleSessionName=lifeboat"), "{}", asked[0]);
    assert!(asked[1].contains(" role1 ") && asked[1].contains("role%2Ftop"), "{}", asked[1]);
    assert!(asked[1].contains("RoleSessionName=night&DurationSeconds=900&ExternalId=a+b"));
    assert!(!format!("{asked:?} {:?}", scene.provider).contains(SECRET), "{asked:?}");
}

#[tokio::test]
async fn keys_are_renewed_before_they_expire() {
    let scene = Scene::new(&Home::new(CHAIN, "").around(&[("AWS_PROFILE", "middle")]));
    assert_eq!(scene.id().await, "role1");
    scene.watch.0.store(9_690, Ordering::Relaxed);
    assert_eq!(scene.id().await, "role1");
    // Less than five minutes are left.
    scene.watch.0.store(9_710, Ordering::Relaxed);
    scene.fake.refuses.store(true, Ordering::Relaxed);
    assert_eq!(scene.id().await, "role1");
    assert_eq!(scene.id().await, "role1");
    assert_eq!(scene.asked().len(), 2, "a failed renewal is not repeated at once");
    scene.watch.0.store(9_730, Ordering::Relaxed);
    scene.fake.refuses.store(false, Ordering::Relaxed);
    scene.fake.expires.store(20_000, Ordering::Relaxed);
    assert_eq!(scene.id().await, "role3");
    scene.watch.0.store(20_001, Ordering::Relaxed);
    scene.fake.refuses.store(true, Ordering::Relaxed);
    let error = scene.provider.get_credential().await.unwrap_err().to_string();
    assert!(error.contains("403") && error.contains("AccessDenied"), "{error}");
}

#[tokio::test]
async fn many_callers_ask_once() {
    let scene = Scene::new(&Home::new(CHAIN, "").around(&[("AWS_PROFILE", "middle")]));
    let all = futures::future::join_all((0..20).map(|_| scene.id())).await;
    assert!(all.iter().all(|id| id == "role1"), "{all:?}");
}

#[tokio::test]
async fn a_web_identity_is_exchanged_at_the_place_that_was_named() {
    let home = Home::new("", "");
    let token = home.dir.path().join("token");
    std::fs::write(&token, format!("{SECRET}\n")).unwrap();
    let config = format!(
        "[profile web]\nrole_arn = arn:web\nweb_identity_token_file = {}\n",
        token.display()
    );
    std::fs::write(home.dir.path().join(".aws/config"), config).unwrap();
    let place = ("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1");
    let scene = Scene::new(&home.around(&[("AWS_PROFILE", "web"), place]));
    assert_eq!(scene.id().await, "role1");
    let asked = &scene.asked()[0];
    assert!(asked.starts_with("POST http://127.0.0.1:1/ - Action=AssumeRoleWithWebIdentity&"));
    assert!(asked.ends_with(&format!("WebIdentityToken={SECRET}")), "in the body, not in the URL");
}

#[tokio::test]
async fn the_machine_can_vouch_for_a_role() {
    let config = "[profile ec2]\nrole_arn = arn:r\ncredential_source = Ec2InstanceMetadata\n\
                  [profile ecs]\nrole_arn = arn:r\ncredential_source = EcsContainer\n\
                  [profile env]\nrole_arn = arn:r\ncredential_source = Environment\n";
    let home = Home::new(config, "");
    let ec2 = Scene::new(&home.around(&[("AWS_PROFILE", "ec2")]));
    assert!(ec2.id().await.starts_with("role"));
    let asked = ec2.asked();
    assert!(asked[0].starts_with("PUT http://169.254.169.254/latest/api/token"), "{asked:?}");
    assert!(asked.last().unwrap().contains(" machine Action=AssumeRole"), "{asked:?}");
    let uri = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/ecs");
    let ecs = Scene::new(&home.around(&[("AWS_PROFILE", "ecs"), uri]));
    assert_eq!(ecs.id().await, "role2");
    assert!(ecs.asked()[0].starts_with(&format!("{} http://169.254.170.2/ecs", Method::GET)));
}

#[tokio::test]
async fn a_command_prints_keys() {
    let home = Home::new("", "");
    let script = home.dir.path().join("keys.sh");
    let count = home.dir.path().join("count");
    let text = format!(
        "echo x >> {}\necho '{{\"Version\": 1, \"AccessKeyId\": \"printed\", \
         \"SecretAccessKey\": \"{SECRET}\", \"SessionToken\": \"t\", \
         \"Expiration\": \"1970-01-01T01:00:00Z\"}}'\n",
        count.display()
    );
    std::fs::write(&script, text).unwrap();
    let config = format!("[profile run]\ncredential_process = sh {}\n", script.display());
    std::fs::write(home.dir.path().join(".aws/config"), config).unwrap();
    let scene = Scene::new(&home.around(&[("AWS_PROFILE", "run")]));
    assert_eq!(scene.id().await, "printed");
    assert_eq!(scene.id().await, "printed");
    let runs = || std::fs::read_to_string(&count).unwrap().lines().count();
    assert_eq!(runs(), 1);
    scene.watch.0.store(3_400, Ordering::Relaxed);
    assert_eq!(scene.id().await, "printed");
    assert_eq!(runs(), 2);
    assert!(scene.asked().is_empty());
}

#[test]
fn wrong_profiles_are_told_when_they_are_needed() {
    let cases = [
        ("[profile p]\nsso_session = x\n", "aws configure export-credentials --profile p"),
        ("[profile p]\nrole_arn = a\nsource_profile = q\n", "no AWS profile 'q'"),
        ("[profile p]\nrole_arn = a\n", "without source_profile"),
        ("[profile p]\nrole_arn = a\ncredential_source = Moon\n", "does not exist"),
        ("[profile p]\nrole_arn = a\nmfa_serial = m\n", "a code from a device"),
        ("[profile p]\naws_access_key_id = a\n", "no aws_secret_access_key"),
        ("[profile q]\n", "no AWS profile 'p'"),
        (
            "[profile p]\nrole_arn = a\nsource_profile = q\n[profile q]\nrole_arn = b\n\
             source_profile = p\n",
            "in a circle",
        ),
    ];
    let http = HttpClient::new(FakeService(Arc::default()));
    let now: Now = Arc::new(|| SystemTime::UNIX_EPOCH);
    for (config, says) in cases {
        let credentials = Home::new(config, "").around(&[("AWS_PROFILE", "p")]);
        let error = credentials.aws_provider(&http, &now).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(says), "{error}");
        // Who has keys of their own needs no profile.
        let keys = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")];
        let with_keys =
            Home::new(config, "").around(&[&keys[..], &[("AWS_PROFILE", "p")]].concat());
        assert!(with_keys.aws_provider(&http, &now).unwrap().is_none());
    }
}

#[test]
fn a_role_may_be_assumed_by_its_own_profiles_keys() {
    let config = "[default]\nrole_arn = a\nsource_profile = default\naws_access_key_id = i\n\
                  aws_secret_access_key = s\n";
    let way = Home::new(config, "").around(&[]).way(Provider::S3);
    assert_eq!(way.what, "a by static keys");
}

#[test]
fn without_keys_and_without_a_machine_it_is_said() {
    let http = HttpClient::new(FakeService(Arc::default()));
    let now: Now = Arc::new(|| SystemTime::UNIX_EPOCH);
    let error = around(&[("AWS_EC2_METADATA_DISABLED", "true")]).aws_provider(&http, &now);
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Denied);
    assert!(around(&[]).aws_provider(&http, &now).unwrap().is_none());
}
