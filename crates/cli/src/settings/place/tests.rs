use lifeboat::repository::SystemClock;

use super::*;

fn place(entry: &str) -> Place {
    let entry: Entry = toml::from_str(entry).unwrap();
    Place {
        name: Some("prod".to_owned()),
        text: entry.url.clone(),
        directory: "/etc".into(),
        purpose: Purpose::Ordinary,
        entry: Some((entry, "/etc/config.toml".into())),
    }
}

fn reach(place: &Place, settings: &StoreSettings) -> Result<Reach> {
    place.reach(settings, &Entropy::os(), &(Arc::new(SystemClock::new()) as Arc<dyn Clock>))
}

fn origin(reach: &Reach, member: &str) -> Option<(String, String)> {
    let said = reach.said.iter().find(|said| said.member == member)?;
    Some((said.value.clone(), said.origin.clone()))
}

#[test]
fn the_file_fills_every_option() {
    let place = place(
        "url = 's3://bucket/x'\nendpoint = 'http://127.0.0.1:1'\nregion = 'eu'\npath-style = true\n\
         allow-http = true\nproxy = 'http://p:1'\nstorage-class = { 'packs/' = 'COLD' }\n\
         encryption = { kms = '' }\nobject-lock = { mode = 'compliance', days = 7 }\n\
         tags = { a = 'b' }\nlimit-upload = '10M'\nretry-for = '1h'\nexclusive = true\n",
    );
    let reach = reach(&place, &StoreSettings::default()).unwrap();
    let cloud = &reach.options.cloud;
    assert_eq!(cloud.path_style, Some(true));
    assert_eq!(cloud.storage_class["packs/"], "COLD");
    assert_eq!(cloud.encryption, Some(Encryption::Kms { key: None }));
    let period = Duration::from_secs(7 * 86_400);
    let lock = ObjectLock { mode: LockMode::Compliance, period };
    assert_eq!(cloud.object_lock, Some(lock));
    assert_eq!(reach.options.upload.slowest().unwrap().get(), 10 << 20);
    assert!(reach.options.download.is_unlimited() && reach.options.exclusive);
    let file = |value: &str| Some((value.to_owned(), "/etc/config.toml".to_owned()));
    assert_eq!(origin(&reach, "object-lock"), file("compliance for 7 days"));
    assert_eq!(origin(&reach, "limit-upload"), file("10M"));
    assert_eq!(reach.options.layers.retry.patience, Duration::from_secs(3600));
    assert_eq!(origin(&reach, "retry-for"), file("1h"));
}

#[test]
fn options_go_before_the_file() {
    let place = place("url = 'dir'\nlimit-upload = '10M'\nca-file = '/a'\nsync = 'each'\n");
    let given = Given { value: "1K".to_owned(), origin: "--limit-upload" };
    let settings = StoreSettings { limit_upload: Some(given), ..StoreSettings::default() };
    let reach = reach(&place, &settings).unwrap();
    assert_eq!(reach.options.upload.slowest().unwrap().get(), 1024);
    let typed = ("1K".to_owned(), "--limit-upload".to_owned());
    assert_eq!(origin(&reach, "limit-upload"), Some(typed));
    assert_eq!(reach.options.local.sync, SyncMode::Each);
    assert_eq!(reach.location, Location::Local("/etc/dir".into()));
}

#[test]
fn errors_say_where_it_was_said() {
    let wrong = reach(&place("url = 's3://a:hunter2@b/x'\n"), &StoreSettings::default());
    let wrong = wrong.unwrap_err().to_string();
    assert!(wrong.starts_with("/etc/config.toml, [repository.prod]: "), "{wrong}");
    assert!(!wrong.contains("hunter2"), "{wrong}");
    let time = reach(&place("url = 'x'\nretry-for = 'long'\n"), &StoreSettings::default());
    let time = time.unwrap_err().to_string();
    assert!(time.starts_with("retry-for (/etc/config.toml): "), "{time}");
    let limit = reach(&place("url = 'x'\nlimit-download = 'fast'\n"), &StoreSettings::default());
    let limit = limit.unwrap_err().to_string();
    assert!(limit.starts_with("limit-download (/etc/config.toml): "), "{limit}");
}

#[test]
fn who_maintains_has_a_key_and_credentials_of_its_own() {
    let mut place = place(
        "url = 's3://bucket/x'\nkey-file = '/writer'\nvariables = { AWS_ROLE_ARN = 'arn:writer' }\n\
         [maintenance]\nkey-file = '/keeper'\nvariables = { AWS_ROLE_ARN = 'arn:keeper' }\n",
    );
    assert_eq!(place.keys().1, Some("/writer".into()));
    place.purpose = Purpose::Maintenance;
    assert_eq!(place.keys().1, Some("/keeper".into()));
    assert!(place.maintenance_said().contains("[repository.prod.maintenance] of /etc/config.toml"));
    let missing = place.missing_files();
    assert!(
        missing.iter().any(|file| file.starts_with("maintenance.key-file: /keeper")),
        "{missing:?}"
    );
}

#[test]
fn without_anything_of_its_own_maintenance_is_as_everything_else() {
    let mut place = place("url = 's3://bucket/x'\nkey-file = '/writer'\n");
    place.purpose = Purpose::Maintenance;
    assert_eq!(place.keys().1, Some("/writer".into()));
}
