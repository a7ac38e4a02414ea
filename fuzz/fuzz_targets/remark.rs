//! `fuzz_harness::texts::remark` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = fuzz_harness::texts::remark(input);
});
