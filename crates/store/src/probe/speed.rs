//! How long small requests take, and how fast bytes move: one object at a time, and many at once.
//!
//! Moves incompressible bytes, made from the seed. At most [`AT_ONCE`] objects of [`OBJECT_MAX`]
//! bytes are held at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use tokio::time::Instant;

use crate::probe::place::{Place, is_answer};
use crate::probe::report::{Grade, Latency, ProbeReport, Rate, Speed, Subject};
use crate::probe::{ProbeOptions, Watch};
use crate::{Error, ErrorKind, Payload, Result, Store};

const AT_ONCE: usize = 8;
const OBJECT_MIN: u64 = 64 << 10;
const OBJECT_MAX: u64 = 8 << 20;
/// Into how many objects the bytes are cut, unless these become too small or too large.
const OBJECTS: u64 = 16;

const SMALL_PUTS: usize = 5;
const SMALL_GETS: usize = 9;

/// Measures; `object` is a small one that is there.
pub(super) async fn measure(
    place: &mut Place,
    options: &ProbeOptions,
    report: &mut ProbeReport,
    object: &str,
    watch: &dyn Watch,
) -> Result<()> {
    let latency = latency(place, object).await?;
    report.latency = Some(latency);
    let found = format!(
        "a small put takes {} ms, a small get {} ms",
        millis(latency.put),
        millis(latency.get)
    );
    if options.speed_bytes == 0 {
        report.tell(Subject::Speed, Grade::Good, found, "", "");
        return Ok(());
    }
    let objects = Objects::new(place, options);
    match transfer(&place.store, &objects, watch).await {
        Ok(Some(speed)) => {
            report.speed = Some(speed);
            let found = format!("{found}; {}", speed_text(&speed));
            let meaning = format!(
                "1 TB of new data needs at least {} to go up, and {} to come back",
                hours(&speed.put_many),
                hours(&speed.get_many)
            );
            report.tell(Subject::Speed, Grade::Good, found, &meaning, "");
        }
        // It was stopped.
        Ok(None) => {}
        Err(error) if !is_answer(&error) => return Err(error),
        Err(error) => {
            let found = format!("objects of some MiB can't be moved: {error}");
            let meaning = "packs are larger than that: no repository can be kept here";
            report.tell(Subject::Speed, Grade::Unfit, found, meaning, "");
        }
    }
    Ok(())
}

fn speed_text(speed: &Speed) -> String {
    let rate = |rate: &Rate| format!("{:.1}", rate.bytes_per_s() / 1e6);
    format!(
        "up go {} MB/s one at a time and {} MB/s with {} at once, down come {} and {} MB/s",
        rate(&speed.put_one),
        rate(&speed.put_many),
        speed.at_once,
        rate(&speed.get_one),
        rate(&speed.get_many),
    )
}

async fn latency(place: &mut Place, object: &str) -> Result<Latency> {
    let mut puts = Vec::with_capacity(SMALL_PUTS);
    for number in 0..SMALL_PUTS {
        let key = place.take(&format!("small/{number}"));
        let started = Instant::now();
        place.store.put_new(&key, Bytes::from(format!("small {number}")).into()).await?;
        puts.push(started.elapsed());
    }
    let mut gets = Vec::with_capacity(SMALL_GETS);
    for _ in 0..SMALL_GETS {
        let started = Instant::now();
        place.store.get(object).await?;
        gets.push(started.elapsed());
    }
    Ok(Latency { put: median(puts), get: median(gets) })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The objects that are moved: each a header of its own and the same many bytes.
struct Objects {
    keys: Vec<String>,
    bytes: Bytes,
    /// How many of them move one after the other.
    alone: usize,
}

impl Objects {
    fn new(place: &mut Place, options: &ProbeOptions) -> Self {
        let each = (options.speed_bytes / OBJECTS).clamp(OBJECT_MIN, OBJECT_MAX);
        let count = (options.speed_bytes / each).max(4);
        let keys: Vec<_> =
            (0..count).map(|number| place.take(&format!("speed/{number:04}"))).collect();
        let alone = (keys.len() / 4).min(AT_ONCE);
        Self { keys, bytes: noise(options.seed, each), alone }
    }

    fn payload(&self, key: &str) -> Payload {
        let header = Bytes::copy_from_slice(key.as_bytes());
        [header, self.bytes.clone()].into_iter().collect()
    }

    fn object_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }
}

