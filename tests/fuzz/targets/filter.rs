#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| jobflow_fuzz::read(jobflow::testing::fuzz::TARGETS, "filter", input));
