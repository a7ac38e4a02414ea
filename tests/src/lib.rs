//! A place to run the real `lifeboat` binary in: its own folder, environment and repository.
//!
//! Knows how the binary is found and run; not what any command should do, which the tests say.
//! Nothing of the caller's environment reaches the binary but `PATH`.
#![expect(clippy::panic, reason = "a helper of tests fails the test that called it")]

mod binary;
mod content;
mod ganesha;
mod garage;
mod machine;
mod mount;
mod outcome;
mod python;
mod real;

pub use binary::binary;
pub use content::noise;
pub use ganesha::Ganesha;
pub use garage::{GARAGE_BUCKET, Garage};
pub use machine::{Guest, Machine};
pub use mount::Mount;
pub use outcome::Outcome;
pub use python::python;
pub use real::{Account, Answer, Azurite, Ceph, S3, bucket_name};

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use lifeboat_testkit::tree::Scratch;

/// The passphrase of every repository that a [`Place`] makes.
pub const PASSPHRASE: &str = "correct horse battery staple";

/// A temporary folder with a home, and the settings under which `lifeboat` runs there.
///
/// The folder is removed when the value is dropped. Several places do not share anything, so that
/// tests may run at the same time.
#[derive(Debug)]
pub struct Place {
    dir: Scratch,
    /// Whether `lifeboat` gets the key file `key` and no passphrase.
    keyed: bool,
    /// What else is in its environment.
    variables: Vec<(String, String)>,
}

impl Place {
    /// Makes an empty place in the system's folder for temporary files.
    #[must_use]
    pub fn new() -> Self {
        Self::within(&std::env::temp_dir())
    }

    /// Makes an empty place below `parent`, for tests that need a certain file system.
    #[must_use]
    pub fn within(parent: &Path) -> Self {
        // Also what may not be removed must go again.
        let dir = Scratch::within(parent)
            .unwrap_or_else(|error| panic!("make a folder below {}: {error}", parent.display()));
        let place = Self { dir, keyed: false, variables: Vec::new() };
        place.folder("home");
        place
    }

    /// Makes a place with a repository that opens with the key file `key`, which takes no time.
    #[must_use]
    pub fn with_key_file() -> Self {
        Self::new().keyed(&[])
    }

    /// Puts variables into the environment of every command here. With `LIFEBOAT_REPO` among them
    /// the repository is elsewhere than [`Place::repository`].
    #[must_use]
    pub fn with<K: Into<String>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.variables
            .extend(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// Creates the repository of this place, with these options of `init`, for the key file `key`.
    #[must_use]
    pub fn keyed(mut self, options: &[&str]) -> Self {
        self.keyed = true;
        self.ok(["init"].iter().chain(options));
        self
    }

    /// The path of `name` in this place; nothing is created.
    #[must_use]
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Creates the folder `name`, and those above it, and gives its path.
    pub fn folder(&self, name: impl AsRef<Path>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    /// Writes the file `name` with the folders above it, and gives its path.
    pub fn file(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        let parent = path.parent().unwrap_or_else(|| Path::new("/"));
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, content))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    /// Where the repository of this place is: `repo`, which no call here creates.
    #[must_use]
    pub fn repository(&self) -> PathBuf {
        self.path("repo")
    }

    /// A command that runs `lifeboat` here, to be given arguments, more environment or a pipe.
    ///
    /// The environment holds `PATH`, `HOME`, UTC and UTF-8, this place's `LIFEBOAT_REPO` and
    /// [`PASSPHRASE`] as `LIFEBOAT_PASSWORD`, or a key file. There is no standard input and no terminal.
    #[must_use]
    pub fn lifeboat(&self) -> Command {
        let mut command = Command::new(binary());
        self.furnish(&mut command);
        command
    }

    /// A shell that runs `script` here, stops at the first failure, and finds `lifeboat`.
    ///
    /// The environment is that of [`Place::lifeboat`].
    #[must_use]
    pub fn shell(&self, script: &str) -> Command {
        let mut path = binary().parent().unwrap_or_else(|| Path::new("/")).as_os_str().to_owned();
        path.push(":");
        path.push(path_variable());
        let mut command = Command::new("bash");
        self.furnish(&mut command);
        command.env("PATH", path).args(["-euo", "pipefail", "-c", script]);
        command
    }

    fn furnish(&self, command: &mut Command) {
        command
            .env_clear()
            .env("PATH", path_variable())
            .env("HOME", self.path("home"))
            .env("TZ", "UTC")
            .env("LC_ALL", "C.UTF-8")
            .env("RUST_BACKTRACE", "1")
            .env("LIFEBOAT_REPO", self.repository())
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        match self.keyed {
            true => command.env("LIFEBOAT_KEY_FILE", self.path("key")),
            false => command.env("LIFEBOAT_PASSWORD", PASSPHRASE),
        };
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
    }

    /// Runs `lifeboat` with `arguments` to its end, whatever that is.
    pub fn run<I>(&self, arguments: I) -> Outcome
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        Outcome::of(self.lifeboat().args(arguments))
    }

    /// Runs `lifeboat` with `arguments`, which must end with exit code 0.
    pub fn ok<I>(&self, arguments: I) -> Outcome
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        self.run(arguments).expect_code(0)
    }

    /// Runs `lifeboat` with `arguments` and `--json`, which must end with exit code 0, and gives
    /// the JSON document that it printed.
    pub fn json<I>(&self, arguments: I) -> serde_json::Value
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        self.json_with(0, arguments)
    }

    /// Runs `lifeboat` with `arguments` and `--json`, which must end with exit code `code`, and
    /// gives the JSON document that it printed.
    #[track_caller]
    pub fn json_with<I>(&self, code: i32, arguments: I) -> serde_json::Value
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        Outcome::of(self.lifeboat().args(arguments).arg("--json")).expect_code(code).json()
    }
}

impl Default for Place {
    fn default() -> Self {
        Self::new()
    }
}

/// The caller's `PATH`, for commands that `--password-command` names.
#[expect(clippy::disallowed_methods, reason = "tests run the tools of their own environment")]
fn path_variable() -> std::ffi::OsString {
    std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into())
}
