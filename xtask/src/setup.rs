//! Installs what the checks and the tests need on a Debian machine that has a Rust toolchain.
//!
//! Every part looks first whether it is there, so a second call only looks.

use anyhow::{Result, bail};

use crate::{
    servers,
    step::{cargo, command, output_of, root, run, step, succeeds},
};

/// A command that the tests run, and the Debian package that it comes from.
const COMMANDS: [(&str, &str); 17] = [
    ("c++", "g++"),
    ("rsync", "rsync"),
    ("setfattr", "attr"),
    ("setfacl", "acl"),
    ("chattr", "e2fsprogs"),
    ("mkfs.ext4", "e2fsprogs"),
    ("mkfs.xfs", "xfsprogs"),
    ("mkfs.btrfs", "btrfs-progs"),
    ("setpriv", "util-linux"),
    ("mount", "mount"),
    ("fusermount3", "fuse3"),
    ("zstd", "zstd"),
    ("time", "time"),
    ("python3", "python3"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("debootstrap", "debootstrap"),
];

/// Cargo's commands that are no part of a toolchain, with the versions that are known to work.
const CARGO_COMMANDS: [(&str, &str); 2] = [("nextest", "0.9.143"), ("deny", "0.20.2")];

/// What the independent reader of the format, a Python script under tests/, imports.
const PYTHON_PACKAGES: [&str; 5] = [
    "argon2-cffi==25.1.0",
    "blake3==1.0.11",
    "cbor2==6.2.1",
    "cryptography==50.0.2",
    "zstandard==0.25.0",
];

/// The modules of [`PYTHON_PACKAGES`].
const PYTHON_IMPORTS: &str = "import argon2, blake3, cryptography, zstandard, cbor2";

/// Installs what is missing.
pub(crate) fn setup() -> Result<()> {
    step("setup: Debian packages", debian)?;
    step("setup: Python packages", python)?;
    for (name, version) in CARGO_COMMANDS {
        step(&format!("setup: cargo-{name}"), || cargo_command(name, version))?;
    }
    servers::install()?;
    step("setup: crates", || run(&mut cargo(["fetch", "--locked"])))
}

/// Installs one of cargo's commands, unless there is one of whatever version.
pub(crate) fn cargo_command(name: &str, version: &str) -> Result<()> {
    if succeeds(&mut cargo([name, "--version"])) {
        return Ok(());
    }
    let package = format!("cargo-{name}");
    // Unoptimised: they are built more often than they are slow.
    run(&mut cargo(["install", "--locked", "--debug", "--version", version, &package]))
}

fn debian() -> Result<()> {
    let mut packages: Vec<&str> = COMMANDS
        .iter()
        .filter(|(name, _)| !is_command(name))
        .map(|(_, package)| *package)
        .collect();
    if !succeeds(&mut command("python3", ["-c", "import ensurepip, venv"])) {
        packages.push("python3-venv");
    }
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    if !is_command("apt-get") {
        bail!("there is no apt here: install {} by hand", packages.join(", "));
    }
    let sudo = output_of(&mut command("id", ["-u"]))?.trim() != "0";
    run(&mut apt(sudo, &["update", "-qq"]))?;
    run(apt(sudo, &["install", "-y", "-qq", "--no-install-recommends"]).args(&packages))
}

fn apt(sudo: bool, arguments: &[&str]) -> std::process::Command {
    let prefix: &[&str] = if sudo { &["sudo"] } else { &[] };
    let words = [prefix, &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"], arguments].concat();
    command(words[0], &words[1..])
}

/// Looks where root finds commands, too: file systems are made by programs in sbin.
fn is_command(name: &str) -> bool {
    let look = r#"PATH=$PATH:/usr/sbin:/sbin; command -v "$0" >/dev/null"#;
    // `time` is a word of some shells, so the program is asked for by its place.
    if name == "time" {
        return std::path::Path::new("/usr/bin/time").exists();
    }
    succeeds(&mut command("sh", ["-c", look, name]))
}

/// A virtual environment in the build folder, so that the machine's own Python is left alone.
fn python() -> Result<()> {
    let folder = root().join("target/python");
    let python = folder.join("bin/python3");
    if succeeds(&mut command(&python, ["-c", PYTHON_IMPORTS])) {
        return Ok(());
    }
    run(command("python3", ["-m", "venv", "--clear"]).arg(&folder))?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run(command(&python, install).args(PYTHON_PACKAGES))?;
    run(&mut command(&python, ["-c", PYTHON_IMPORTS]))
}
