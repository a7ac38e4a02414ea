//! The journal: a file in the target while a restore writes there, so that the next one knows what to believe.
//!
//! Which files are done the target itself says: one that is being written is marked, and has its own time, mode and length only when
//! it is done. What it can't say is whether a done file's bytes reached the disk before the machine went down; names and
//! times may have come first. So the journal says in which boot of the machine the writing began: it is made durable before
//! anything else is written, and taken away when all is on the disk. Whoever finds one of another boot believes no
//! time below this target and compares content; what is there is still not fetched again.
//!
//! Invariants: nobody's journal is changed while its process lives (it holds a lock); what is to be distrusted stays so until the
//! same restore came to its end.

use std::fs::File;
use std::io::{Read as _, Write as _};

use rustix::fs::{FileType, FlockOperation, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::target::fault::Result;
use crate::target::{Dir, Fault};

/// The journals' names; a number follows where several restores write to one target at once.
const NAME: &str = ".lifeboat-restore";
/// How many may write to one target at once with a journal each.
const COUNT_MAX: usize = 16;
/// The longest journal that is read, in bytes.
const LENGTH_MAX: u64 = 64 << 10;
/// Where Linux tells one boot from the other.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// What a journal says.
#[derive(Debug, Serialize, Deserialize)]
struct Text {
    /// For whom finds the file.
    note: String,
    /// What is restored: only who restores the same ends it.
    scope: String,
    boot: String,
    /// Whether the target was empty when it began.
    fresh: bool,
    /// Whether what was written in an earlier boot is still to be compared.
    distrusts: bool,
}

/// The journal of one restore.
#[derive(Debug)]
pub(super) struct Journal {
    name: String,
    dir: Dir,
    /// Holds the lock.
    _file: File,
}

/// How a restore begins in a target.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Start {
    /// An earlier one of the same was cut off.
    pub(super) resumes: bool,
    /// The target was empty when this one began, or the one that it goes on with: nobody else's things depend on its
    /// metadata.
    pub(super) fresh: bool,
    /// One, this or another, was cut off with the machine, so that no time is to be believed.
    pub(super) distrusts: bool,
}

/// A restore that has begun.
#[derive(Debug)]
pub(super) struct Begin {
    /// None where there are more at once than there are names.
    pub(super) journal: Option<Journal>,
    pub(super) start: Start,
}

/// Whether a name in the target is a journal's.
pub(super) fn is_journal(name: &[u8]) -> bool {
    name.strip_prefix(NAME.as_bytes()).is_some_and(|rest| {
        rest.is_empty()
            || rest.strip_prefix(b".").is_some_and(|number| number.iter().all(u8::is_ascii_digit))
    })
}

/// Takes over the journal of the same restore that was cut off, or begins one. What other restores left stays: what
/// they wrote is not all compared by this one.
///
/// # Errors
/// The system's.
pub(super) fn begin(target: &Dir, scope: &str, fresh: bool) -> Result<Begin> {
    begin_in(target, scope, fresh, &boot())
}

fn begin_in(target: &Dir, scope: &str, fresh: bool, boot: &str) -> Result<Begin> {
    let mut start = Start { fresh, ..Start::default() };
    let (mut own, mut free) = (None, None);
    for number in 0..COUNT_MAX {
        let name = match number {
            0 => NAME.to_owned(),
            _ => format!("{NAME}.{number}"),
        };
        let Some(mut file) = open(target, &name, OFlags::empty())? else {
            free.get_or_insert(name);
            continue;
        };
        if !lock(&file)? {
            continue;
        }
        let text = read(&mut file);
        // What does not say so plainly is not trusted.
        start.distrusts |= text.as_ref().is_none_or(|text| text.distrusts || text.boot != boot);
        if let Some(text) = text.filter(|text| text.scope == scope && own.is_none()) {
            start.resumes = true;
            start.fresh |= text.fresh;
            own = Some((name, file));
        }
    }
    if own.is_none()
        && let Some(name) = free
        && let Some(file) = open(target, &name, OFlags::CREATE | OFlags::EXCL)?
        && lock(&file)?
    {
        own = Some((name, file));
    }
    let mut journal = None;
    if let Some((name, mut file)) = own {
        let text = Text {
            note: "A restore writes here, or was cut off. The same command goes on with it."
                .to_owned(),
            scope: scope.to_owned(),
            fresh: start.fresh,
            boot: boot.to_owned(),
            distrusts: start.distrusts,
        };
        write(&mut file, &text)?;
        let dir = target.try_clone()?;
        sync(&file, "write the journal")?;
        // A name counts on the disk only with its directory.
        sync(&dir, "write the journal's name")?;
        journal = Some(Journal { name, dir, _file: file });
    }
    Ok(Begin { journal, start })
}

