//! A repository of very many chunks: what opening it, looking chunks up and backing up into it take.
//!
//! The chunks are made up: log and index are those that so many backups would have left, merged as
//! backups merge them, and the packs are not there. Memory is measured of whole processes, with
//! the default budget.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, PoisonError, mpsc::sync_channel},
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use lifeboat::repository::{Clock, SystemClock, connect, store_options};
use lifeboat_codec::{compress::Level, entropy::Entropy, hash::object_hash};
use lifeboat_format::{
    Codec,
    entry::{ListedObject, ObjectKind},
    id::{ChunkId, RunId},
    index::{GENERATION, IndexRecord, PackKind, PackRecord},
    key::ObjectName,
    keyslot::KeyFile,
};
use lifeboat_repo::{
    cancel::Cancel,
    index::{
        Index,
        merge::{MergeOptions, TARGET_BYTES, merge_segments},
        write::SegmentDraft,
    },
    log::{Fold, checkpoint, commit},
    open::{OpenOptions, Repository, Unlock, open},
};
use lifeboat_store::url::Location;

use crate::{
    corpus::{self, Random, Spec},
    measure::{Sample, bytes_below, say, timed, warm},
    results,
    tool::{Place, quietly, remove},
};

/// The default budget on a machine of up to four cores.
const MEMORY_BYTES: u64 = 256 << 20;
/// Chunks of one segment, as a run writes it.
const SEGMENT_CHUNKS: u64 = 111_000;
/// Chunks of one pack, and of one frame: 64 KiB each.
const PACK_CHUNKS: u64 = 512;
const FRAME_CHUNKS: u64 = 16;

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many chunks the repository has.
    pub chunks: u64,
    /// How many are looked up.
    pub look_ups: u64,
    /// What is backed up into it.
    pub volume: Spec,
    /// Whether the repositories stay.
    pub keep: bool,
}

/// Makes the repository, uses it, and writes the table into `file`.
///
/// # Errors
///
/// Something failed, or took more memory than it may.
pub fn index(options: Options, place: &Place, file: &Path) -> Result<()> {
    let large = place.work.join("index-large");
    let begun = Instant::now();
    make(options.chunks, &large, place)?;
    let made_s = begun.elapsed().as_secs_f64();
    if !place.data.exists() {
        corpus::build(&place.data, options.volume)?;
    }
    let empty = place.work.join("index-empty");
    init(&empty, place)?;
    let program = std::env::current_exe().context("where this program is")?;
    let look = |absent: u64, present: u64| -> Result<(Sample, Looked)> {
        warm(&[])?;
        let mut command = Command::new(&program);
        command.arg("look-up").arg(&large).args(["--chunks", &options.chunks.to_string()]);
        command.args(["--absent", &absent.to_string(), "--present", &present.to_string()]);
        let log = place.work.join("look-up.log");
        let sample = timed(&command, &log)?;
        Ok((sample, Looked::parse(&fs::read_to_string(&log)?)?))
    };
    let opened = look(0, 0)?;
    let looked = look(options.look_ups, options.look_ups)?;
    let backup = |repository: &Path| -> Result<Sample> {
        warm(&[&place.data])?;
        let mut command = lifeboat(repository, place, &["backup", "--quiet"]);
        timed(command.arg(&place.data), &place.work.join("index-backup.log"))
    };
    let (into_empty, into_large) = (backup(&empty)?, backup(&large)?);
    let text =
        render(options, made_s, bytes_below(&large)?, &[opened, looked], &[into_empty, into_large]);
    say(&text)?;
    results::record(file, "index", &text)?;
    if !options.keep {
        for repository in [&large, &empty] {
            remove(place, repository)?;
        }
    }
    let peaks = [opened.0, looked.0, into_large].map(|sample| sample.peak_mib);
    ensure!(peaks.iter().all(|peak| *peak <= 256.0), "it took more than 256 MiB: {peaks:?}");
    Ok(())
}

