//! The simulation: histories of what many do to one repository at once, drawn by lot, over the real code.
//!
//! A seed is a history. Operations are carried out inside calls of others, to the store, and some are cut off; afterwards
//! all that should be there is compared. It runs on a store in memory, and asks nothing of time.
//!
//! What is done, where, and with which content, is the same whenever a seed is run. Names, and how much goes into a pack,
//! depend on the order in which a backup's own threads come to do things: what is found by a seed may need a few runs
//! to be found again, so that a replay tries many times.
//!
//! `LIFEBOAT_SEED=123` replays one history, and says what was done in it. `LIFEBOAT_SEEDS=20000` draws so many;
//! `LIFEBOAT_SEED_BASE` is the first of them, without which it is made of the day.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod act;
mod end;
mod history;
mod planted;
mod run;
mod source;
mod verify;
mod world;
