//! Efficiency: what the primitives themselves take on the very bytes of a volume, against what a first
//! backup of it takes.
//!
//! Each primitive is one tight loop over large buffers with contexts that are used again, calling the
//! libraries and not our wrappers; the best of several turns counts. Walking, opening and syncing are
//! not among them. Knows nothing of Lifeboat but its usual sizes.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::Write as _,
    ops::Range,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    time::Instant,
};

use aes_gcm::{
    Aes256Gcm,
    aead::{AeadInOut as _, KeyInit as _},
};
use anyhow::{Context as _, Result};

use crate::{
    compare::volume_of_the_first_day,
    corpus::Spec,
    measure::{self, Sample, files_below, say},
    profile::profile,
    results,
    tool::{Place, Step, Tool},
};

/// How much of the volume is in memory at once, in bytes.
const BATCH_BYTES: usize = 64 << 20;
/// The best of so many turns counts.
const TURNS: usize = 5;
/// How often the whole backup is measured; the median counts.
const BACKUPS: usize = 3;

/// Lifeboat's defaults: chunks, frames, and the level of zstd.
const CHUNKS: [usize; 3] = [16 << 10, 64 << 10, 256 << 10];
const FRAME_BYTES: usize = 1 << 20;
const LEVEL: i32 = 3;
/// A frame that gains less than a fiftieth is stored as it is.
const GAIN_MIN: usize = 50;

/// The seconds that each primitive takes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seconds {
    read: f64,
    cut: f64,
    pub(crate) hash: f64,
    compress: f64,
    pub(crate) decompress: f64,
    pub(crate) seal: f64,
    pack_hash: f64,
    pack_crc: f64,
    write: f64,
}

