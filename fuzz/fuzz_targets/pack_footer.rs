//! `fuzz_harness::packs::footer` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = fuzz_harness::packs::footer(input);
});
