//! Whole backups, measured: a corpus that is the same everywhere, and the tools beside each other.
//!
//! Drives programs only by their command lines, Lifeboat as its peers, so that all are measured
//! alike; but for [`index`], whose repository no program could make in time. The benchmarks of single stages are under `benches/`, with criterion, and their bytes
//! come from [`input`].

pub mod collect;
pub mod compare;
pub mod corpus;
pub mod index;
pub mod input;
pub mod link;
pub mod measure;
pub mod primitives;
pub mod profile;
pub mod restore;
pub mod results;
pub mod small_files;
pub mod tool;
