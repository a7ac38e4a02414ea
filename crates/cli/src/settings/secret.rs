//! Passphrases: where they come from, and that they leave no trace.

use std::fmt;
use std::fs;
use std::io::{ErrorKind, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use zeroize::Zeroizing;

use crate::exit::Usage;

/// More than this is not a passphrase but the wrong file.
const PASSPHRASE_BYTES_MAX: usize = 64 * 1024;

/// A passphrase; wiped when dropped, never shown.
#[derive(Clone)]
pub(crate) struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes the text over.
    pub(crate) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

/// Where a passphrase comes from.
#[derive(Clone, Debug)]
pub(crate) enum PasswordSource {
    /// The environment.
    Text(Passphrase),
    /// The first line of a file.
    File(PathBuf),
    /// The first line that a shell command prints.
    Command(String),
    /// The terminal.
    Terminal,
}

impl PasswordSource {
    /// Reads the passphrase.
    pub(crate) fn read(&self) -> Result<Passphrase> {
        match self {
            Self::Text(passphrase) => Ok(passphrase.clone()),
            Self::File(path) => {
                let file = fs::File::open(path);
                let file =
                    file.with_context(|| format!("open the password file {}", path.display()))?;
                first_line(file)
                    .with_context(|| format!("read the password file {}", path.display()))
            }
            Self::Command(command) => run(command),
            Self::Terminal => ask("Passphrase: "),
        }
    }
}

/// Whether somebody can be asked.
pub(crate) fn has_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks for a new passphrase twice.
pub(crate) fn ask_twice() -> Result<Passphrase> {
    let first = ask("New passphrase: ")?;
    if first.expose().is_empty() {
        return Err(Usage("the passphrase is empty".to_owned()).into());
    }
    let second = ask("The same again: ")?;
    if first.expose() != second.expose() {
        return Err(Usage("the two passphrases differ".to_owned()).into());
    }
    Ok(first)
}

fn ask(prompt: &str) -> Result<Passphrase> {
    rpassword::prompt_password(prompt).map(Passphrase::new).context("read the passphrase")
}

fn run(command: &str) -> Result<Passphrase> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .stdout(Stdio::piped())
        .spawn()
        .context("start the password command")?;
    let mut output = child.stdout.take().context("read from the password command")?;
    let passphrase = first_line(&mut output);
    // What else it prints is taken, so that the shell neither waits nor dies of it; but what runs on in
    // the background and holds the pipe is not waited for.
    let rest = move || std::io::copy(&mut output, &mut std::io::sink()).is_ok();
    drop(std::thread::spawn(rest));
    let status = child.wait().context("wait for the password command")?;
    if !status.success() {
        bail!("the password command failed: {status}");
    }
    passphrase.context("read from the password command")
}

/// The first line of `input`, without its end; what follows is not waited for.
fn first_line(mut input: impl std::io::Read) -> Result<Passphrase> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(PASSPHRASE_BYTES_MAX));
    let mut byte = Zeroizing::new([0]);
    // Byte by byte, so that no buffer elsewhere keeps any of it.
    while bytes.len() < PASSPHRASE_BYTES_MAX && bytes.last() != Some(&b'\n') {
        match input.read(&mut *byte) {
            Ok(0) => break,
            Ok(_) => bytes.push(byte[0]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = str::from_utf8(line).context("the first line is not UTF-8")?;
    if line.is_empty() {
        bail!("the first line is empty");
    }
    Ok(Passphrase::new(line.to_owned()))
}

/// What to say about a key file that others can read.
pub(crate) fn warn_if_readable_by_others(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o077 != 0)
        .then(|| format!("{} can be read by others; run chmod 600 on it", path.display()))
}
