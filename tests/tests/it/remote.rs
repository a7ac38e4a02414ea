//! Repositories that are not on this machine: the real binary against servers of objects.

mod append_only;
mod faults;
mod killed;
mod own;
mod real;

use std::path::PathBuf;

use e2e::Place;

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

/// Where `src` of a place is below the target it was restored into.
fn restored(place: &Place, target: &str) -> PathBuf {
    place.path(target).join(place.path("src").strip_prefix("/").unwrap())
}
