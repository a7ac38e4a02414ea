//! The index: every segment opens, and every record points into a pack that counts.
//!
//! Knows records and packs by name; what lies at those places is for [`super::data`].

use std::collections::HashMap;
use std::sync::Arc;

use lifeboat_format::envelope::PREAMBLE_LEN;
use lifeboat_format::index::{IndexRecord, PackRecord};
use lifeboat_format::key::ObjectKey;

use crate::check::digest::Digests;
use crate::check::{Check, is_of_the_object};
use crate::error::Result;
use crate::index::{Index, LostSegment};
use crate::log::{Fold, LiveSegment};

/// So many merged segments are looked at between two looks at the cancel token.
const MERGED_AT_ONCE: usize = 64;
/// And so much of them is in memory at once, in bytes, unless one alone has more.
const MERGED_BYTES_AT_ONCE: u64 = 4 << 20;
/// Packs that no segment covers and that are named one by one in the notes.
const NAMED_MAX: usize = 5;

impl Check<'_> {
    /// Opens the segments, and looks at every record of them.
    pub(super) fn index(&mut self, fold: &Fold) -> Result<(Arc<Index>, Digests)> {
        let mut lost = Vec::new();
        // Every chunk of every snapshot is looked up, and there are no packs yet to hold.
        let blocks = self.repository.memory_bytes() / 4;
        let index = Index::load_within(self.repository, fold, blocks, |segment| lost.push(segment));
        index.open_all(|segment| lost.push(segment));
        let all_there = lost.iter().all(|segment| segment.is_replaced);
        for LostSegment { key, error, .. } in lost {
            self.found(key, error)?;
        }
        self.merged_segments(fold, &index)?;
        let index = Arc::new(index);
        let mut faults: HashMap<ObjectKey, (u64, String)> = HashMap::new();
        let mut chunks: u64 = 0;
        let mut digests = Digests::default();
        let walked = index.for_each(|_, record, pack| {
            chunks += 1;
            // What was healed is read in the place of the damaged one.
            let key = index.standing(&pack.key());
            if self.options.read_data && fold.object(&key).is_some() {
                digests.add(key, record);
            }
            if let Some(what) = fault(record, (&key, pack), fold) {
                let (count, _) = faults.entry(key).or_insert_with(|| (0, what));
                *count += 1;
            }
            if chunks.is_multiple_of(1 << 16) { self.go_on() } else { Ok(()) }
        });
        self.report.counts.chunks = chunks;
        for (pack, (count, what)) in faults {
            let place = self
                .report
                .problem(pack, format!("{count} records of the index point wrong: {what}"));
            if fold.object(&pack).is_none() {
                self.lost.pack(pack, place);
            }
        }
        // Without all segments most packs would seem uncovered.
        let walked = walked
            .and_then(|()| if all_there { self.note_uncovered(fold, &index) } else { Ok(()) });
        match walked {
            Ok(()) => {}
            // The error names the segment.
            Err(error) if is_of_the_object(&error) => {
                let segment = error.subject().to_owned();
                self.report.problem(segment, error);
            }
            Err(error) => return Err(error),
        }
        Ok((index, digests))
    }

    /// Opens the segments that were merged, too, with all that is in them: they serve where what they became
    /// is damaged.
    fn merged_segments(&mut self, fold: &Fold, index: &Index) -> Result<()> {
        let mut merged: Vec<LiveSegment> = fold.merged_segments().collect();
        merged.sort_unstable_by_key(|segment| segment.key);
        let mut rest = merged.as_slice();
        while !rest.is_empty() {
            self.go_on()?;
            let mut bytes = 0;
            let is_within = |segment: &&LiveSegment| {
                bytes += segment.object.size;
                bytes <= MERGED_BYTES_AT_ONCE
            };
            let count = rest.iter().take(MERGED_AT_ONCE).take_while(is_within).count().max(1);
            let (some, later) = rest.split_at(count);
            rest = later;
            let read = self.repository.io().each_of(some, |segment| index.read_through(segment));
            for (segment, outcome) in some.iter().zip(read) {
                match outcome {
                    Ok(()) => {}
                    Err(error) if is_of_the_object(&error) => self.report.note(format!(
                        "{} is damaged: {error}; others have its records, so nothing is lost",
                        segment.key
                    )),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    fn note_uncovered(&mut self, fold: &Fold, index: &Index) -> Result<()> {
        let mut uncovered: std::collections::HashSet<ObjectKey> = fold
            .objects()
            .keys()
            .filter(|key| !matches!(key, ObjectKey::Index(_)))
            .copied()
            .collect();
        index.for_each_pack(|pack| {
            uncovered.remove(&pack.key());
            uncovered.remove(&index.standing(&pack.key()));
        })?;
        if !uncovered.is_empty() {
            let examples: Vec<String> =
                uncovered.iter().take(NAMED_MAX).map(ToString::to_string).collect();
            self.report.note(format!(
                "{} packs count and no index segment covers them, so nothing in them is used ({})",
                uncovered.len(),
                examples.join(", ")
            ));
        }
        Ok(())
    }
}

/// What is wrong with where a record points.
fn fault(
    record: &IndexRecord,
    (key, pack): (&ObjectKey, &PackRecord),
    fold: &Fold,
) -> Option<String> {
    let Some(object) = fold.object(key) else {
        return Some("no entry of the log names the pack".to_owned());
    };
    if object.size != pack.size {
        return Some(format!("the pack has {} bytes, not {}", object.size, pack.size));
    }
    let start = u64::from(record.frame_offset);
    let end = start + u64::from(record.frame_sealed_len);
    if start < PREAMBLE_LEN as u64 || end > object.size {
        return Some(format!("frame {} would lie from byte {start} to {end}", record.frame));
    }
    let chunk_end = u64::from(record.offset) + u64::from(record.length);
    if chunk_end > u64::from(record.frame_raw_len) {
        return Some(format!("chunk {} would end beyond its frame", record.id));
    }
    None
}
