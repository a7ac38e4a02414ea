//! The configuration file, `config check`, and buckets: what is in force, and that no secret is told.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use e2e::{Outcome, PASSPHRASE, Place};
use lifeboat_testkit::server::{AccessKey, S3Options, S3Server};
use serde_json::Value;

const FILE: &str = "home/.config/lifeboat/config.toml";

/// `lifeboat` without the repository and the passphrase of its place.
fn bare(place: &Place, arguments: &[&str]) -> Command {
    let mut command = place.lifeboat();
    command.env_remove("LIFEBOAT_REPO").env_remove("LIFEBOAT_PASSWORD").args(arguments);
    command
}

fn run(place: &Place, arguments: &[&str]) -> Outcome {
    Outcome::of(&mut bare(place, arguments))
}

/// The value and the origin of a setting as `config check --json` has it.
fn setting(checked: &Value, setting: &str) -> (String, String) {
    let all = checked["repositories"][0]["settings"].as_array().unwrap();
    let found = all.iter().find(|value| value["setting"] == setting);
    let found = found.unwrap_or_else(|| panic!("no {setting} in {checked}"));
    let text = |member: &str| found[member].as_str().unwrap().to_owned();
    (text("value"), text("origin"))
}

fn check(command: &mut Command) -> Value {
    Outcome::of(command).json()
}

/// Every secret of these tests has this word in it.
fn keeps_silent(said: &Outcome) {
    let told = said.stdout() + &said.stderr();
    assert!(!told.contains("hunter2"), "{said:?}");
}

#[test]
fn a_named_repository_brings_its_place_and_its_key() {
    let place = Place::new();
    place.file("home/.config/lifeboat/pass", format!("{PASSPHRASE}\n"));
    let disk = place.path("disk-repo");
    let text = format!(
        "default = \"disk\"\n[repository.disk]\nurl = \"{}\"\npassword-file = \"pass\"\n\
         limit-upload = \"1G\"\nsync = \"each\"\n",
        disk.display()
    );
    place.file(FILE, text);
    run(&place, &["--repo", "disk", "init"]).expect_code(0);
    assert!(disk.join("config").exists());
    // It is the default, and a name goes before a directory of that name; a path is always a path.
    place.folder("disk");
    run(&place, &["snapshots"]).expect_code(0);
    run(&place, &["--repo", "disk", "snapshots"]).expect_code(0);
    run(&place, &["--repo", "./disk", "snapshots"]).expect_code(10);
    run(&place, &["--repo", "dis", "snapshots"]).expect_code(10);
    // What is given goes before the file.
    let wrong = place.file("wrong", "wrong\n");
    let wrong = wrong.to_str().unwrap();
    run(&place, &["snapshots", "--password-file", wrong]).expect_code(12);
    Outcome::of(bare(&place, &["snapshots"]).env("LIFEBOAT_PASSWORD", "wrong")).expect_code(12);
    // Another file, by option and by environment.
    let other = place.file("other.toml", "[repository.x]\nurl = \"x\"\n");
    run(&place, &["snapshots", "--config", other.to_str().unwrap()]).expect_code(2);
    Outcome::of(bare(&place, &["snapshots"]).env("LIFEBOAT_CONFIG", &other)).expect_code(2);
    run(&place, &["snapshots", "--config", "missing.toml"])
        .expect_code(2)
        .expect_stderr("missing.toml");
}

#[test]
fn a_wrong_file_is_told_with_its_line() {
    let place = Place::new();
    let file = place.file(FILE, "[repository.a]\nurl = \"x\"\npassword = \"hunter2\"\n");
    let said = run(&place, &["--repo", "a", "snapshots"]).expect_code(2);
    let said = said.expect_stderr("config.toml, line 3").expect_stderr("password-file");
    keeps_silent(&said);
    fs::write(&file, "[repository.a]\nurl = \"s3://bucket?sig=hunter2\"\n").unwrap();
    let said = run(&place, &["--repo", "a", "snapshots"]).expect_code(2);
    let said = said.expect_stderr("[repository.a]");
    keeps_silent(&said);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    run(&place, &["config", "check"]).expect_code(2).expect_stderr("chmod go-w");
}

