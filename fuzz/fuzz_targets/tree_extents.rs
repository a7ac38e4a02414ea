//! `fuzz_harness::trees::extents` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = fuzz_harness::trees::extents(input);
});
