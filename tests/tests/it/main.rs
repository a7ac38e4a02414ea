//! The end-to-end tests, in one binary: a module a subject.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what a test relies on fails it")]
#![expect(clippy::print_stdout, reason = "figures, and what was skipped and why")]

mod cli;
mod concurrent;
mod damage;
mod deep;
mod elsewhere;
mod fidelity;
mod file_systems;
mod gc;
mod heal;
mod incremental;
mod interrupted;
mod keep;
mod main_job;
mod memory;
mod mount;
mod parity;
mod polite;
mod reader;
mod refusals;
mod remote;
mod smoke;
mod torture;
mod tour;
