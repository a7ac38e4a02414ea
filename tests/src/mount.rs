//! File systems in memory and in files that a test mounts, where it may.

use std::{
    fs,
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

    /// Mounts an empty one at the folder `at` that keeps neither extended attributes nor flags, or says why it can't be
    /// done here.
    ///
    /// # Errors
    /// What `mount` says.
    pub fn ramfs(at: &Path) -> Result<Self, String> {
        run(Command::new("mount").args(["-t", "ramfs", "ramfs"]).arg(at))?;
        Ok(Self { at: at.to_owned() })
    }

    /// Makes an empty file system of `mebibytes` in the file `image` by `mkfs.KIND`, and mounts it at
    /// the folder `at` with these options; or says why it can't be done here.
    ///
    /// # Errors
    /// What `mkfs` or `mount` says: that the one is not installed, or only root may.
    pub fn image(
        at: &Path,
        image: &Path,
        mebibytes: u64,
        kind: &str,
        options: &str,
    ) -> Result<Self, String> {
        let sized = fs::File::create(image).and_then(|file| file.set_len(mebibytes << 20));
        sized.map_err(|error| format!("{}: {error}", image.display()))?;
        let force = if kind.starts_with("ext") { "-F" } else { "-f" };
        // Administrators' commands are not on everybody's path.
        let mkfs = format!("/usr/sbin/mkfs.{kind}");
        run(Command::new(mkfs).args(["-q", force]).arg(image))?;
        Self::existing(at, image, options)
    }

    /// Mounts the file system that is in the file `image`.
    ///
    /// # Errors
    /// What `mount` says.
    pub fn existing(at: &Path, image: &Path, options: &str) -> Result<Self, String> {
        let options = format!("loop,{options}");
        run(Command::new("mount").args(["-o", &options]).arg(image).arg(at))?;
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
