//! `fuzz_harness::log::entry` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = fuzz_harness::log::entry(input);
});
