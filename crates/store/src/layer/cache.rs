//! What was read from a far store, kept in a directory of this machine so that it need not be asked for again.
//!
//! [`CacheStore`] serves by itself what its maker says never changes under its name; of everything else [`Cache`] keeps
//! what it is given, and whoever gives it knows when it may be believed. Knows names and bytes, never what they mean.
//!
//! Invariants: the directory only ever saves requests. What can't be read, can't be written, or is not what was written is
//! as good as not there, and no call fails for it. Any number of processes may use one directory, and any file may be removed
//! at any time. It takes about as many bytes as it may: what was not used for longest goes first.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use rustix::fs::{Timespec, Timestamps, UTIME_NOW, futimens};

use crate::{ObjectInfo, ObjectStream, Payload, Result, Store};

/// Every file begins with this and the CRC-64/NVME of the rest.
const MAGIC: [u8; 8] = *b"lbcache1";
const HEADER_LEN: usize = MAGIC.len() + 8;
/// Room is made each time that this part of all that may be kept was written.
const TRIM_PART: u64 = 16;
/// What files that are being written end with.
const NEW: &str = ".new";
/// The file by which programs that copy or back up directories know that they may leave this one out.
const TAG: (&str, &[u8]) = (
    "CACHEDIR.TAG",
    b"Signature: 8a477f597d28d172789f06886806bc55\n# A cache of lifeboat; it may be removed at any time.\n",
);

/// A directory of bytes by name; clones are the same one.
#[derive(Clone, Debug)]
pub struct Cache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    bytes_max: u64,
    /// Bytes written since room was made.
    written: AtomicU64,
    has_begun: AtomicBool,
    /// Tells files apart that this process writes at the same time.
    next: AtomicU64,
}

impl Cache {
    /// In `dir`, which is made when there is something to keep, at most about `bytes_max` bytes.
    #[must_use]
    pub fn new(dir: PathBuf, bytes_max: u64) -> Self {
        let (written, has_begun, next) = <(AtomicU64, AtomicBool, AtomicU64)>::default();
        Self(Arc::new(Inner { dir, bytes_max, written, has_begun, next }))
    }

    /// What is kept under this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Bytes> {
        let path = self.path(name);
        let bytes = Bytes::from(fs::read(&path).ok()?);
        let Some(content) = content(&bytes) else {
            tracing::debug!(path = %path.display(), "what is in the cache is damaged, and not used");
            return None;
        };
        touch(&path);
        Some(content)
    }

    /// Keeps this under a name, in place of what was.
    pub fn keep(&self, name: &str, bytes: &[u8]) {
        if bytes.len() as u64 > self.0.bytes_max / 4 {
            return;
        }
        if let Err(error) = self.write(name, bytes) {
            tracing::debug!(%error, dir = %self.0.dir.display(), "not kept in the cache");
        }
    }

    /// Lets go of what is kept under names that begin with `prefix`; of everything, if it is empty.
    pub fn forget(&self, prefix: &str) {
        let prefix = file_name(prefix);
        for entry in entries(&self.0.dir) {
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                // What another process was faster with is gone as well.
                drop(fs::remove_file(entry.path()));
            }
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.dir.join(file_name(name))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let Inner { dir, bytes_max, written, has_begun, next } = &*self.0;
        if !has_begun.swap(true, Ordering::Relaxed) {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
            let tag = dir.join(TAG.0);
            if !tag.exists() {
                fs::write(tag, TAG.1)?;
            }
            make_room(dir, *bytes_max);
        }
        let number = next.fetch_add(1, Ordering::Relaxed);
        let new = dir.join(format!("{}-{number}{NEW}", std::process::id()));
        let mut header = [0; HEADER_LEN];
        header[..MAGIC.len()].copy_from_slice(&MAGIC);
        header[MAGIC.len()..].copy_from_slice(&checksum(bytes).to_le_bytes());
        let made = (|| {
            let mut options = fs::OpenOptions::new();
            let mut file =
                options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            file.write_all(&header)?;
            file.write_all(bytes)?;
            fs::rename(&new, self.path(name))
        })();
        if made.is_err() {
            drop(fs::remove_file(&new));
        }
        let since = written.fetch_add(bytes.len() as u64, Ordering::Relaxed) + bytes.len() as u64;
        if since > bytes_max / TRIM_PART {
            written.store(0, Ordering::Relaxed);
            make_room(dir, *bytes_max);
        }
        made
    }
}

fn file_name(name: &str) -> String {
    name.replace('/', "+")
}

