//! Long results, printed as they come: lines, or the items of one list in one JSON document.
//!
//! Holds one item at a time, so that a listing of a hundred million paths takes no memory. When nobody
//! reads any more (`| head`), writing fails with [`Gone`], which ends the command in peace.

use std::fmt;
use std::io::{BufWriter, StdoutLock, Write};

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::Output;

/// Nobody reads stdout any more.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads the output any more")]
pub(crate) struct Gone;

/// A result under way to stdout.
pub(crate) struct Stream {
    out: BufWriter<StdoutLock<'static>>,
    json: bool,
    items: u64,
}

impl Stream {
    /// Begins. As JSON: the members of `head`, then the list called `list`; as text nothing yet.
    pub(crate) fn begin(output: &Output, head: &impl Serialize, list: &str) -> Result<Self> {
        let out = BufWriter::new(std::io::stdout().lock());
        let mut stream = Self { out, json: output.json, items: 0 };
        if stream.json {
            let head = members(head)?;
            stream.write(format_args!("{{{head},\"{list}\":["))?;
        }
        Ok(stream)
    }

    /// Adds an item: as JSON itself, as text the line.
    pub(crate) fn item(&mut self, item: &impl Serialize, line: impl fmt::Display) -> Result<()> {
        if self.json {
            let comma = if self.items > 0 { "," } else { "" };
            let item = serde_json::to_string(item)?;
            self.write(format_args!("{comma}\n{item}"))?;
        } else {
            self.write(format_args!("{line}\n"))?;
        }
        self.items += 1;
        Ok(())
    }

    /// Ends. As JSON: the members of `tail` after the list; as text nothing.
    pub(crate) fn end(mut self, tail: &impl Serialize) -> Result<()> {
        if self.json {
            let tail = members(tail)?;
            let comma = if tail.is_empty() { "" } else { "," };
            self.write(format_args!("]{comma}{tail}}}\n"))?;
        }
        self.out.flush().map_err(closed)
    }

    fn write(&mut self, text: fmt::Arguments<'_>) -> Result<()> {
        self.out.write_fmt(text).map_err(closed)
    }
}

/// An error of stdout: [`Gone`] where the reader has left.
pub(crate) fn closed(error: std::io::Error) -> anyhow::Error {
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        return Gone.into();
    }
    anyhow::Error::new(error).context("write to stdout")
}

/// A struct as JSON without its braces.
fn members(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string(value)?;
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    inner.map(str::to_owned).context("a result is not an object")
}

#[cfg(test)]
mod tests {
    #[test]
    fn members_of_a_struct() {
        #[derive(serde::Serialize)]
        struct Pair {
            a: u8,
            b: &'static str,
        }
        assert_eq!(super::members(&Pair { a: 1, b: "}" }).unwrap(), r#""a":1,"b":"}""#);
        assert!(super::members(&[1]).is_err());
    }
}
