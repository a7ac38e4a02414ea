//! How the system's allocator is set, so that the memory budget holds for the process and not only for
//! what is in use.
//!
//! Called once, in `main`, before there is any other thread. A library does not do this: the allocator
//! is its program's.

/// Makes the C library map every buffer from 1 MiB on by itself, so that it is gone when it is freed, and
/// keep only so much of what was smaller.
///
/// By itself glibc raises the first limit up to 32 MiB as such buffers are freed, and takes the next ones from
/// a heap of each thread, where they are kept as long as anything behind them is in use. A restore of 3 GB
/// within 256 MiB then held 298 MiB, and 170 MiB with the limit, at no cost in time. Where the first limit is
/// set, the second stays at 128 KiB, and every buffer of some hundred KiB goes back to the kernel and comes again
/// page by page: a tenth of what `check --read-data` took (docs/decisions/0010).
#[cfg_attr(
    not(target_env = "gnu"),
    expect(unused_variables, reason = "others have no such settings")
)]
pub(crate) fn give_large_buffers_back(memory_bytes: u64, threads: usize) {
    #[cfg(target_env = "gnu")]
    {
        const MAPPED_FROM: libc::c_int = 1 << 20;
        // Of the memory budget, what the ends of all heaps may keep; there is about one for each thread.
        const KEPT_PART: u64 = 32;
        // Less is no good, and more gains nothing, in bytes.
        const KEPT_MIN: u64 = 128 << 10;
        const KEPT_MAX: u64 = 4 << 20;
        let heaps = u64::try_from(threads.max(1)).unwrap_or(u64::MAX);
        let kept = (memory_bytes / KEPT_PART / heaps).clamp(KEPT_MIN, KEPT_MAX);
        let kept = libc::c_int::try_from(kept).unwrap_or(libc::c_int::MAX);
        for (parameter, bytes) in
            [(libc::M_MMAP_THRESHOLD, MAPPED_FROM), (libc::M_TRIM_THRESHOLD, kept)]
        {
            #[expect(
                unsafe_code,
                reason = "no safe crate sets parameters of the C library's allocator"
            )]
            // SAFETY: it takes two numbers and changes a setting; no other thread allocates meanwhile.
            let set = unsafe { libc::mallopt(parameter, bytes) };
            if set == 0 {
                tracing::debug!(parameter, "the allocator keeps its own limit");
            }
        }
    }
}