#[test]
fn check_says_where_each_value_comes_from() {
    let place = Place::new();
    let file = place.file(
        FILE,
        "[repository.prod]\nurl = \"s3://bucket/x\"\nregion = \"eu-1\"\nendpoint = \"http://[::1]:1\"\n\
         allow-http = true\nkey-file = \"missing.key\"\nvariables = { AWS_PROFILE = \"backup\" }\n",
    );
    place.file(
        "home/.aws/credentials",
        "[backup]\naws_access_key_id = id\naws_secret_access_key = hunter2\nregion = profile\n",
    );
    let command = || bare(&place, &["config", "check", "prod", "--json"]);
    let said = Outcome::of(&mut command()).expect_code(1);
    keeps_silent(&said);
    let checked = check(&mut command());
    let file = file.to_str().unwrap().to_owned();
    assert_eq!(checked["file"], file);
    assert_eq!(setting(&checked, "region"), ("eu-1".to_owned(), file.clone()));
    let key = ("AWS_ACCESS_KEY_ID".to_owned(), "AWS profile 'backup'".to_owned());
    assert_eq!(setting(&checked, "credentials"), key);
    let problems = checked["repositories"][0]["problems"].to_string();
    assert!(problems.contains("key-file") && problems.contains("missing.key"), "{problems}");

    // The environment goes before the file, and an option before both.
    let mut with_environment = command();
    with_environment.env("AWS_REGION", "env-1").env("LIFEBOAT_LIMIT_UPLOAD", "1M");
    let checked = check(&mut with_environment);
    let region = ("env-1".to_owned(), "AWS_REGION, environment".to_owned());
    assert_eq!(setting(&checked, "region"), region);
    let limit = ("1M".to_owned(), "LIFEBOAT_LIMIT_UPLOAD".to_owned());
    assert_eq!(setting(&checked, "limit-upload"), limit);
    let checked = check(with_environment.args(["--limit-upload", "2M"]));
    let limit = ("2M".to_owned(), "--limit-upload".to_owned());
    assert_eq!(setting(&checked, "limit-upload"), limit);
    run(&place, &["config", "check", "lab"]).expect_code(2).expect_stderr("[repository.lab]");
}

/// A server that asks for these keys, and a place with a configuration file that leads to it.
fn bucket(place: &Place) -> S3Server {
    let key = AccessKey {
        id: "AKIDEXAMPLE".to_owned(),
        secret: "hunter2-secret".to_owned(),
        token: Some("hunter2-token".to_owned()),
    };
    let server = S3Server::start(S3Options { access_key: Some(key), ..S3Options::default() });
    let text = format!(
        "[repository.prod]\nurl = \"s3://{}/some/prefix\"\nendpoint = \"{}\"\nallow-http = true\n\
         password-command = \"echo hunter2-pass\"\nstorage-class = {{ \"packs/\" = \"COLD\" }}\n\
         tags = {{ team = \"db\" }}\n",
        server.bucket(),
        server.endpoint()
    );
    place.file(FILE, text);
    server
}

fn with_keys(command: &mut Command) -> &mut Command {
    command
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "hunter2-secret")
        .env("AWS_SESSION_TOKEN", "hunter2-token")
        .env("LIFEBOAT_REPO", "prod")
}

