//! The objects of a server, in memory or in a directory that survives it.
//!
//! In a directory each object is one file: a line for each header, an empty line, the content. It is
//! there, synced, before it is acknowledged, so that killing the process loses nothing that was.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use bytes::Bytes;
use jiff::Timestamp;
use lifeboat_codec::{Clock, SystemClock};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::behaviour::Lag;
use super::request::decode;

/// Headers of a file that are ours.
const GENERATION: &str = "test-generation";
const MODIFIED: &str = "test-modified-us";

/// What an object's head may have at most in a file.
const HEAD_BYTES_MAX: u64 = 1 << 20;

/// An object as a test sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its content.
    pub bytes: Bytes,
    /// The headers of its put that say something about it, by names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Stored {
    /// The first header of this name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// One object, its content perhaps in a file.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) headers: Vec<(String, String)>,
    pub(super) modified: Timestamp,
    /// Another number for every put of the server.
    pub(super) generation: u64,
    pub(super) bytes: u64,
    content: Content,
    /// When it was put, if that was in this process.
    born: Option<Instant>,
    /// How many requests might have shown it.
    looks: [u32; 2],
}

#[derive(Clone, Debug)]
enum Content {
    Memory(Bytes),
    File { path: PathBuf, offset: u64 },
}

/// Where something new may not be seen at first.
#[derive(Clone, Copy, Debug)]
pub(super) enum Look {
    List,
    Read,
}

impl Object {
    pub(super) fn etag(&self) -> String {
        format!("\"{:032x}\"", self.generation)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The bytes from `start` to before `end`, which are within it.
    pub(super) fn read(&self, start: u64, end: u64) -> io::Result<Bytes> {
        let size = |bytes: u64| usize::try_from(bytes).map_err(io::Error::other);
        match &self.content {
            Content::Memory(bytes) => Ok(bytes.slice(size(start)?..size(end)?)),
            Content::File { path, offset } => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(offset + start))?;
                let mut bytes = vec![0; size(end - start)?];
                file.read_exact(&mut bytes)?;
                Ok(bytes.into())
            }
        }
    }

    pub(super) fn stored(&self) -> io::Result<Stored> {
        Ok(Stored { bytes: self.read(0, self.bytes)?, headers: self.headers.clone() })
    }

    /// Whether it is seen, by a server that is as late as this.
    pub(super) fn is_seen(&mut self, look: Look, lag: Lag) -> bool {
        let Some(born) = self.born else { return true };
        let looks = &mut self.looks[look as usize];
        *looks = looks.saturating_add(1);
        match lag {
            Lag::None => true,
            Lag::For(duration) => born.elapsed() >= duration,
            Lag::Requests(count) => *looks > count,
        }
    }
}

/// All objects of a server, by key.
#[derive(Debug)]
pub(super) struct Objects {
    map: BTreeMap<String, Object>,
    directory: Option<PathBuf>,
    last_generation: u64,
    clock: SystemClock,
}

impl Objects {
    /// Those of a directory, or none in memory.
    pub(super) fn open(directory: Option<PathBuf>) -> io::Result<Self> {
        let clock = SystemClock::new();
        let mut objects = Self { map: BTreeMap::new(), directory, last_generation: 0, clock };
        let Some(directory) = objects.directory.clone() else { return Ok(objects) };
        for folder in ["objects", "unfinished"] {
            fs::create_dir_all(directory.join(folder))?;
        }
        for file in fs::read_dir(directory.join("objects"))? {
            let file = file?;
            let key = decode(&file.file_name().to_string_lossy());
            let object = read_head(&file.path())?;
            objects.last_generation = objects.last_generation.max(object.generation);
            objects.map.insert(key, object);
        }
        Ok(objects)
    }

    pub(super) fn keys(&self) -> Vec<String> {
        self.map.keys().cloned().collect()
    }

    pub(super) fn stored(&self, key: &str) -> Option<Stored> {
        self.map.get(key).map(|object| object.stored().expect("the server's files can be read"))
    }

