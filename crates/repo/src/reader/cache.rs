//! A map that forgets what was used longest ago when it weighs too much.
//!
//! Knows weights, not what it keeps. Not shared by itself: the owner locks it, and does no work on
//! values while it is locked.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Values by key, up to a total weight.
#[derive(Debug)]
pub(super) struct Lru<K, V> {
    slots: HashMap<K, Slot<V>>,
    // The keys by when they were last used, oldest first.
    by_use: BTreeMap<u64, K>,
    clock: u64,
    weight: u64,
    weight_max: u64,
}

#[derive(Debug)]
struct Slot<V> {
    value: V,
    weight: u64,
    used: u64,
}

impl<K: Copy + Eq + Hash, V: Clone> Lru<K, V> {
    /// An empty one that never weighs more than `weight_max`.
    pub(super) fn new(weight_max: u64) -> Self {
        Self { slots: HashMap::new(), by_use: BTreeMap::new(), clock: 0, weight: 0, weight_max }
    }

    /// The value of `key`, which is now the one used last.
    pub(super) fn get(&mut self, key: &K) -> Option<V> {
        let slot = self.slots.get_mut(key)?;
        self.clock += 1;
        self.by_use.remove(&slot.used);
        self.by_use.insert(self.clock, *key);
        slot.used = self.clock;
        Some(slot.value.clone())
    }

    /// Keeps `value`, and forgets the oldest until all fits. What alone weighs more than half of the
    /// limit is not kept: it would push out everything else.
    pub(super) fn insert(&mut self, key: K, value: V, weight: u64) {
        self.remove(&key);
        if weight > self.weight_max / 2 {
            return;
        }
        self.clock += 1;
        self.by_use.insert(self.clock, key);
        self.slots.insert(key, Slot { value, weight, used: self.clock });
        self.weight += weight;
        while self.weight > self.weight_max
            && let Some((_, oldest)) = self.by_use.first_key_value()
        {
            let oldest = *oldest;
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, key: &K) {
        if let Some(slot) = self.slots.remove(key) {
            self.by_use.remove(&slot.used);
            self.weight -= slot.weight;
        }
    }

    /// What all kept values weigh.
    #[cfg(test)]
    pub(super) fn weight(&self) -> u64 {
        self.weight
    }
}

#[cfg(test)]
mod tests;
