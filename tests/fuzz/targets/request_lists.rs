#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| jobflow_fuzz::read(jobflow_server::fuzzing::TARGETS, "request_lists", input));
