//! What goes wrong: bits that flip and objects that are lost, chosen by seeded dice.

use std::collections::BTreeSet;
use std::sync::Arc;

use lifeboat::repository::Io;
use lifeboat_format::key::ObjectKey;
use lifeboat_format::pack::{Footer, TAIL_LEN};
use lifeboat_store::Store;

use crate::world::keys;

/// What was done to an object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    Lost,
    /// A bit in each of these bytes.
    Flipped(Vec<usize>),
}

/// A damaged object, and the stripes of it that are, of packs.
#[derive(Debug)]
#[expect(dead_code, reason = "what was done is for whoever reads a failure")]
pub(crate) struct Rotten {
    pub(crate) key: ObjectKey,
    pub(crate) damage: Damage,
    pub(crate) stripes: BTreeSet<u64>,
}

/// Dice that fall alike in each run.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(kind: &str, case: u64) -> Self {
        let seed = kind.bytes().fold(case + 1, |seed, byte| seed * 31 + u64::from(byte));
        Self(seed)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }
}

/// Damages one to three objects of a kind, each in one to four places, or loses them.
pub(crate) fn spoil(store: &Arc<dyn Store>, kind: &str, dice: &mut Dice) -> Vec<Rotten> {
    let folder = kind.split(' ').next().unwrap();
    let prefix = if folder == "config" { "config".to_owned() } else { format!("{folder}/") };
    let mut left = keys(store, &prefix);
    if folder == "log" {
        // That the last one is gone nobody can know, and no checkpoint covers it.
        left.pop();
    }
    if kind == "log covered" {
        // The checkpoint is of the one before.
        left.truncate(2);
    }
    let count = 1 + dice.below(3.min(left.len()));
    (0..count)
        .map(|_| {
            let key = left.remove(dice.below(left.len()));
            spoil_one(store, &key, dice)
        })
        .collect()
}

fn spoil_one(store: &Arc<dyn Store>, key: &str, dice: &mut Dice) -> Rotten {
    let io = Io::new(Arc::clone(store)).unwrap();
    let object: ObjectKey = key.parse().unwrap();
    let mut bytes = io.get(&object).unwrap().to_vec();
    io.delete(&object).unwrap();
    if dice.below(3) == 0 {
        return Rotten { key: object, damage: Damage::Lost, stripes: BTreeSet::new() };
    }
    let is_pack = matches!(object, ObjectKey::Pack(_) | ObjectKey::Tree(_));
    let footer = is_pack.then(|| {
        let tail = &bytes[bytes.len() - TAIL_LEN..];
        Footer::parse(tail, bytes.len() as u64).unwrap()
    });
    let places: BTreeSet<usize> = (0..1 + dice.below(4)).map(|_| dice.below(bytes.len())).collect();
    for place in &places {
        bytes[*place] ^= 1 << dice.below(8);
    }
    let stripes = footer.map_or_else(BTreeSet::new, |footer| {
        let is_hit = |stripe: &u64| {
            let range = footer.stripe_range(*stripe);
            places.iter().any(|place| range.contains(&(*place as u64)))
        };
        (0..footer.stripe_count()).filter(is_hit).collect()
    });
    io.put_new(&object, bytes.into()).unwrap();
    Rotten { key: object, damage: Damage::Flipped(places.into_iter().collect()), stripes }
}
