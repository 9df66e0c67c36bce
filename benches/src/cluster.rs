//! `jobflow-bench cluster`: what a Redis Cluster costs, and what its fail-overs
//! and slot moves do to jobs under load.
//!
//! `cost` compares with a single server; `spread` has one queue over many
//! partitions; `load` is the load with its ledger under
//! which `failovers` and `moves` happen.

mod cost;
mod failovers;
mod load;
mod moves;
mod spread;

use anyhow::{Result, ensure};
use jobflow::testing::{TestCluster, key_of};
use jobflow::{JobQueue, QueueName};
use lexopt::prelude::*;

/// What to do, and how much of it.
struct Options {
    cost: usize,
    failovers: usize,
    moves: usize,
    /// Jobs through one queue of several partitions.
    shares: usize,
    /// Workers of such a queue that have nothing to do.
    rest: usize,
    /// Jobs that wait while their queue grows to such a one.
    grow: usize,
    partitions: u8,
    /// Jobs a second, over all masters.
    rate: u32,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            cost: 0,
            failovers: 0,
            moves: 0,
            shares: 0,
            rest: 0,
            grow: 0,
            partitions: 16,
            rate: 2_000,
        };
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            match argument {
                Long("cost") => options.cost = parser.value()?.parse()?,
                Long("failovers") => options.failovers = parser.value()?.parse()?,
                Long("moves") => options.moves = parser.value()?.parse()?,
                Long("shares") => options.shares = parser.value()?.parse()?,
                Long("rest") => options.rest = parser.value()?.parse()?,
                Long("grow") => options.grow = parser.value()?.parse()?,
                Long("partitions") => options.partitions = parser.value()?.parse()?,
                Long("rate") => options.rate = parser.value()?.parse()?,
                other => return Err(other.unexpected().into()),
            }
        }
        ensure!(options.rate > 0, "--rate must be at least 1");
        let Self {
            cost,
            failovers,
            moves,
            shares,
            rest,
            grow,
            ..
        } = options;
        if cost + failovers + moves + shares + rest + grow == 0 {
            (options.cost, options.failovers, options.moves) = (60_000, 10, 20);
        }
        Ok(options)
    }
}

pub(crate) async fn command(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments)?;
    if options.cost > 0 {
        cost::run(options.cost).await?;
    }
    if options.failovers > 0 {
        failovers::run(options.failovers, options.rate).await?;
    }
    if options.moves > 0 {
        moves::run(options.moves, options.rate).await?;
    }
    if options.shares > 0 {
        spread::shares(options.shares, options.partitions).await?;
    }
    if options.rest > 0 {
        spread::rest(options.rest, options.partitions).await?;
    }
    if options.grow > 0 {
        spread::grow(options.grow, options.partitions).await?;
    }
    Ok(())
}

/// For each master a queue that it owns, with a key of the queue.
fn queue_of_each(
    cluster: &TestCluster,
    queue: &JobQueue,
    masters: usize,
) -> Result<Vec<(QueueName, String)>> {
    let mut found = vec![None; masters];
    let mut n = 0;
    while found.iter().any(Option::is_none) {
        let name = QueueName::new(format!("queue-{n}"))?;
        let key = key_of(queue, &name);
        found[cluster.owner(&key)].get_or_insert((name, key));
        n += 1;
    }
    Ok(found.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_done_and_without_a_word_some_of_all() {
        let parse = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            Options::parse(&words)
        };
        let one = parse("--failovers 2 --rate 9").unwrap();
        assert_eq!((one.cost, one.failovers, one.moves, one.rate), (0, 2, 0, 9));
        let all = parse("").unwrap();
        assert!(all.cost > 0 && all.failovers > 0 && all.moves > 0);
        for odd in ["--rate 0", "--moves x", "x"] {
            assert!(parse(odd).is_err(), "{odd}");
        }
    }
}
