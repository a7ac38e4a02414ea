//! What a pack says in the clear of its own bytes: footers, the table of stripes, and whether it holds.
//!
//! Knows lengths and checksums; needs no key. The checker of [`super::pack`] gives it all bytes in their order.

use std::ops::Range;

use lifeboat_codec::hash::ContentHasher;
use lifeboat_format::id::ObjectHash;
use lifeboat_format::key::ObjectKey;
use lifeboat_format::pack::{Footer, STRIPE_SIZE, Stripes, TAIL_LEN, parse_stripes};

use crate::check::pack::{NAMED_MAX, PackBytes, PackFindings};
use crate::error::Result;
use crate::mend;

/// Where a pack's parts are, and what its stripes' checksums must be.
pub(super) struct Layout {
    pub(super) footer: Footer,
    pub(super) checksums: Option<Vec<u32>>,
}

/// Where the parts are, if a footer says so, and what is wrong with the copies that say it.
pub(super) fn read_layout(pack: &PackBytes<'_>) -> Result<(Option<Layout>, Vec<String>)> {
    let mut problems = Vec::new();
    let tail = pack.read(pack.len - TAIL_LEN as u64..pack.len)?;
    let [first, last] = Footer::parse_both(&tail, pack.len);
    let footer = match (first, last) {
        (Ok(first), Ok(last)) => {
            if first != last {
                problems.push("its two footers differ".to_owned());
            }
            last
        }
        (Err(cause), Ok(whole)) | (Ok(whole), Err(cause)) => {
            problems.push(format!("one of its footers is damaged: {cause}"));
            whole
        }
        (Err(_), Err(cause)) => {
            problems.push(format!("both of its footers are damaged: {cause}"));
            return Ok((None, problems));
        }
    };
    let tables = pack.read(footer.stripes_range())?;
    let (one, other) = tables.split_at(tables.len() / 2);
    if one != other {
        problems.push("its two tables of stripe checksums differ".to_owned());
    }
    let checksums = parse_stripes(&tables, &footer);
    if let Err(cause) = &checksums {
        problems.push(cause.to_string());
    }
    Ok((Some(Layout { footer, checksums: checksums.ok() }), problems))
}

/// The damaged stripes, the first of them one by one.
pub(super) fn stripe_problems(damaged: &[u64], layout: Option<&Layout>) -> Vec<String> {
    let Some(Layout { footer, .. }) = layout else { return Vec::new() };
    let one = |stripe: &u64| {
        let Range { start, end } = footer.stripe_range(*stripe);
        let what = if *stripe < footer.body_stripes() { "" } else { "of parity " };
        format!("stripe {stripe} {what}(bytes {start} to {end}) is damaged")
    };
    let mut problems: Vec<String> = damaged.iter().take(NAMED_MAX).map(one).collect();
    if damaged.len() > NAMED_MAX {
        problems.push(format!("{} stripes are damaged in all", damaged.len()));
    }
    problems
}

/// What all bytes add up to: the hash for the name, and the checksums of the stripes of body and parity.
pub(super) struct Sums {
    hasher: ContentHasher,
    stripes: Stripes,
    body_left: u64,
    parity_left: u64,
}

impl Sums {
    pub(super) fn new(layout: Option<&Layout>) -> Self {
        let footer = layout.map(|layout| &layout.footer);
        Self {
            hasher: ContentHasher::new(),
            stripes: Stripes::new(footer.map_or(STRIPE_SIZE, Footer::stripe_size)),
            body_left: footer.map_or(0, |footer| footer.body_len),
            parity_left: footer.map_or(0, |footer| footer.parity_len),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        let rest = take(&mut self.body_left, bytes, &mut self.stripes);
        if self.body_left == 0 {
            self.stripes.end_body();
            take(&mut self.parity_left, rest, &mut self.stripes);
        }
    }

    pub(super) fn compare(
        self,
        key: ObjectKey,
        layout: Option<&Layout>,
        findings: &mut PackFindings,
    ) {
        if let Some(Layout { footer, checksums: Some(checksums) }) = layout {
            let found = self.stripes.finish();
            findings.damaged = (0..)
                .zip(found.iter().zip(checksums))
                .filter(|(_, (found, wanted))| found != wanted)
                .map(|(place, _)| place)
                .collect();
            let count = findings.damaged.len() as u64;
            findings.problems.extend(stripe_problems(&findings.damaged, layout));
            if footer.parity_len > 0 && count > footer.parity_stripes() {
                let text = mend::too_many(&findings.damaged, footer);
                findings.problems.push(text);
            }
        }
        let hash = ObjectHash(self.hasher.finish());
        if key.name().is_some_and(|name| name.hash != hash) {
            findings.problems.push("its bytes do not have the hash that its name says".to_owned());
        }
    }
}

/// Adds as many bytes as are `left`; those behind them.
fn take<'b>(left: &mut u64, bytes: &'b [u8], stripes: &mut Stripes) -> &'b [u8] {
    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
    *left -= count as u64;
    let (taken, rest) = bytes.split_at(count);
    stripes.update(taken);
    rest
}