async fn transfer(
    store: &Arc<dyn Store>,
    objects: &Objects,
    watch: &dyn Watch,
) -> Result<Option<Speed>> {
    let (alone, many) = objects.keys.split_at(objects.alone);
    let at_once = AT_ONCE.min(many.len());
    let put_one = timed(store, objects, alone, Way::Up, 1, watch).await?;
    let put_many = timed(store, objects, many, Way::Up, at_once, watch).await?;
    let get_one = timed(store, objects, alone, Way::Down, 1, watch).await?;
    let get_many = timed(store, objects, many, Way::Down, at_once, watch).await?;
    if watch.is_stopped() {
        return Ok(None);
    }
    let object_bytes = objects.object_bytes();
    Ok(Some(Speed { object_bytes, at_once, put_one, put_many, get_one, get_many }))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

async fn timed(
    store: &Arc<dyn Store>,
    objects: &Objects,
    keys: &[String],
    way: Way,
    at_once: usize,
    watch: &dyn Watch,
) -> Result<Rate> {
    let started = Instant::now();
    let failed = AtomicBool::new(false);
    let goes_on = || !watch.is_stopped() && !failed.load(Ordering::Relaxed);
    let moves = keys.iter().take_while(|_| goes_on()).map(|key| {
        let payload = objects.payload(key);
        let (store, key) = (Arc::clone(store), key.clone());
        // A task each: signing and hashing must not wait for one another.
        let moved = tokio::spawn(async move { shift(&store, &key, payload, way).await });
        async move {
            match moved.await {
                Ok(moved) => moved,
                Err(error) => {
                    Err(Error::new(ErrorKind::Other, "move", "objects").with_source(error))
                }
            }
        }
    });
    let mut moved = stream::iter(moves).buffer_unordered(at_once.max(1));
    let (mut bytes, mut first_error) = (0, None);
    // Also after an error those under way are waited for: they would be put after the clearing up.
    while let Some(result) = moved.next().await {
        match result {
            Ok(more) => {
                watch.moved(more);
                bytes += more;
            }
            Err(error) => {
                failed.store(true, Ordering::Relaxed);
                first_error = first_error.or(Some(error));
            }
        }
    }
    match first_error {
        Some(error) => Err(error),
        None => Ok(Rate { bytes, time: started.elapsed() }),
    }
}

async fn shift(store: &Arc<dyn Store>, key: &str, payload: Payload, way: Way) -> Result<u64> {
    let bytes = payload.len();
    match way {
        Way::Up => store.put_new(key, payload).await?,
        Way::Down => {
            let found = store.get(key).await?;
            if !payload.equals(&found) {
                let detail = "other bytes were read than were written";
                return Err(Error::new(ErrorKind::Other, "get", key).with_detail(detail));
            }
        }
    }
    Ok(bytes)
}

/// Bytes that no compression makes fewer (splitmix64).
fn noise(seed: u64, len: u64) -> Bytes {
    let mut state = seed;
    let words = (0..len.div_ceil(8)).flat_map(|_| {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (word ^ (word >> 31)).to_le_bytes()
    });
    Bytes::from_iter(words)
}

fn millis(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e3)
}

/// How long 1 TB takes at this rate.
fn hours(rate: &Rate) -> String {
    let hours = 1e12 / rate.bytes_per_s() / 3600.0;
    if hours < 48.0 { format!("{hours:.1} hours") } else { format!("{:.0} days", hours / 24.0) }
}
