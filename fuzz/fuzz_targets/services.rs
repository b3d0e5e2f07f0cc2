#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| bedrock_model_map_fuzz::services::holds(input));
