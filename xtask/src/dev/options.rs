//! What `cargo xtask dev` may be told.

use std::path::PathBuf;

use anyhow::{Result, bail};
use lexopt::prelude::*;

/// Where the server listens unless told otherwise.
pub(super) const PORT: u16 = 4000;

pub(super) const HELP: &str = "\
Usage: cargo xtask dev [--port N] [--dashboard-port N] [--redis URL | --data FOLDER]
                       [--load] [--no-build]

  --port N             REST, gRPC, grpc-web and dashboard (default 4000)
  --dashboard-port N   the dashboard once more (default 3000, or 3001)
  --redis URL          this Redis instead of an own one
  --data FOLDER        where the own one keeps its data (default .jobflow/redis)
  --load               submit jobs all the time, as a demonstration
  --no-build           start what was built last

Builds what has changed, starts redis-server, server and a worker with
simulated handlers, and stops all of them on Ctrl-C.
RUST_LOG decides how much they log.";

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) port: Option<u16>,
    pub(super) dashboard_port: Option<u16>,
    pub(super) redis: Option<String>,
    pub(super) data: Option<PathBuf>,
    pub(super) load: bool,
    pub(super) no_build: bool,
}

impl Options {
    pub(super) fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self::default();
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            match argument {
                Long("port") => options.port = Some(parser.value()?.parse()?),
                Long("dashboard-port") => options.dashboard_port = Some(parser.value()?.parse()?),
                Long("redis") => options.redis = Some(parser.value()?.string()?),
                Long("data") => options.data = Some(parser.value()?.into()),
                Long("no-build") => options.no_build = true,
                Long("load") => options.load = true,
                other => bail!("{} (see `cargo xtask dev --help`)", other.unexpected()),
            }
        }
        if options.redis.is_some() && options.data.is_some() {
            bail!("--data is for the own Redis, --redis for another one: pass one of them");
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        let words: Vec<String> = line.split_whitespace().map(String::from).collect();
        Options::parse(&words)
    }

    #[test]
    fn every_option_is_understood() {
        let options = parse("--port 4100 --dashboard-port=3100 --redis redis://h/ --load").unwrap();
        assert_eq!(options.port, Some(4100));
        assert_eq!(options.dashboard_port, Some(3100));
        assert_eq!(options.redis.as_deref(), Some("redis://h/"));
        assert!(options.load && !options.no_build);
        let options = parse("--data /tmp/x --no-build").unwrap();
        assert_eq!(options.data, Some(PathBuf::from("/tmp/x")));
        assert!(options.no_build);
        assert_eq!(parse("").unwrap(), Options::default());
    }

    #[test]
    fn what_is_not_an_option_is_refused() {
        for line in [
            "--ports 1",
            "--port",
            "--port x",
            "--port 70000",
            "more",
            "--redis a --data b",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