impl Seconds {
    fn rows(&self) -> [(&'static str, f64); 9] {
        [
            ("read(2) into a warm buffer", self.read),
            ("FastCDC", self.cut),
            ("keyed BLAKE3 of the chunks", self.hash),
            ("zstd level 3 of the new frames that it makes smaller", self.compress),
            ("their decompression", self.decompress),
            ("AES-256-GCM of the new frames", self.seal),
            ("BLAKE3 of the packs", self.pack_hash),
            ("CRC-32 of the packs", self.pack_crc),
            ("write(2)", self.write),
        ]
    }

    fn sum(&self) -> f64 {
        self.rows().iter().map(|(_, seconds)| seconds).sum()
    }
}

/// Measures primitives and backup, and writes the table into `file`.
///
/// # Errors
///
/// The volume can't be made or read, or the backup failed.
pub fn efficiency(spec: Spec, place: &Place, file: &Path) -> Result<()> {
    volume_of_the_first_day(spec, place)?;
    measure::warm(&[&place.data])?;
    let (seconds, volume_bytes) = primitives(&place.data, &place.work.join("primitives"))?;
    let mut samples = Vec::new();
    for _ in 0..BACKUPS {
        Tool::Lifeboat.fresh(place)?;
        measure::warm(&[&place.data])?;
        let command = Tool::Lifeboat.step(place, Step::Full);
        samples.push(measure::timed(&command, &place.work.join("efficiency.log"))?);
    }
    samples.sort_by(|one, other| one.cpu_s.total_cmp(&other.cpu_s));
    Tool::Lifeboat.fresh(place)?;
    measure::warm(&[&place.data])?;
    let profile = profile(&Tool::Lifeboat.step(place, Step::Full), &place.work)?;
    let mut text = render(&seconds, volume_bytes, &samples[samples.len() / 2]);
    text += &render_profile(profile.as_deref());
    say(&text)?;
    results::record(file, "efficiency", &text)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn render(seconds: &Seconds, volume_bytes: u64, full: &Sample) -> String {
    let mut text = format!(
        "## Efficiency\n\n{}\n\nThe primitives alone on the {:.0} MiB of the volume, one thread, each a tight \
         loop over {} MiB at a time, the best of {TURNS} turns; and a first backup of the same volume \
         into a local repository, the median of {BACKUPS}.\n\n| | s |\n|---|--:|\n",
        results::circumstances(),
        volume_bytes as f64 / f64::from(1 << 20),
        BATCH_BYTES >> 20,
    );
    for (name, seconds) in seconds.rows() {
        text += &format!("| {name} | {seconds:.2} |\n");
    }
    let sum = seconds.sum();
    text + &format!(
        "| **sum** | {sum:.2} |\n| first backup, CPU of all cores | {:.2} |\n| first backup, wall | {:.2} |\n\n\
         Efficiency, the sum by the backup's CPU time: **{:.2}**.\n",
        full.cpu_s,
        full.wall_s,
        sum / full.cpu_s
    )
}

/// What the backup's CPU time was spent on.
fn render_profile(profile: Option<&[(&str, f64)]>) -> String {
    let Some(profile) = profile else {
        return "\nThere was no `perf` to say what the backup's time was spent on.\n".to_owned();
    };
    let mut text = "\nWhat the backup's CPU time was spent on, one more run sampled by `perf`, each function counted for \
                    its stage:\n\n| stage | % |\n|---|--:|\n"
        .to_owned();
    for (stage, part) in profile {
        text += &format!("| {stage} | {:.1} |\n", 100.0 * part);
    }
    text
}

/// What is read of one file into the buffer.
struct Piece {
    file: usize,
    offset: u64,
    place: Range<usize>,
}

/// All primitives, batch by batch, and how many bytes there were.
pub(crate) fn primitives(data: &Path, scratch: &Path) -> Result<(Seconds, u64)> {
    let mut files = files_below(data)?;
    files.sort();
    let mut seconds = Seconds::default();
    let mut known = HashSet::new();
    let (mut next, mut offset, mut volume_bytes) = (0, 0, 0);
    let mut buffer = vec![0; BATCH_BYTES];
    while next < files.len() {
        let (open, pieces) = fill(&files, &mut next, &mut offset)?;
        volume_bytes += pieces.iter().map(|piece| piece.place.len() as u64).sum::<u64>();
        seconds.read += best(|| {
            for piece in &pieces {
                let bytes = &mut buffer[piece.place.clone()];
                open[piece.file].read_exact_at(bytes, piece.offset)?;
            }
            Ok(())
        })?;
        batch(&buffer, &pieces, &mut known, &mut seconds, scratch)?;
    }
    fs::remove_file(scratch).context("remove what was written")?;
    Ok((seconds, volume_bytes))
}

/// Opens as many files as fill a batch; the last one goes on in the next.
fn fill(files: &[PathBuf], next: &mut usize, offset: &mut u64) -> Result<(Vec<File>, Vec<Piece>)> {
    let (mut open, mut pieces, mut filled) = (Vec::new(), Vec::new(), 0);
    while *next < files.len() && filled < BATCH_BYTES && open.len() < 900 {
        let path = &files[*next];
        let file = File::open(path).with_context(|| path.display().to_string())?;
        let left = file.metadata()?.len() - *offset;
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(BATCH_BYTES - filled);
        pieces.push(Piece { file: open.len(), offset: *offset, place: filled..filled + here });
        filled += here;
        open.push(file);
        if here as u64 == left {
            (*next, *offset) = (*next + 1, 0);
        } else {
            *offset += here as u64;
        }
    }
    Ok((open, pieces))
}

fn batch(
    buffer: &[u8],
    pieces: &[Piece],
    known: &mut HashSet<[u8; 32]>,
    seconds: &mut Seconds,
    scratch: &Path,
) -> Result<()> {
    let [min, avg, max] = CHUNKS;
    let chunks = |piece: &Piece| {
        let start = piece.place.start;
        let cutter = fastcdc::v2020::FastCDC::new(&buffer[piece.place.clone()], min, avg, max);
        cutter.map(move |chunk| start + chunk.offset..start + chunk.offset + chunk.length)
    };
    seconds.cut += best(|| {
        let cuts: usize = pieces.iter().map(|piece| chunks(piece).count()).sum();
        std::hint::black_box(cuts);
        Ok(())
    })?;
    let cuts: Vec<Range<usize>> = pieces.iter().flat_map(chunks).collect();
    let key = [7; 32];
    seconds.hash += best(|| {
        for cut in &cuts {
            std::hint::black_box(blake3::keyed_hash(&key, &buffer[cut.clone()]));
        }
        Ok(())
    })?;
    let frames = frames(buffer, &cuts, &key, known);
    let mut sealed = compressed(&frames, seconds)?;
    let cipher = Aes256Gcm::new(&[9; 32].into());
    seconds.seal += best(|| {
        for frame in &mut sealed {
            let buffer = frame.as_mut_slice().into();
            let sealed = cipher.encrypt_inout_detached(&[0; 12].into(), &[], buffer);
            std::hint::black_box(sealed.map_err(|error| anyhow::anyhow!("{error}"))?);
        }
        Ok(())
    })?;
    seconds.pack_hash += best(|| {
        let mut hasher = blake3::Hasher::new();
        for frame in &sealed {
            hasher.update(frame);
        }
        std::hint::black_box(hasher.finalize());
        Ok(())
    })?;
    seconds.pack_crc += best(|| {
        let mut hasher = crc32fast::Hasher::new();
        for frame in &sealed {
            hasher.update(frame);
        }
        std::hint::black_box(hasher.finalize());
        Ok(())
    })?;
    let mut fastest = f64::INFINITY;
    for _ in 0..TURNS {
        // A new file each time, as packs are.
        if scratch.exists() {
            fs::remove_file(scratch)?;
        }
        let mut file = File::create(scratch)?;
        fastest = fastest.min(timed(|| {
            for frame in &sealed {
                file.write_all(frame)?;
            }
            Ok(())
        })?);
    }
    seconds.write += fastest;
    Ok(())
}

/// The new chunks, in frames.
fn frames(
    buffer: &[u8],
    cuts: &[Range<usize>],
    key: &[u8; 32],
    known: &mut HashSet<[u8; 32]>,
) -> Vec<Vec<u8>> {
    let mut frames: Vec<Vec<u8>> = Vec::new();
    for cut in cuts {
        let chunk = &buffer[cut.clone()];
        let is_zero = chunk.iter().all(|byte| *byte == 0);
        if is_zero || !known.insert(*blake3::keyed_hash(key, chunk).as_bytes()) {
            continue;
        }
        match frames.last_mut() {
            Some(frame) if frame.len() + chunk.len() <= FRAME_BYTES => frame.extend(chunk),
            _ => frames.push(chunk.to_vec()),
        }
    }
    frames
}

/// The frames as they are sealed.
fn compressed(frames: &[Vec<u8>], seconds: &mut Seconds) -> Result<Vec<Vec<u8>>> {
    let mut zstd = zstd::bulk::Compressor::new(LEVEL)?;
    let mut small = Vec::new();
    let mut stored = Vec::new();
    for frame in frames {
        let packed = zstd.compress(frame)?;
        if packed.len() <= frame.len() - frame.len().div_ceil(GAIN_MIN) {
            small.push((frame, packed));
        } else {
            stored.push(frame.clone());
        }
    }
    let mut out = Vec::with_capacity(2 * FRAME_BYTES);
    seconds.compress += best(|| {
        for (frame, _) in &small {
            out.clear();
            out.reserve(zstd::zstd_safe::compress_bound(frame.len()));
            std::hint::black_box(zstd.compress_to_buffer(frame, &mut out)?);
        }
        Ok(())
    })?;
    let mut unzstd = zstd::bulk::Decompressor::new()?;
    seconds.decompress += best(|| {
        for (frame, packed) in &small {
            out.clear();
            out.reserve(frame.len());
            std::hint::black_box(unzstd.decompress_to_buffer(packed, &mut out)?);
        }
        Ok(())
    })?;
    Ok(small.into_iter().map(|(_, packed)| packed).chain(stored).collect())
}

/// The seconds of the fastest turn.
fn best(mut turn: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut fastest = f64::INFINITY;
    for _ in 0..TURNS {
        fastest = fastest.min(timed(&mut turn)?);
    }
    Ok(fastest)
}

fn timed(turn: impl FnOnce() -> Result<()>) -> Result<f64> {
    let started = Instant::now();
    turn()?;
    Ok(started.elapsed().as_secs_f64())
}
