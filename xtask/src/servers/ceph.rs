//! Ceph's object gateway over a cluster of one, in memory: S3 with atomic creates, enforced locks
//! and policies.
//!
//! It lives in a Debian chroot of its own in the build folder. That needs root and a Debian mirror;
//! where they can't be had its tests are skipped, and say so.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result, bail};

use super::{Guard, Running, folder, free_ports, ready};
use crate::step::{command, output_of, root, run};

/// The major and minor version that is known to work.
const VERSION: &str = "18.2";

/// How the folders begin in which a run tells about its gateways.
const RUN: &str = "run-";

/// The chroot.
fn chroot() -> PathBuf {
    folder("ceph").join("root")
}

fn is_root() -> bool {
    output_of(&mut command("id", ["-u"])).is_ok_and(|id| id.trim() == "0")
}

/// Why it can't be started here; nothing if it can.
pub(super) fn missing() -> Option<&'static str> {
    if !is_root() {
        return Some("only root can run it in its chroot");
    }
    let finished = chroot().join("finished").exists();
    (!finished).then_some("it is not installed (`cargo xtask setup` says why)")
}

/// Makes the chroot, unless it is there.
pub(super) fn install() -> Result<()> {
    if !is_root() {
        bail!("only root can make its chroot");
    }
    if chroot().join("finished").exists() {
        return Ok(());
    }
    let script = root().join("xtask/servers/ceph-install.sh");
    run(command("sh", [script, chroot()]).arg(VERSION)).context("its chroot could not be made")
}

/// Removes the folders of processes that are no more; one that stays costs some bytes.
fn sweep() {
    for entry in fs::read_dir(folder("ceph")).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(RUN));
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}

/// Starts the cluster with two gateways, each on a free port.
pub(super) fn start() -> Result<Running> {
    let (since, [mon2, mon1, port, mortal]) = (Instant::now(), free_ports()?);
    sweep();
    // Of its own for each process, so that two runs can't mistake each other's.
    let out = folder("ceph").join(format!("{RUN}{}", std::process::id()));
    fs::create_dir_all(&out).with_context(|| format!("create {}", out.display()))?;
    let script = root().join("xtask/servers/ceph-up.sh");
    let mut server = command("unshare", ["--mount", "sh"]);
    server.args([&script, &chroot(), &out]);
    server.args([mon2, mon1, port, mortal].map(|port| port.to_string()));
    let guard = Guard::start(&server, &out.join("log"))?;
    guard.wait(port, || true).and_then(|()| guard.wait(mortal, || true)).context("Ceph")?;
    ready("Ceph", since);
    let variables = vec![
        ("LIFEBOAT_TEST_CEPH", format!("http://127.0.0.1:{port}")),
        ("LIFEBOAT_TEST_CEPH_MORTAL", format!("http://127.0.0.1:{mortal}")),
        ("LIFEBOAT_TEST_CEPH_MORTAL_PID", out.join("mortal.pid").display().to_string()),
    ];
    Ok(Running { name: "ceph", variables, _guard: guard })
}
