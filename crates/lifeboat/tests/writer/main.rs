//! The writer of docs/protocol.md over stores that fail, lose power or are shared, and runs that are
//! stopped: what was committed restores, the next run goes on, and `check` finds nothing.
#![expect(clippy::print_stdout, reason = "figures")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod beside;
mod collected;
mod company;
mod faults;
mod foretold;
mod history;
mod interrupted;
mod keeping;
mod kept_marks;
mod large;
mod locks;
mod outage;
mod pace;
mod power;
mod repacked;
mod requests;
mod restores;
mod scene;
mod stuck;
mod world;
