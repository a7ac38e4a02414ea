//! moto: the S3 interface with versions, object lock and archive classes, in one Python process.
//!
//! Nothing is durable and races are not decided fairly; what it is good for is the interface.

use std::time::Instant;

use anyhow::{Context, Result};

use super::{Guard, Running, folder, free_ports, ready};
use crate::step::{command, run, succeeds};

/// The version that is known to work.
const VERSION: &str = "5.2.5";

/// Makes a virtual environment with it, unless there is one.
pub(super) fn install() -> Result<()> {
    let folder = folder("moto");
    let python = folder.join("bin/python3");
    let check = format!(
        "import importlib.metadata as m; assert m.version('moto') == '{VERSION}'; m.version('flask')"
    );
    if succeeds(&mut command(&python, ["-c", &check])) {
        return Ok(());
    }
    run(command("python3", ["-m", "venv", "--clear"]).arg(&folder))?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run(command(&python, install).arg(format!("moto[server]=={VERSION}")))?;
    run(&mut command(&python, ["-c", &check]))
}

/// Starts it on a free port.
pub(super) fn start() -> Result<Running> {
    let (since, [port]) = (Instant::now(), free_ports()?);
    // Not its script, which breaks when the folder is moved.
    let python = folder("moto").join("bin/python3");
    let server =
        command(&python, ["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
    let guard = Guard::start(&server, &folder("moto").join("log"))?;
    guard.wait(port, || true).context("moto (installed by `cargo xtask setup`)")?;
    ready("moto", since);
    let place = format!("http://127.0.0.1:{port}");
    Ok(Running { name: "moto", variables: vec![("LIFEBOAT_TEST_MOTO", place)], _guard: guard })
}
