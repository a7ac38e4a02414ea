//! `fuzz_harness::small::object_key` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = fuzz_harness::small::object_key(input);
});
