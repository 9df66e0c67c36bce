//! Makes a release build notice a new dashboard: it embeds `web/dist`. A debug
//! build reads the folder when it runs.

use std::{env, path::Path};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
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
}
