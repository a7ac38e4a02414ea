//! Repairing: what can't be healed is given up, so that everything else is whole and work goes on.
//!
//! Three independent parts, as users of other programs know them: the index is made of the packs again ([`index`]), packs that
//! no entry names any more are taken in again ([`packs`]), and snapshots are written anew without what is lost
//! ([`snapshots`]). Heal first: a better source brings back what a repair leaves out.
//!
//! Invariants: nothing is overwritten, and nothing is removed. What is written counts by a maintainer's entry. A repair that
//! finds nothing to do appends nothing.

pub mod index;
pub mod packs;
mod rewrite;
pub mod snapshots;

#[cfg(test)]
mod tests;