fn render(
    options: Options,
    made_s: f64,
    bytes: u64,
    looked: &[(Sample, Looked); 2],
    backups: &[Sample; 2],
) -> String {
    let Options { chunks, volume, .. } = options;
    let [(open, _), (all, rates)] = looked;
    let mut text = format!(
        "## An index of {chunks} chunks\n\n{}\n\nLog and index as {} backups of {SEGMENT_CHUNKS} new chunks \
         each leave them, on a local disk: {} MiB with all that was merged, made in {made_s:.0} s. Each \
         process with `--memory` as it is by default (256 MiB) and an empty page cache but for the volume, of \
         {} MiB.\n\n| | wall s | CPU s | peak MiB |\n|---|--:|--:|--:|\n",
        results::circumstances(),
        chunks.div_ceil(SEGMENT_CHUNKS),
        bytes >> 20,
        volume.bytes >> 20,
    );
    let mut row = |what: &str, sample: &Sample| {
        let Sample { wall_s, cpu_s, peak_mib } = sample;
        text += &format!("| {what} | {wall_s:.2} | {cpu_s:.2} | {peak_mib:.0} |\n");
    };
    row("open", open);
    row(
        &format!("open, and look up {0} that are not there and {0} that are", options.look_ups),
        all,
    );
    row("back the volume up into an empty repository", &backups[0]);
    row("back it up into this one", &backups[1]);
    text += &format!(
        "\nOpening took {} requests and {:.2} s; {} segments, of which one chunk can be in at most {}. By one \
         thread {:.0} absent and {:.0} present chunks were looked up in a second, by two {:.0} and {:.0}.\n",
        rates.requests,
        rates.open_s,
        rates.segments,
        rates.asked,
        rates.absent[0],
        rates.present[0],
        rates.absent[1],
        rates.present[1],
    );
    text
}

fn lifeboat(repository: &Path, place: &Place, words: &[&str]) -> Command {
    let mut command = Command::new(&place.lifeboat);
    command
        .args(words)
        .env("LIFEBOAT_REPO", repository)
        .env("LIFEBOAT_KEY_FILE", key_file(repository));
    command.env("XDG_STATE_HOME", place.work.join("index-state"));
    command
}

fn key_file(repository: &Path) -> PathBuf {
    repository.with_extension("key")
}

fn init(repository: &Path, place: &Place) -> Result<()> {
    remove(place, repository)?;
    remove(place, &place.work.join("index-state"))?;
    let key = key_file(repository);
    if key.exists() {
        fs::remove_file(key)?;
    }
    quietly(&mut lifeboat(repository, place, &["init"]))
}

/// Opens a repository as the program does.
fn reach(repository: &Path) -> Result<Repository> {
    let text = fs::read_to_string(key_file(repository))?;
    let unlock = Unlock::KeyFile(Box::new(KeyFile::parse(&text)?));
    let (entropy, clock) = (Entropy::os(), Arc::new(SystemClock::new()) as Arc<dyn Clock>);
    let location = Location::Local(repository.to_path_buf());
    let io = connect(&location, &store_options(&entropy, &clock)?)?;
    let memory_bytes = MEMORY_BYTES;
    let options = OpenOptions { entropy, clock, memory_bytes, remembered: None, exclusive: false };
    Ok(open(io, &unlock, &options)?)
}

