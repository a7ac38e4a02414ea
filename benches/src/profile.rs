//! What a command's CPU time is spent on, by stage: `perf` samples it, and each function is counted
//! for the stage that it serves.
//!
//! By the innermost function alone, so that it needs no frame pointers: a copy or a page fault counts as
//! such, whoever caused it.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

/// Samples in a second.
const RATE: &str = "999";

/// Words in a function's name, and what it is counted for: the first that fits.
const STAGES: [(&[&str], &str); 19] = [
    (
        &["huf_decompress", "decompress", "dctx", "fsetable_body", "huf_readdtable"],
        "inflate, to verify (zstd)",
    ),
    (&["zstd_", "huf_", "fse_", "hist_count"], "compress (zstd)"),
    (&["fastcdc", "codec::cut"], "cut (FastCDC)"),
    (&["blake3"], "hash (BLAKE3, of chunks and packs)"),
    (&["aes", "polyval", "ghash", "universal_hash", "inout"], "seal (AES-256-GCM)"),
    (&["crc32"], "checksums (CRC-32)"),
    (&["argon2"], "the passphrase (Argon2id)"),
    (&["memmove", "memcpy", "memset"], "copies of memory"),
    (&["malloc", "free", "realloc", "calloc", "sysmalloc"], "the allocator"),
    (
        &[
            "copy_to_iter",
            "filemap_read",
            "filemap_get",
            "copy_page_to",
            "vfs_read",
            "ext4_file_read",
        ],
        "kernel: read",
    ),
    (
        &[
            "copy_from",
            "iov_iter",
            "bio",
            "dio",
            "iomap",
            "ext4_da",
            "writeb",
            "blk_",
            "virtio",
            "submit",
            "jbd2",
        ],
        "kernel: write",
    ),
    (
        &[
            "fault",
            "clear_page",
            "clear_huge",
            "anon",
            "unmap",
            "pte",
            "lruvec",
            "folio",
            "rmqueue",
            "free_unref",
        ],
        "kernel: memory",
    ),
    (
        &[
            "statx", "lookup", "dentry", "d_", "getdents", "readdir", "path", "namei", "inode",
            "open", "xattr",
        ],
        "kernel: names and metadata",
    ),
    (
        &["futex", "sched", "switch", "wake", "irq", "spin", "idle", "timer"],
        "kernel: waiting and waking",
    ),
    (&["syscall", "entry", "do_", "__x64"], "kernel: entering and leaving"),
    (&["::walk", "::source", "::stat", "::names"], "walk"),
    (
        &["::tree", "::index", "::claim", "cbor", "quick_cache", "hashbrown"],
        "claim, index and tree",
    ),
    (&["lifeboat"], "other code of ours"),
    (&["tokio", "std::", "core::", "alloc::"], "the runtime and libraries"),
];
const REST: &str = "everything else";

/// The part of the CPU time that each stage took, the largest first; nothing where there is no `perf`.
///
/// # Errors
///
/// The command failed, or `perf` wrote what can't be read.
pub fn profile(command: &Command, work: &Path) -> Result<Option<Vec<(&'static str, f64)>>> {
    let perf = || Command::new("perf");
    if !perf().arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success())
    {
        return Ok(None);
    }
    let data = work.join("perf.data");
    let mut record = perf();
    record.args(["record", "--quiet", "--freq", RATE, "--output"]).arg(&data).arg("--");
    record.arg(command.get_program()).args(command.get_args());
    record.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let status = record.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    ensure!(status.success(), "perf record ended with {status}");
    let mut report = perf();
    report.args([
        "report",
        "--stdio",
        "--no-children",
        "--sort",
        "symbol",
        "--field-separator",
        "|",
    ]);
    let output = report.arg("--input").arg(&data).stderr(Stdio::null()).output()?;
    ensure!(output.status.success(), "perf report ended with {}", output.status);
    parse(&String::from_utf8_lossy(&output.stdout)).map(Some)
}

fn parse(report: &str) -> Result<Vec<(&'static str, f64)>> {
    let mut stages: BTreeMap<&str, f64> = BTreeMap::new();
    for line in report.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        let (part, symbol) =
            line.split_once('|').with_context(|| format!("perf wrote {line:?}"))?;
        let part: f64 = part.trim().trim_end_matches('%').parse().context(line.to_owned())?;
        *stages.entry(stage(symbol)).or_default() += part / 100.0;
    }
    let mut stages: Vec<_> = stages.into_iter().collect();
    stages.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    Ok(stages)
}

/// What a function is counted for: `[.] name`, or `[k] name` in the kernel.
fn stage(symbol: &str) -> &'static str {
    let is_kernel = symbol.trim_start().starts_with("[k]");
    let name = symbol.to_lowercase();
    let fits = |(words, stage): &&(&[&str], &str)| {
        is_kernel == stage.starts_with("kernel") && words.iter().any(|word| name.contains(word))
    };
    let rest = if is_kernel { "kernel: everything else" } else { REST };
    STAGES.iter().find(fits).map_or(rest, |(_, stage)| stage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_counted_for_their_stages() {
        let report = "# a heading\n 40.00%|[.] ZSTD_compressBlock_doubleFast_bmi2\n\n\
                      10.00%|[.] ZSTD_decompressSequences_bmi2.constprop.0\n 5.50%|[.] _blake3_hash_many_avx512\n\
                      4.50%|[.] <aes::backends::x86_vaes512::Aes<_>>::encrypt\n20.00%|[k] clear_page_erms\n\
                      1.00%|[k] free_unref_page\n2.00%|[.] lifeboat::source::walk::Walk::next\n 3.00%|[k] nobody_knows\n";
        let stages = parse(report).unwrap();
        assert_eq!(stages[0].0, "compress (zstd)");
        // In hundredths, since sums of fractions are not exact.
        let of = |stage| {
            let found = stages.iter().find(|(name, _)| *name == stage);
            found.map(|(_, part)| format!("{part:.2}"))
        };
        assert_eq!(of("kernel: memory"), Some("0.21".to_owned()));
        assert_eq!(of("inflate, to verify (zstd)"), Some("0.10".to_owned()));
        assert_eq!(of("walk"), Some("0.02".to_owned()));
        assert_eq!(of("kernel: everything else"), Some("0.03".to_owned()));
        assert_eq!(of("the allocator"), None);
        assert!(parse("no number|x").is_err());
    }
}
