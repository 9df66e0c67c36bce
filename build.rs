//! Compiles `proto/` with protox, so that no machine needs `protoc`.

use std::{env, fs, path::PathBuf};

use prost::Message;

const PROTOS: [&str; 8] = [
    "jobflow/v1/job.proto",
    "jobflow/v1/job_service.proto",
    "jobflow/v1/queue_service.proto",
    "jobflow/v1/worker_service.proto",
    "jobflow/v1/metrics_service.proto",
    "jobflow/v1/admin_service.proto",
    "jobflow/v1/handler_service.proto",
    "jobflow/v1/token_service.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(PROTOS, ["proto"])?;
    // The server's reflection service answers from these bytes.
    let out = PathBuf::from(env::var("OUT_DIR")?).join("descriptor.bin");
    fs::write(out, descriptors.encode_to_vec())?;
    let mut config = prost_build::Config::new();
    config.enable_type_names();
    tonic_prost_build::configure()
        .build_transport(false)
        .bytes(".")
        .compile_fds_with_config(descriptors, config)?;
    Ok(())
}