/// Makes a repository with so many chunks, by as many commits as backups would make.
fn make(chunks: u64, path: &Path, place: &Place) -> Result<()> {
    init(path, place)?;
    let repository = reach(path)?;
    let mut fold = Fold::load(&repository)?;
    let index = Index::load(&repository, &fold)?;
    let options = MergeOptions {
        level: Level::DEFAULT,
        target: TARGET_BYTES,
        merges_max: u64::MAX,
        cancel: Cancel::new(),
    };
    let (send, receive) = sync_channel(1);
    std::thread::scope(|scope| -> Result<()> {
        let repository = &repository;
        let sealing = scope.spawn(move || -> Result<()> {
            for start in (0..chunks).step_by(usize::try_from(SEGMENT_CHUNKS)?) {
                let draft = draft(start..chunks.min(start + SEGMENT_CHUNKS));
                let packs = draft.packs.clone();
                if send.send((packs, draft.seal(repository, Level::DEFAULT)?)).is_err() {
                    break;
                }
            }
            Ok(())
        });
        for (packs, segment) in receive {
            let object = |pack: &PackRecord| ListedObject {
                kind: ObjectKind::Pack,
                name: pack.name,
                size: pack.size,
            };
            let mut objects: Vec<ListedObject> = packs.iter().map(object).collect();
            objects.push(segment.object);
            repository.io().put_soon(&segment.key, segment.bytes.into())?;
            let run = RunId(repository.random()?);
            commit(repository, &mut fold, run, objects, Vec::new())?;
            merge_segments(repository, &mut fold, &index, run, &options)?;
            checkpoint::maybe_write(repository, &fold)?;
        }
        sealing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    checkpoint::write(&repository, &fold)?;
    Ok(repository.io().sync()?)
}

/// The records of these chunks, in frames of random lengths.
fn draft(numbers: std::ops::Range<u64>) -> SegmentDraft {
    let mut random = Random::new(numbers.start, "frames");
    let mut draft = SegmentDraft { packs: Vec::new(), records: Vec::new() };
    let (mut offset, mut sealed) = (0_u32, 0_u32);
    for (place, number) in (0_u64..).zip(numbers) {
        let (in_pack, in_frame) = (place % PACK_CHUNKS, place % FRAME_CHUNKS);
        if in_pack == 0 {
            let name = ObjectName { hash: object_hash(&(!number).to_le_bytes()), upload: [1; 8] };
            draft.packs.push(PackRecord { name, size: 32 << 20, kind: PackKind::Data });
            (offset, sealed) = (1000, 0);
        }
        if in_frame == 0 {
            offset += sealed;
            sealed = 300_000 + u32::try_from(random.below(600_000)).expect("it is less");
        }
        let length = 1 << 16;
        draft.records.push(IndexRecord {
            id: id(number),
            pack: u32::try_from(draft.packs.len() - 1).expect("some hundred"),
            frame: u32::try_from(in_pack / FRAME_CHUNKS).expect("less than 512"),
            frame_offset: offset,
            frame_sealed_len: sealed,
            frame_raw_len: length * u32::try_from(FRAME_CHUNKS).expect("it is 16"),
            offset: length * u32::try_from(in_frame).expect("less than 16"),
            length,
            frame_codec: Codec::Zstd,
            generation: GENERATION,
        });
    }
    draft
}

fn id(number: u64) -> ChunkId {
    ChunkId(object_hash(&number.to_le_bytes()).0)
}

/// What a process that looks chunks up says of it.
#[derive(Clone, Copy, Debug)]
struct Looked {
    requests: u64,
    open_s: f64,
    segments: usize,
    asked: usize,
    /// In a second, by one thread and by two.
    absent: [f64; 2],
    present: [f64; 2],
}

impl Looked {
    fn parse(text: &str) -> Result<Self> {
        let numbers: Vec<f64> =
            text.split_whitespace().map_while(|word| word.parse().ok()).collect();
        let [requests, open_s, segments, asked, absent, absent_2, present, present_2] = numbers[..]
        else {
            anyhow::bail!("look-up wrote {text:?}");
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "they are counts"
        )]
        let count = |number: f64| number as usize;
        Ok(Self {
            requests: count(requests) as u64,
            open_s,
            segments: count(segments),
            asked: count(asked),
            absent: [absent, absent_2],
            present: [present, present_2],
        })
    }
}

/// Opens the repository, looks so many chunks up that it does not have and that it has, and writes what
/// that took: requests and seconds of opening, segments, the most that are asked for one chunk, and
/// look-ups in a second, absent ones by one thread and by two, and present ones.
///
/// # Errors
///
/// The repository can't be opened, or does not answer as it should.
pub fn look_up(path: &Path, chunks: u64, absent: u64, present: u64) -> Result<()> {
    let begun = Instant::now();
    let repository = reach(path)?;
    let fold = Fold::load(&repository)?;
    let segments = fold.segments();
    let index = Index::load(&repository, &fold)?;
    drop(fold);
    let open_s = begun.elapsed().as_secs_f64();
    let requests = repository.io().meter().snapshot().requests();
    let asked = (0..100)
        .map(|number| segments.iter().filter(|segment| segment.prefix.has(&id(number))).count());
    let asked = asked.max().unwrap_or(0);
    let mut random = Random::new(chunks, "looked up");
    let mut rate = |count: u64, are_there: bool, threads: usize| -> Result<f64> {
        let ids: Vec<ChunkId> = (0..count)
            .map(|_| id(random.below(chunks) + if are_there { 0 } else { chunks }))
            .collect();
        let begun = Instant::now();
        let wrong = Mutex::new(None);
        std::thread::scope(|scope| {
            for part in ids.chunks(ids.len().div_ceil(threads).max(1)) {
                let (index, wrong) = (&index, &wrong);
                scope.spawn(move || {
                    for id in part {
                        let found = index.knows(id);
                        if !matches!(found, Ok(found) if found == are_there) {
                            *wrong.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
                        }
                    }
                });
            }
        });
        let seconds = begun.elapsed().as_secs_f64();
        let wrong = wrong.into_inner().unwrap_or_else(PoisonError::into_inner);
        ensure!(wrong.is_none(), "a chunk was looked up: {wrong:?}");
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        Ok(count as f64 / seconds)
    };
    let (absent, absent_2) = (rate(absent, false, 1)?, rate(absent, false, 2)?);
    let (present, present_2) = (rate(present, true, 1)?, rate(present, true, 2)?);
    say(&format!(
        "{requests} {open_s} {} {asked} {absent} {absent_2} {present} {present_2}",
        segments.len()
    ))?;
    Ok(())
}
