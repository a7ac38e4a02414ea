//! What takes too long for every change: `cargo xtask deep` installs what these tests need and runs
//! them, one at a time.

mod garage;
mod netem;
mod nfs;
mod power_cut;
