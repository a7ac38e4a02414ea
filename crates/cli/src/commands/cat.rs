//! `cat`: writes a file's bytes to stdout.

use std::io::{BufWriter, Write};

use anyhow::Result;
use lifeboat::Context;
use lifeboat::monitor::Silent;
use lifeboat::report::escape;
use lifeboat::restore::cat;
use serde::Serialize;

use super::paths;
use super::session::{Session, filter};
use crate::args::CatArgs;
use crate::exit::{End, Usage};
use crate::render::{Base64, Gone, Output, closed};
use crate::settings::Settings;
use crate::signals::cancel_on_signals;

/// What is gathered before it is written, in bytes.
pub(super) const BUFFER_BYTES: usize = 256 << 10;

#[derive(Serialize)]
struct Head {
    message_type: &'static str,
    snapshot: String,
    path: String,
    encoding: &'static str,
}

pub(super) fn run(args: &CatArgs, settings: &Settings, output: &Output) -> Result<End> {
    let Some(path) = &args.snapshot.path else {
        return Err(Usage("which file? write SNAPSHOT:/PATH".to_owned()).into());
    };
    let key = paths::snapshot_path(path)?;
    let cancel = cancel_on_signals()?;
    let session = Session::open_to_read(settings, output)?;
    let snapshots = session.snapshots()?;
    let snapshot = &snapshots.resolve(&args.snapshot.snapshot, &filter(&args.select)?)?.snapshot;
    let chunks = session.chunks()?;
    let context =
        Context { monitor: &Silent, cancel, threads: settings.threads, ..Context::default() };
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, std::io::stdout().lock());
    if !output.json {
        cat(&chunks.reader, snapshot, &key, &mut out, &context).map_err(unless_gone)?;
        out.flush().map_err(closed)?;
        return Ok(End::Done);
    }
    let head = Head {
        message_type: "file",
        snapshot: snapshot.id.to_string(),
        path: escape(path),
        encoding: "base64",
    };
    let head = serde_json::to_string(&head)?;
    let mut content = Base64::new(Lazy { head: Some(head), out: &mut out });
    let size = cat(&chunks.reader, snapshot, &key, &mut content, &context).map_err(unless_gone)?;
    let mut rest = content.finish().map_err(closed)?;
    rest.begin().map_err(closed)?;
    writeln!(out, "\",\"size\":{size}}}").map_err(closed)?;
    out.flush().map_err(closed)?;
    Ok(End::Done)
}

pub(super) fn unless_gone(error: lifeboat::Error) -> anyhow::Error {
    let error = anyhow::Error::new(error);
    let io = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind)
    };
    if error.chain().filter_map(io).any(|kind| kind == std::io::ErrorKind::BrokenPipe) {
        return Gone.into();
    }
    error
}

/// Writes the beginning of the document before the first byte of content, and not before: a file that
/// is not there leaves stdout empty.
struct Lazy<W> {
    head: Option<String>,
    out: W,
}

impl<W: Write> Lazy<W> {
    fn begin(&mut self) -> std::io::Result<()> {
        let Some(head) = self.head.take() else { return Ok(()) };
        write!(self.out, "{},\"content\":\"", head.trim_end_matches('}'))
    }
}

impl<W: Write> Write for Lazy<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.begin()?;
        self.out.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
