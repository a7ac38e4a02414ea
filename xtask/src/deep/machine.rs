//! The virtual machine of the tests: an emulator, a kernel, an initial RAM disk, an NFS server.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::{
    servers::folder,
    step::{command, root, run},
};

/// Makes its folder, which is a chroot, or renews the RAM disk in it; needs root.
pub(super) fn install() -> Result<PathBuf> {
    let chroot = folder("machine").join("root");
    let scripts = root().join("xtask/servers");
    let mut install = command("sh", [scripts.join("machine-install.sh")]);
    let install = install.arg(&chroot).arg(scripts.join("machine-init.sh"));
    run(install).with_context(|| {
        format!("make the machine as root from a Debian mirror (log: {}.log)", chroot.display())
    })?;
    Ok(chroot)
}
