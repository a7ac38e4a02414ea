//! From what was typed to what the library is asked for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use lifeboat::backup::{BackupOptions, Detect};
use lifeboat::source::exclude::{ExcludeOptions, Mark};
use lifeboat::source::read::Caching;
use lifeboat::source::unchanged::Criteria;
use lifeboat_codec::compress::{Compression, Level};
use lifeboat_format::time::Time;
use lifeboat_repo::snapshots::check_tag;

use super::super::time;
use super::{lists, own};
use crate::args::{BackupArgs, KindArg};
use crate::commands::open::{TOOL, system_clock};
use crate::commands::paths;
use crate::exit::Usage;
use crate::settings::{Settings, current_dir, host_name};

/// Below this a run would do little but checkpoints.
const CHECKPOINT_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// The options of a run; reads the lists that they name.
pub(super) fn options(args: &BackupArgs, settings: &Settings) -> Result<BackupOptions> {
    let cwd = current_dir()?;
    if args.checkpoint_interval.0 < CHECKPOINT_INTERVAL_MIN {
        return Err(Usage("--checkpoint-interval: give at least 1s".to_owned()).into());
    }
    args.tag.iter().try_for_each(|tag| check_tag(tag))?;
    let host = args.host.clone().or_else(|| settings.host.clone()).unwrap_or_else(host_name);
    Ok(BackupOptions {
        selected: lists::selected(args, &cwd)?,
        source: args.source.clone(),
        tags: unique(&args.tag),
        time: args.time.as_deref().map(|text| time::parse("--time", text)).transpose()?,
        hold_until: args.hold_until.as_deref().map(hold_until).transpose()?,
        detect: match args.kind {
            KindArg::Full => Detect::Full,
            KindArg::Incremental => Detect::Incremental,
            KindArg::Differential => Detect::Differential,
        },
        criteria: Criteria { ignore_inode: args.ignore_inode, ignore_ctime: args.ignore_ctime },
        excludes: excludes(args, own::directory(settings))?,
        one_file_system: args.one_file_system,
        caching: if args.bypass_cache { Caching::Bypass } else { Caching::Usual },
        dry_run: args.dry_run,
        verify_encode: !args.no_verify_encode,
        compression: args.compression.as_deref().map_or(Ok(Compression::Auto), compression)?,
        checkpoint_interval: args.checkpoint_interval.0,
        tool: TOOL.to_owned(),
        ..BackupOptions::new(roots(&args.paths, &cwd), host)
    })
}

/// The end of a hold, which has to be to come.
fn hold_until(text: &str) -> Result<Time> {
    time::parse_to_come("--hold-until", text, system_clock().now())
}

fn roots(typed: &[PathBuf], cwd: &Path) -> Vec<PathBuf> {
    typed.iter().map(|path| paths::absolute(cwd, path)).collect()
}

fn excludes(args: &BackupArgs, repository: Option<PathBuf>) -> Result<ExcludeOptions> {
    let marks = args.exclude_if_present.iter().map(|text| Mark::parse(text.as_ref()));
    Ok(ExcludeOptions {
        patterns: args.exclude.clone(),
        files: args.exclude_file.clone(),
        ignore_files: args.lifeboatignore,
        if_present: marks.collect::<Result<_, _>>()?,
        caches: args.exclude_caches,
        larger_than_bytes: args.exclude_larger_than.map(|size| size.0),
        leave_out: repository.into_iter().collect(),
    })
}

fn compression(text: &str) -> Result<Compression> {
    match text {
        "auto" => return Ok(Compression::Auto),
        "off" => return Ok(Compression::Fixed(Level::STORED)),
        _ => {}
    }
    let level = text.parse().ok().and_then(|level| Level::zstd(level).ok());
    level.map(Compression::Fixed).ok_or_else(|| {
        let ways = "give auto, off, or a level from -7 to -1 or 1 to 19";
        Usage(format!("--compression {text}: {ways}")).into()
    })
}

fn unique(tags: &[String]) -> Vec<String> {
    let mut unique: Vec<String> = Vec::new();
    for tag in tags {
        if !unique.contains(tag) {
            unique.push(tag.clone());
        }
    }
    unique
}

#[cfg(test)]
mod tests {
    use lifeboat_codec::compress::{Compression, Level};

    #[test]
    fn compressions() {
        assert_eq!(super::compression("auto").unwrap(), Compression::Auto);
        assert_eq!(super::compression("off").unwrap(), Compression::Fixed(Level::STORED));
        assert_eq!(super::compression("3").unwrap(), Compression::Fixed(Level::DEFAULT));
        assert!(super::compression("-7").is_ok());
        for bad in ["0", "20", "-8", "fast", "Auto", ""] {
            assert!(super::compression(bad).is_err(), "{bad}");
        }
    }
}
