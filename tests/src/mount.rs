//! File systems in memory that a test mounts, where it may.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// A mounted file system of a certain size, unmounted when the value is dropped.
#[derive(Debug)]
pub struct Mount {
    at: PathBuf,
}

impl Mount {
    /// Mounts an empty one of `mebibytes` at the folder `at`, or says why it can't be done here.
    ///
    /// # Errors
    /// What `mount` says: often that only root may.
    pub fn tmpfs(at: &Path, mebibytes: u32) -> Result<Self, String> {
        let size = format!("size={mebibytes}m,mode=755");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at))?;
        Ok(Self { at: at.to_owned() })
    }

    /// Makes it larger.
    ///
    /// # Errors
    /// What `mount` says.
    pub fn grow(&self, mebibytes: u32) -> Result<(), String> {
        let options = format!("remount,size={mebibytes}m");
        run(Command::new("mount").args(["-o", &options]).arg(&self.at))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: a process that was killed may still be going away.
        let done = run(Command::new("umount").arg("--lazy").arg(&self.at));
        drop(done);
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}
