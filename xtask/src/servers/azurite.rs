//! Azurite: Azure Blob Storage as its vendor emulates it, in one node.js process, in memory.

use std::{fs, time::Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Guard, Running, folder, free_ports, ready};
use crate::step::{command, run};

/// The version that is known to work.
const VERSION: &str = "3.35.0";

/// Installs it into the build folder, unless it is there.
pub(super) fn install() -> Result<()> {
    let folder = folder("azurite");
    if installed().as_deref() == Some(VERSION) {
        return Ok(());
    }
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let options = ["install", "--no-audit", "--no-fund", "--no-save", "--loglevel=error"];
    run(command("npm", options).arg(format!("azurite@{VERSION}")).current_dir(&folder))
}

/// The version that is there.
fn installed() -> Option<String> {
    let manifest = folder("azurite").join("node_modules/azurite/package.json");
    let manifest: Value = serde_json::from_slice(&fs::read(manifest).ok()?).ok()?;
    manifest["version"].as_str().map(str::to_owned)
}

/// Starts it on a free port.
pub(super) fn start() -> Result<Running> {
    let (since, [port]) = (Instant::now(), free_ports()?);
    let program = folder("azurite").join("node_modules/.bin/azurite-blob");
    let mut server = command("node", [&program]);
    server.args(["--silent", "--disableTelemetry", "--skipApiVersionCheck"]);
    server.args(["--inMemoryPersistence", "--blobHost", "127.0.0.1"]);
    server.args(["--blobPort", &port.to_string()]);
    let guard = Guard::start(&server, &folder("azurite").join("log"))?;
    guard.wait(port, || true).context("Azurite (installed by `cargo xtask setup`)")?;
    ready("Azurite", since);
    let variables = vec![("LIFEBOAT_TEST_AZURITE", format!("http://127.0.0.1:{port}"))];
    Ok(Running { name: "azurite", variables, _guard: guard })
}
