//! Sorted runs of names in a temporary file, and their merge.
//!
//! One file without a name serves a whole walk as a stack: the runs of a directory lie above those of
//! the directories that it is in, and go when the walk leaves it. A name ends with a zero byte.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

/// How much is written or read at once.
const BUFFER_BYTES: usize = 64 << 10;
/// The least that is read at once when very many runs are merged.
const BUFFER_BYTES_MIN: usize = 4 << 10;

/// The temporary file; made when it is first needed.
#[derive(Debug)]
pub(in crate::source) struct Spill {
    dir: PathBuf,
    file: Option<Arc<File>>,
    end: u64,
}

impl Spill {
    /// A file to be made in `dir`.
    pub(in crate::source) fn new(dir: PathBuf) -> Self {
        Self { dir, file: None, end: 0 }
    }

    /// Where the next run begins.
    pub(in crate::source) fn end(&self) -> u64 {
        self.end
    }

    /// Gives up what lies at `end` and beyond.
    pub(in crate::source) fn truncate(&mut self, end: u64) -> io::Result<()> {
        if end < self.end
            && let Some(file) = &self.file
        {
            file.set_len(end)?;
            self.end = end;
        }
        Ok(())
    }

    /// Appends names that are sorted; says where they are.
    pub(super) fn write_run<'a>(
        &mut self,
        names: impl Iterator<Item = &'a [u8]>,
    ) -> io::Result<Range<u64>> {
        let start = self.end;
        let file = self.file()?;
        let mut end = start;
        let mut buffer = Vec::with_capacity(BUFFER_BYTES);
        for name in names {
            buffer.extend_from_slice(name);
            buffer.push(0);
            if buffer.len() >= BUFFER_BYTES {
                file.write_all_at(&buffer, end)?;
                end += buffer.len() as u64;
                buffer.clear();
            }
        }
        file.write_all_at(&buffer, end)?;
        self.end = end + buffer.len() as u64;
        Ok(start..self.end)
    }

    fn file(&mut self) -> io::Result<Arc<File>> {
        if let Some(file) = &self.file {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(tempfile::tempfile_in(&self.dir)?);
        self.file = Some(Arc::clone(&file));
        Ok(file)
    }
}

/// Gives the names of several runs in one order, each once.
pub(in crate::source) struct Merge {
    file: Arc<File>,
    runs: Vec<Run>,
    buffer_bytes: usize,
    /// The next name of each run that has one.
    heads: BinaryHeap<Reverse<(Vec<u8>, usize)>>,
    last: Option<Vec<u8>>,
}

impl Merge {
    pub(super) fn new(
        spill: &mut Spill,
        runs: Vec<Range<u64>>,
        keep_bytes: usize,
    ) -> io::Result<Self> {
        let buffer_bytes = (keep_bytes / runs.len().max(1)).clamp(BUFFER_BYTES_MIN, BUFFER_BYTES);
        let mut merge = Self {
            file: spill.file()?,
            runs: runs.into_iter().map(Run::new).collect(),
            buffer_bytes,
            heads: BinaryHeap::new(),
            last: None,
        };
        for number in 0..merge.runs.len() {
            merge.refill(number, Vec::new())?;
        }
        Ok(merge)
    }

    pub(super) fn next(&mut self, name: &mut Vec<u8>) -> io::Result<bool> {
        while let Some(Reverse((head, number))) = self.heads.pop() {
            let new = self.last.as_ref() != Some(&head);
            if new {
                name.clear();
                name.extend_from_slice(&head);
                self.last.get_or_insert_default().clone_from(&head);
            }
            self.refill(number, head)?;
            if new {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.runs.len() * self.buffer_bytes
    }

    fn refill(&mut self, number: usize, mut head: Vec<u8>) -> io::Result<()> {
        if self.runs[number].next(&self.file, self.buffer_bytes, &mut head)? {
            self.heads.push(Reverse((head, number)));
        }
        Ok(())
    }
}

impl fmt::Debug for Merge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Merge").field("runs", &self.runs.len()).finish_non_exhaustive()
    }
}

/// Reads one run from its beginning to its end.
struct Run {
    rest: Range<u64>,
    buffer: Vec<u8>,
    at: usize,
}

impl Run {
    fn new(rest: Range<u64>) -> Self {
        Self { rest, buffer: Vec::new(), at: 0 }
    }

    fn next(&mut self, file: &File, buffer_bytes: usize, name: &mut Vec<u8>) -> io::Result<bool> {
        loop {
            let ahead = &self.buffer[self.at..];
            if let Some(len) = ahead.iter().position(|byte| *byte == 0) {
                name.clear();
                name.extend_from_slice(&ahead[..len]);
                self.at += len + 1;
                return Ok(true);
            }
            if self.rest.is_empty() {
                return Ok(false);
            }
            self.buffer.drain(..self.at);
            self.at = 0;
            let kept = self.buffer.len();
            let more = (self.rest.end - self.rest.start).min(buffer_bytes as u64);
            let more = usize::try_from(more).expect("it is at most the size of a buffer");
            self.buffer.resize(kept + more, 0);
            file.read_exact_at(&mut self.buffer[kept..], self.rest.start)?;
            self.rest.start += more as u64;
        }
    }
}