impl Journal {
    /// Takes it away: all that was written is where it belongs. The target's own time stays what it is by now.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn end(self) -> Result<()> {
        let fail = |errno| Fault::system("end the journal of a restore in", errno);
        let stat = rustix::fs::fstat(&self.dir).map_err(fail)?;
        remove(&self.dir, &self.name)?;
        let nanos = stat.st_mtime_nsec.try_into().unwrap_or(0);
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: stat.st_mtime, tv_nsec: nanos },
        };
        match rustix::fs::futimens(&self.dir, &times) {
            // A target that is somebody else's has its own time.
            Ok(()) | Err(Errno::PERM | Errno::ACCESS) => Ok(()),
            Err(errno) => Err(fail(errno)),
        }
    }
}

fn boot() -> String {
    // Where it can't be told every boot is another one, and nothing is believed.
    std::fs::read_to_string(BOOT_ID)
        .map_or_else(|_| "unknown".to_owned(), |id| id.trim().to_owned())
}

fn open(target: &Dir, name: &str, how: OFlags) -> Result<Option<File>> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | how;
    match rustix::fs::openat(target, name, flags, Mode::RUSR | Mode::WUSR) {
        Ok(fd) => {
            let stat = rustix::fs::fstat(&fd)
                .map_err(|errno| Fault::system("look at the journal of a restore in", errno))?;
            // Whatever else has the name, or another name besides, is not for us to write to.
            let is_journal = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
                && stat.st_nlink == 1
                && stat.st_uid == rustix::process::geteuid().as_raw();
            match is_journal {
                true => Ok(Some(fd.into())),
                false => Err(Fault::refused(
                    "open the journal of a restore in",
                    "a file .lifeboat-restore is there that no restore has made: remove it",
                )),
            }
        }
        // Somebody else has begun one of this name just now.
        Err(Errno::NOENT | Errno::EXIST) => Ok(None),
        Err(errno) => Err(Fault::system("open the journal of a restore in", errno)),
    }
}

fn lock(file: &File) -> Result<bool> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        // No locks here: then nobody else has one.
        Err(Errno::OPNOTSUPP | Errno::NOLCK) => Ok(true),
        Err(errno) => Err(Fault::system("lock the journal of a restore in", errno)),
    }
}

fn read(file: &mut File) -> Option<Text> {
    let mut text = String::new();
    file.take(LENGTH_MAX).read_to_string(&mut text).ok()?;
    serde_json::from_str::<Text>(&text).ok().filter(|text| text.boot != "unknown")
}

fn write(file: &mut File, text: &Text) -> Result<()> {
    let fail = |cause: std::io::Error| {
        let errno = Errno::from_io_error(&cause).unwrap_or(Errno::IO);
        Fault::system("write the journal of a restore in", errno)
    };
    let json = serde_json::to_string(text).map_err(|cause| fail(cause.into()))?;
    file.set_len(0).map_err(fail)?;
    std::io::Seek::rewind(file).map_err(fail)?;
    file.write_all(json.as_bytes()).map_err(fail)
}

fn sync(file: impl std::os::fd::AsFd, operation: &'static str) -> Result<()> {
    match rustix::fs::fsync(file.as_fd()) {
        // A file system that has nothing to wait for.
        Ok(()) | Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(()),
        Err(errno) => Err(Fault::system(operation, errno)),
    }
}

fn remove(dir: &Dir, name: &str) -> Result<()> {
    match rustix::fs::unlinkat(dir, name, rustix::fs::AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(Fault::system("remove the journal of a restore in", errno)),
    }
}

#[cfg(test)]
mod tests;
