//! Backs up, restores and checks volumes: the library behind the `lifeboat` command.
//!
//! A repository is created once and opened with a passphrase or a key file. A backup writes a
//! snapshot of directories; a restore brings one back below a target directory; both tell a monitor
//! where they stand.
//!
//! ```
//! use std::path::Path;
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicU64, Ordering};
//!
//! use lifeboat::backup::{BackupOptions, Outcome, backup};
//! use lifeboat::monitor::Monitor;
//! use lifeboat::repository::{
//!     Clock, Entropy, InitOptions, KeyFile, NewSlot, OpenOptions, Secret32, SlotSecret,
//!     SystemClock, Unlock, View, connect, create, init, locate, open, store_options,
//! };
//! use lifeboat::restore::{Origin, RestoreOptions, restore};
//! use lifeboat::{Context, Kind};
//!
//! /// Counts what is done; a service would export it, a terminal draw it.
//! #[derive(Default)]
//! struct Progress(AtomicU64);
//!
//! impl Monitor for Progress {
//!     fn advance(&self, _files: u64, bytes: u64) {
//!         self.0.fetch_add(bytes, Ordering::Relaxed);
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let (data, place, target) =
//! #     (dir.path().join("data"), dir.path().join("repository"), dir.path().join("restored"));
//! # std::fs::create_dir(&data)?;
//! # std::fs::write(data.join("letter"), "Dear reader")?;
//! // A path, or a URL such as `s3://bucket/prefix`.
//! let place = locate(place, Path::new("/"))?;
//! let (clock, entropy): (Arc<dyn Clock>, _) = (Arc::new(SystemClock::new()), Entropy::os());
//! let memory_bytes = 256 << 20;
//!
//! // How to reach a store: for a bucket, `Credentials::ambient()` knows who we are.
//! let store = store_options(&entropy, &clock)?;
//!
//! // Once: a repository that a key file opens. Whoever loses the key loses the repository.
//! let mut options =
//!     InitOptions::new(entropy.clone(), clock.clone(), memory_bytes, "example 1.0")?;
//! let key = Secret32::new(entropy.bytes()?);
//! let secret = SlotSecret::KeyFile(key.clone());
//! options.slots.push(NewSlot { label: "example".to_owned(), secret });
//! init(create(&place, &store)?, &options)?;
//! let key_file = KeyFile { repository: options.repository, key, config: None, slot: None };
//!
//! // From then on: open it, back up.
//! let unlock = Unlock::KeyFile(Box::new(key_file));
//! let options =
//!     OpenOptions { entropy, clock, memory_bytes, remembered: None, exclusive: false };
//! let repository = match open(connect(&place, &store)?, &unlock, &options) {
//!     Err(error) if error.kind() == Kind::WrongKey => return Err("another key, please".into()),
//!     opened => opened?,
//! };
//! let progress = Progress::default();
//! let context = Context { monitor: &progress, ..Context::default() };
//! let report = backup(&repository, &BackupOptions::new(vec![data.clone()], "myhost"), &context)?;
//! assert_eq!(report.outcome, Outcome::Complete);
//! assert_eq!(progress.0.load(Ordering::Relaxed), 11);
//!
//! // And on the day of need: restore the newest snapshot.
//! let view = View::load(&repository)?;
//! let newest = view.snapshots.live().next_back().ok_or("no snapshots")?;
//! let origin = Origin { reader: &view.reader, locate: &*view.index };
//! let report = restore(origin, &newest.snapshot, &RestoreOptions::new(&target), &context)?;
//! assert!(report.is_complete());
//! let restored = target.join(data.strip_prefix("/")?).join("letter");
//! assert_eq!(std::fs::read_to_string(restored)?, "Dear reader");
//! # Ok(())
//! # }
//! ```
//!
//! The library never reads argv, environment, terminal or wall clock by itself, never prints, and
//! every error can be matched on by its [`Kind`]. It blocks, and runs store traffic on threads of its
//! own: call it from a plain thread (`spawn_blocking` in an async program). What goes wrong with a
//! single file is a problem in the report, not an error.

pub mod backup;
pub mod browse;
pub mod context;
pub mod doctor;
pub mod error;
pub mod monitor;
pub mod report;
pub mod repository;
pub mod restore;
pub mod source;
pub mod target;

pub use context::Context;
pub use error::{Error, Kind};
pub use lifeboat_repo::cancel::Cancel;
pub use lifeboat_repo::pace::{Pace, Pacer};
