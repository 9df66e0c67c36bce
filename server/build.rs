//! Generates the services with a codec of the server's own, around the messages
//! of the library. Makes a release build notice a new dashboard: it embeds
//! `web/dist`. A debug build reads the folder when it runs.

use std::{env, path::Path};

const SERVICES: [&str; 6] = [
    "jobflow/v1/admin_service.proto",
    "jobflow/v1/job_service.proto",
    "jobflow/v1/metrics_service.proto",
    "jobflow/v1/queue_service.proto",
    "jobflow/v1/token_service.proto",
    "jobflow/v1/worker_service.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=../proto");
    tonic_prost_build::configure()
        .build_client(false)
        .build_transport(false)
        .extern_path(".jobflow.v1", "::jobflow::proto")
        .codec_path("crate::grpc::LookingCodec")
        .compile_fds(protox::compile(SERVICES, ["../proto"])?)?;
    if env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        // A folder that is not there would make every build start over.
        let dist = Path::new("../web/dist");
        let watched = if dist.is_dir() {
            dist
        } else {
            Path::new("../web")
        };
        println!("cargo:rerun-if-changed={}", watched.display());
    }
    Ok(())
}
