//! `fuzz_harness::segments::block` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = fuzz_harness::segments::block(input);
});
