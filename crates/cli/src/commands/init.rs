//! `init`: creates a repository.

use anyhow::Result;
use lifeboat_format::config::Chunker;
use serde::Serialize;

use super::open::{self, WithoutKey};
use crate::args::{ByteSize, InitArgs};
use crate::exit::{End, Usage};
use crate::render::Output;
use crate::settings::Settings;

/// Smaller packs make more objects than any store likes.
const PACK_BYTES_MIN: u64 = 1 << 20;

#[derive(Serialize)]
struct Created {
    message_type: &'static str,
    repository: String,
    location: String,
}

pub(super) fn run(args: &InitArgs, settings: &Settings, output: &Output) -> Result<End> {
    let chunker = chunker(args.chunk_size)?;
    let pack_bytes = args.pack_size.0;
    if pack_bytes < PACK_BYTES_MIN {
        return Err(Usage("--pack-size: give at least 1MiB".to_owned()).into());
    }
    let repository = open::init(settings, output, WithoutKey::Ask, |options| {
        options.chunker = chunker;
        options.pack_bytes = pack_bytes;
        options.parity.data_permille = args.parity.permille();
        options.lock = args.lock();
        Ok(())
    })?;
    let created = Created {
        message_type: "initialized",
        repository: repository.id().to_string(),
        location: repository.io().describe(),
    };
    if output.json {
        output.document(&created)?;
    } else {
        output
            .line(format!("created repository {} at {}", created.repository, created.location))?;
    }
    Ok(End::Done)
}

/// The sizes around the average, as docs/format.md proposes them: a quarter and four times of it.
fn chunker(average: ByteSize) -> Result<Chunker> {
    let too_large = || Usage(format!("--chunk-size {average} is too large"));
    let avg = u32::try_from(average.0).map_err(|_beyond_32_bits| too_large())?;
    let max = avg.checked_mul(4).ok_or_else(too_large)?;
    Ok(Chunker { min: avg / 4, avg, max, ..Chunker::default() })
}

#[cfg(test)]
mod tests {
    use lifeboat_format::config::Chunker;

    use crate::args::ByteSize;

    #[test]
    fn sizes_around_the_average() {
        assert_eq!(super::chunker(ByteSize(64 << 10)).unwrap(), Chunker::default());
        assert!(super::chunker(ByteSize(2 << 30)).is_err());
        assert!(super::chunker(ByteSize(1 << 40)).is_err());
    }
}