#[test]
fn a_bucket_by_its_name_alone_and_no_secret_anywhere() {
    let place = Place::new();
    let server = bucket(&place);
    let content = "some content, too long for a node".repeat(9);
    place.file("src/a", &content);
    let run = |arguments: &[&str]| {
        let said = Outcome::of(with_keys(&mut bare(&place, arguments)));
        keeps_silent(&said);
        said
    };
    let before = run(&["config", "check", "--connect"]).expect_code(0);
    assert!(before.stdout().contains("there is no repository yet"), "{before:?}");
    run(&["-vv", "backup", "--init", "src"]).expect_code(0).expect_stderr("request");
    let after = run(&["config", "check", "prod", "--connect"]).expect_code(0);
    assert!(after.stdout().contains("a repository is there"), "{after:?}");
    let said = run(&["-vv", "check", "--read-data"]).expect_code(0);
    assert!(said.stdout().contains("no damage"), "{said:?}");
    run(&["-vv", "restore", "latest", "--target", "back"]).expect_code(0);
    let back = place.path("back").join(place.path("src/a").strip_prefix("/").unwrap());
    assert_eq!(fs::read_to_string(back).unwrap(), content);

    // What the file says of objects reaches the server.
    let keys = server.keys();
    assert!(keys.iter().all(|key| key.starts_with("some/prefix/")), "{keys:?}");
    let requests = server.requests();
    let pack = requests
        .iter()
        .find(|request| request.method == "PUT" && request.key.starts_with("some/prefix/packs/"));
    assert_eq!(pack.unwrap().header("x-amz-storage-class"), Some("COLD"));
    assert_eq!(pack.unwrap().header("x-amz-tagging"), Some("team=db"));

    // Wrong keys, a proxy that is not there, no server: refused, with the right code.
    let mut wrong = bare(&place, &["-vv", "snapshots"]);
    let said = Outcome::of(with_keys(&mut wrong).env("AWS_SECRET_ACCESS_KEY", "hunter2-wrong"));
    keeps_silent(&said);
    // Size and content are asked for at once, and only the answer to the second has words in it.
    let told = said.expect_code(1).stderr();
    assert!(told.contains("credentials") || told.contains("the secret key is wrong"), "{told}");
    let mut proxied = bare(&place, &["-vv", "config", "check"]);
    let said =
        Outcome::of(with_keys(&mut proxied).env("HTTP_PROXY", "http://me:hunter2@127.0.0.1:9/"));
    keeps_silent(&said);
    assert!(said.stdout().contains("http://***@127.0.0.1:9/"), "{said:?}");
    said.expect_code(0);
}

#[test]
fn a_profile_whose_command_prints_keys() {
    let place = Place::new();
    let _server = bucket(&place);
    let script = place.file(
        "keys.sh",
        "echo '{\"Version\": 1, \"AccessKeyId\": \"AKIDEXAMPLE\", \
         \"SecretAccessKey\": \"hunter2-secret\", \"SessionToken\": \"hunter2-token\", \
         \"Expiration\": \"2099-01-01T00:00:00Z\"}'\n",
    );
    let config = format!("[profile backup]\ncredential_process = sh {}\n", script.display());
    place.file("home/.aws/config", config);
    let mut command = bare(&place, &["--repo", "prod", "-vv", "init"]);
    let said = Outcome::of(command.env("AWS_PROFILE", "backup"));
    keeps_silent(&said);
    said.expect_code(0);
    let mut command = bare(&place, &["--repo", "prod", "snapshots"]);
    let said = Outcome::of(command.env("AWS_PROFILE", "other").env_remove("AWS_REGION"));
    said.expect_code(2).expect_stderr("no AWS profile 'other'");
}

#[test]
fn stats_say_what_the_store_was_asked() {
    let place = Place::new();
    let server = bucket(&place);
    place.file("src/a", e2e::noise(1, 3 << 20));
    let run =
        |arguments: &[&str]| Outcome::of(with_keys(&mut bare(&place, arguments))).expect_code(0);
    run(&["init"]);
    server.forget_requests();
    let backup: Value = run(&["backup", "src", "--json"]).json();
    let asked = server.requests().len() as u64;
    let total = backup["requests"]["total"].as_u64().unwrap();
    // What was begun and given up need not have arrived.
    assert!((asked..asked + 5).contains(&total), "{asked}: {backup}");
    let stats: Value = run(&["stats", "--json"]).json();
    let counted = stats["repository"]["requests"]["count"].as_u64().unwrap();
    // From opening to the entry with the snapshot: all but what reads the entry's fate, if that is in doubt.
    assert!((asked - 3..asked + 5).contains(&counted), "{counted} of {asked}");
    assert!(stats["repository"]["requests"]["per_gb"].as_f64().unwrap() > 0.0);
    let told = run(&["stats"]).stdout();
    assert!(told.contains("requests: ") && told.contains("restoring "), "{told}");

    // A restore takes as many as are foretold, and what any command needs to open a repository.
    let restore = stats["repository"]["restore"]["requests"].as_u64().unwrap();
    server.forget_requests();
    run(&["snapshots"]);
    let opening = server.requests().len() as u64;
    server.forget_requests();
    run(&["restore", "latest", "--target", "back"]);
    let took = server.requests().len() as u64 - opening;
    assert!(took.abs_diff(restore) <= 3, "{took} and not {restore}");
}
