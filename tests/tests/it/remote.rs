//! Repositories that are not on this machine: the real binary against servers of objects.

mod append_only;
mod faults;
mod kept;
mod killed;
mod locked;
mod own;
mod real;
mod resumed;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use e2e::{Place, noise};
use lifeboat_store::{
    conformance::{self, Failure},
    credentials::Credentials,
    options::StoreOptions,
    stack::{self, Mode},
    url::Location,
};
use lifeboat_testkit::{same_tree::assert_same_tree, tree::Awkward};

/// What `lifeboat` must know of an S3 server at `endpoint`, with a repository in its `bucket`.
fn s3_variables(endpoint: &str) -> Vec<(String, String)> {
    let variables = [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("LIFEBOAT_REPO", "s3://bucket/a prefix/repo"),
    ];
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// A place with a new repository of small packs at that server.
fn s3_place(endpoint: &str) -> Place {
    Place::new().with(s3_variables(endpoint)).keyed(&["--pack-size", "1MiB"])
}

/// Everything that people do with Lifeboat, once, in a place whose repository is new.
fn main_job(place: &Place) {
    let source = place.folder("src");
    for skipped in (Awkward { depth: 20, members: 50 }).build(&source).unwrap() {
        println!("not in the tree: {skipped}");
    }
    place.file("src/much", noise(1, 6 << 20));
    place.file("src/gone", "soon\n");
    // What is younger than the file system's clock is read again.
    thread::sleep(Duration::from_millis(60));
    let first = place.json(["backup", "src"]);
    assert_eq!(first["outcome"], "complete", "{first:#}");
    place.file("src/new", noise(2, 1 << 20));
    fs::remove_file(place.path("src/gone")).unwrap();
    let second = place.json(["backup", "src"]);
    let read = second["stats"]["read_bytes"].as_u64().unwrap();
    assert!((1 << 20..2 << 20).contains(&read), "only what changed: {second:#}");
    place.ok(["restore", "latest", "--target", "out"]);
    assert_same_tree(&source, &restored(place, "out"));
    let check = place.json(["check", "--read-data"]);
    assert_eq!(check["clean"], true, "{check:#}");
    let shown = place.json(["snapshots"]);
    assert_eq!(shown["snapshots"].as_array().unwrap().len(), 2, "{shown:#}");
}

/// Which promises of a store's trait the place at `url` does not keep, with the layers that the program has.
pub(crate) fn broken_promises(
    url: &str,
    variables: Vec<(String, String)>,
    set: impl FnOnce(&mut StoreOptions),
) -> Vec<Failure> {
    // Dates are signed, so the wall clock must be right.
    #[expect(clippy::disallowed_methods, reason = "what a program would pass in")]
    let mut options = StoreOptions::new(Arc::new(std::time::SystemTime::now));
    options.credentials = Credentials::from_variables(variables);
    set(&mut options);
    let location = Location::parse(url, Path::new("/")).unwrap();
    let store = stack::open(&location, &options, Mode::Create).unwrap().store;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(conformance::run(&store, "conformance/")).err().unwrap_or_default()
}

/// Where `src` of a place is below the target it was restored into.
fn restored(place: &Place, target: &str) -> PathBuf {
    place.path(target).join(place.path("src").strip_prefix("/").unwrap())
}