fn entries(dir: &Path) -> impl Iterator<Item = fs::DirEntry> {
    fs::read_dir(dir).into_iter().flatten().filter_map(io::Result::ok)
}

fn checksum(bytes: &[u8]) -> u64 {
    crc_fast::checksum(CrcAlgorithm::Crc64Nvme, bytes)
}

/// What a file holds, if it is whole.
fn content(file: &Bytes) -> Option<Bytes> {
    let rest = file.strip_prefix(&MAGIC)?;
    let (sum, content) = rest.split_first_chunk()?;
    (u64::from_le_bytes(*sum) == checksum(content)).then(|| file.slice_ref(content))
}

/// It was used just now.
fn touch(path: &Path) {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let times = Timestamps { last_access: now, last_modification: now };
    let touched = File::open(path).and_then(|file| Ok(futimens(&file, &times)?));
    if let Err(error) = touched {
        tracing::debug!(%error, path = %path.display(), "it goes from the cache a little sooner");
    }
}

/// Removes what was not used for longest, an eighth more than must be.
fn make_room(dir: &Path, bytes_max: u64) {
    let mut files: Vec<(i64, i64, u64, PathBuf)> = entries(dir)
        .filter_map(|entry| {
            let meta = entry.metadata().ok()?;
            let is_kept = meta.is_file() && entry.file_name() != TAG.0;
            is_kept.then(|| (meta.mtime(), meta.mtime_nsec(), meta.len(), entry.path()))
        })
        .collect();
    let mut bytes: u64 = files.iter().map(|(_, _, len, _)| len).sum();
    if bytes <= bytes_max {
        return;
    }
    files.sort_unstable();
    for (_, _, len, path) in files {
        if bytes <= bytes_max - bytes_max / 8 {
            break;
        }
        if fs::remove_file(path).is_ok() {
            bytes -= len;
        }
    }
}

/// A store in front of which there is a cache.
#[derive(Clone, Debug)]
pub struct CacheStore {
    below: Arc<dyn Store>,
    cache: Cache,
    never_changes: fn(&str) -> bool,
}

impl CacheStore {
    /// Reads of `below` what `never_changes` says of at most once, as long as there is room in the cache.
    pub fn new(below: Arc<dyn Store>, cache: Cache, never_changes: fn(&str) -> bool) -> Self {
        Self { below, cache, never_changes }
    }

    /// What is kept under `name`, or else what is read, which then is.
    async fn kept_or(
        &self,
        name: String,
        read: impl Future<Output = Result<Bytes>>,
    ) -> Result<Bytes> {
        let (cache, looked_for) = (self.cache.clone(), name.clone());
        let kept = tokio::task::spawn_blocking(move || cache.get(&looked_for));
        if let Ok(Some(bytes)) = kept.await {
            return Ok(bytes);
        }
        let bytes = read.await?;
        let (cache, kept) = (self.cache.clone(), bytes.clone());
        // A program that ends now would not have kept it.
        drop(tokio::task::spawn_blocking(move || cache.keep(&name, &kept)).await);
        Ok(bytes)
    }
}

#[async_trait]
impl Store for CacheStore {
    async fn put_new(&self, key: &str, data: Payload) -> Result<()> {
        self.below.put_new(key, data).await
    }

    async fn get(&self, key: &str) -> Result<Bytes> {
        match (self.never_changes)(key) {
            true => self.kept_or(key.to_owned(), self.below.get(key)).await,
            false => self.below.get(key).await,
        }
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        if !(self.never_changes)(key) {
            return self.below.get_range(key, range).await;
        }
        let name = format!("{key}@{}-{}", range.start, range.end);
        self.kept_or(name, self.below.get_range(key, range)).await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        self.below.head(key).await
    }

    async fn list(&self, prefix: &str) -> Result<ObjectStream> {
        self.below.list(prefix).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.below.delete(key).await
    }

    async fn put_soon(&self, key: &str, data: Payload) -> Result<()> {
        self.below.put_soon(key, data).await
    }

    async fn sync(&self) -> Result<()> {
        self.below.sync().await
    }

    async fn delete_many(&self, keys: &[String]) -> Vec<crate::Error> {
        self.below.delete_many(keys).await
    }

    async fn copy_new(&self, from: &str, to: &str) -> Result<()> {
        self.below.copy_new(from, to).await
    }

    fn describe(&self) -> String {
        self.below.describe()
    }
}

#[cfg(test)]
mod tests;
