//! Finds the `lifeboat` binary that the tests drive, built as it is shipped.
//!
//! The binary is built alone (`-p lifeboat-cli`), not as a part of the workspace: features that
//! only tests switch on must not be in it. Under nextest a setup script has built it once and set
//! `LIFEBOAT_BIN`; elsewhere the first caller of a process builds it.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The variable that names a binary to test in place of the one in the build folder.
const VARIABLE: &str = "LIFEBOAT_BIN";

/// The path of the `lifeboat` binary, of the profile that these tests were built with.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| given().unwrap_or_else(build))
}

#[expect(clippy::disallowed_methods, reason = "the setup script tells in this variable")]
fn given() -> Option<PathBuf> {
    std::env::var_os(VARIABLE).map(PathBuf::from)
}

fn build() -> PathBuf {
    let profile = profile_folder();
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--quiet", "--package", "lifeboat-cli"])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.status().unwrap_or_else(|error| panic!("run cargo: {error}"));
    assert!(status.success(), "lifeboat-cli does not build: {status}");
    profile.join("lifeboat")
}

/// The folder that holds the binaries of the running test's profile: `target/<profile>`.
fn profile_folder() -> PathBuf {
    let test = std::env::current_exe().unwrap_or_else(|error| panic!("my own path: {error}"));
    match test.ancestors().nth(2) {
        Some(profile) if test.parent().is_some_and(|deps| deps.ends_with("deps")) => {
            profile.to_path_buf()
        }
        _ => panic!("{} is not in target/<profile>/deps; set {VARIABLE}", test.display()),
    }
}
