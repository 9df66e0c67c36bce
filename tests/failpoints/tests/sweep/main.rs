//! Every failpoint of the source, one by one: a process dies there, is started
//! again, and nothing that was acknowledged is lost.
//!
//! The list is taken from the source, so a point without a sweep fails the test.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod blocked;
mod points;
mod process;
mod stage;
mod work;

use std::panic::AssertUnwindSafe;

use futures_util::{FutureExt, StreamExt, stream};
use jobflow::testing::TestRedis;

use crate::points::{POINTS, Point};
use crate::stage::Stage;

/// So many at once: most of the time is spent waiting for leases to end.
const AT_ONCE: usize = 6;

#[test]
fn the_points_of_the_source_are_those_that_are_swept() {
    let swept: Vec<_> = POINTS.iter().map(|point| point.name.to_owned()).collect();
    assert_eq!(
        points::of_the_source(),
        swept,
        "left: the source, right: the sweep"
    );
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_wherever_a_process_dies() {
    let redis = TestRedis::start_durable();
    let url = redis.url();
    let sweeps = POINTS.iter().map(|point| {
        let url = url.clone();
        async move {
            // One that fails must not hide the others.
            let swept = AssertUnwindSafe(sweep(point, url)).catch_unwind().await;
            println!(
                "{} {}",
                if swept.is_ok() { "ok    " } else { "FAILED" },
                point.name
            );
            swept.is_ok()
        }
    });
    let swept: Vec<_> = stream::iter(sweeps)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let good = swept.iter().filter(|good| **good).count();
    println!("{good} of {} points swept", POINTS.len());
    assert_eq!(good, POINTS.len());
}

async fn sweep(point: &'static Point, redis: String) {
    let stage = Stage::set(point, &redis);
    let work = work::do_all(&stage).await;
    if point.at_stop {
        stage.stop_armed().await;
    }
    stage.armed_died().await;
    work::all_came_to_its_end(&stage, &work).await;
    stage.strike().await;
}
