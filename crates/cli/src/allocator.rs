//! How the system's allocator is set, so that the memory budget holds for the process and not only for
//! what is in use.
//!
//! Called once, in `main`, before there is any other thread. A library does not do this: the allocator
//! is its program's.

/// Makes the C library map every buffer from 1 MiB on by itself, so that it is gone when it is freed.
///
/// By itself glibc raises that limit up to 32 MiB as such buffers are freed, and takes the next ones from
/// a heap of each thread, where they are kept as long as anything behind them is in use. A restore of 3 GB
/// within 256 MiB then held 298 MiB, and 170 MiB with the limit, at no cost in time (docs/decisions/0010).
pub(crate) fn give_large_buffers_back() {
    #[cfg(target_env = "gnu")]
    {
        const LIMIT_BYTES: libc::c_int = 1 << 20;
        #[expect(
            unsafe_code,
            reason = "no safe crate sets parameters of the C library's allocator"
        )]
        // SAFETY: it takes two numbers and changes a setting; no other thread allocates meanwhile.
        let set = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LIMIT_BYTES) };
        if set == 0 {
            tracing::debug!("the allocator keeps its own limit");
        }
    }
}