    pub(super) fn get(&self, key: &str) -> Option<&Object> {
        self.map.get(key)
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Object> {
        self.map.get_mut(key)
    }

    /// The objects after `after`, as far as their keys begin with `prefix`, in order.
    pub(super) fn below(
        &mut self,
        prefix: &str,
        after: &str,
    ) -> impl Iterator<Item = (&String, &mut Object)> {
        let from = prefix.max(after).to_owned();
        let (prefix, after) = (prefix.to_owned(), after.to_owned());
        let later = self.map.range_mut(from..).skip_while(move |(key, _)| **key <= after);
        later.take_while(move |(key, _)| key.starts_with(&prefix))
    }

    pub(super) fn now(&self) -> Timestamp {
        let now = self.clock.now();
        let nanos = i32::try_from(now.nanos).expect("less than a second of them");
        Timestamp::new(now.secs, nanos).expect("the clock shows a year of less than five digits")
    }

    /// A number that nothing else has.
    pub(super) fn next_generation(&mut self) -> u64 {
        self.last_generation += 1;
        self.last_generation
    }

    /// Shows an object, in memory only, that was there before.
    pub(super) fn insert(&mut self, key: &str, object: Object) {
        self.map.insert(key.to_owned(), object);
    }

    /// Puts or replaces an object; the one that is there now.
    pub(super) fn put(
        &mut self,
        key: &str,
        headers: Vec<(String, String)>,
        content: Bytes,
    ) -> io::Result<Object> {
        let mut object = Object {
            headers,
            modified: self.now(),
            generation: self.next_generation(),
            bytes: content.len() as u64,
            content: Content::Memory(content),
            born: Some(Instant::now()),
            looks: [0; 2],
        };
        if let Some(directory) = &self.directory {
            object.content = write(directory, key, &object)?;
        }
        self.map.insert(key.to_owned(), object.clone());
        Ok(object)
    }

    /// Removes an object; whether there was one.
    pub(super) fn remove(&mut self, key: &str) -> io::Result<bool> {
        let Some(object) = self.map.remove(key) else { return Ok(false) };
        if let (Content::File { path, .. }, Some(directory)) = (object.content, &self.directory) {
            fs::remove_file(path)?;
            File::open(directory.join("objects"))?.sync_all()?;
        }
        Ok(true)
    }
}

fn write(directory: &Path, key: &str, object: &Object) -> io::Result<Content> {
    let name = utf8_percent_encode(key, NON_ALPHANUMERIC).to_string();
    let unfinished = directory.join("unfinished").join(object.generation.to_string());
    let path = directory.join("objects").join(name);
    let mut head = format!("{GENERATION}: {}\n", object.generation);
    head += &format!("{MODIFIED}: {}\n", object.modified.as_microsecond());
    for (name, value) in &object.headers {
        head += &format!("{name}: {value}\n");
    }
    head.push('\n');
    let mut file = File::create(&unfinished)?;
    file.write_all(head.as_bytes())?;
    file.write_all(&object.read(0, object.bytes)?)?;
    file.sync_all()?;
    fs::rename(&unfinished, &path)?;
    File::open(directory.join("objects"))?.sync_all()?;
    Ok(Content::File { path, offset: head.len() as u64 })
}

fn read_head(path: &Path) -> io::Result<Object> {
    let bad = || io::Error::other(format!("{} is not an object of a server", path.display()));
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut head = Vec::new();
    (&file).take(HEAD_BYTES_MAX).read_to_end(&mut head)?;
    let end = head.windows(2).position(|pair| pair == b"\n\n").ok_or_else(bad)?;
    let offset = end as u64 + 2;
    let text = String::from_utf8_lossy(&head[..end]).into_owned();
    let mut headers = Vec::new();
    let (mut generation, mut modified) = (0, 0);
    for line in text.lines() {
        let (name, value) = line.split_once(": ").ok_or_else(bad)?;
        match name {
            GENERATION => generation = value.parse().map_err(io::Error::other)?,
            MODIFIED => modified = value.parse().map_err(io::Error::other)?,
            _ => headers.push((name.to_owned(), value.to_owned())),
        }
    }
    Ok(Object {
        headers,
        modified: Timestamp::from_microsecond(modified).map_err(io::Error::other)?,
        generation,
        bytes: size - offset,
        content: Content::File { path: path.to_owned(), offset },
        born: None,
        looks: [0; 2],
    })
}
