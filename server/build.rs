//! Generates the services with a codec of the server's own, around the messages
//! of the library. Makes a release build notice a new dashboard: it embeds
//! `web/dist`. A debug build reads the folder when it runs, if there was one when it
//! was built.

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
    let dist = Path::new("../web/dist");
    if !dist.is_dir() {
        // Also a debug build has to be made anew once the folder is there. One that is
        // not there would make every build start over, so that above it is watched.
        println!("cargo:rerun-if-changed=../web");
    } else if env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo:rerun-if-changed={}", dist.display());
    }
    Ok(())
}
