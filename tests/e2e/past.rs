//! A past for queues that have just begun: rows as a month of load would have
//! left them, written by hand, because no test can wait for a month.

use std::f64::consts::TAU;
use std::time::Duration;

use jobflow::testing::queue_key;
use jobflow::{Gathered, JobState, Kind, Measured, QueueName};

use crate::system::System;

const DAY: f64 = 86_400.0;
const KINDS: [(&str, u64); 2] = [("email-delivery", 120), ("transcode", 900)];

/// How many jobs had been submitted and had failed, so many seconds after the
/// beginning: more by day than by night, and never quite the same.
fn totals(age: f64, per_second: f64) -> (u64, u64) {
    let wave = |period: f64, part: f64| part * period / TAU * (1.0 - (TAU * age / period).cos());
    let jobs = per_second * (age + wave(DAY, 0.5) + wave(97.0, 0.25) + wave(11.0, 0.2));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of jobs"
    )]
    let whole = |number: f64| number.round() as u64;
    (whole(jobs), whole(jobs * 0.031))
}

/// What workers would have measured, under as many loads.
async fn measures(system: &System, store: &mut redis::Connection) -> Vec<Vec<(String, Vec<u8>)>> {
    let scratch = QueueName::new("scratch").unwrap();
    let job = jobflow::NewJob::new("k", "{}").unwrap();
    let id = system
        .queue
        .submit(job.queue("scratch").unwrap())
        .await
        .unwrap()
        .id;
    let key = queue_key(&system.queue.config().namespace, &scratch, "measures");
    let mut rows = Vec::new();
    for load in 1..=7_u64 {
        let mut gathered = Gathered::default();
        for n in 1..400_u64 {
            let (kind, usual) = KINDS[usize::from(n % 3 == 0)];
            // Most are quick, and a few take long.
            let ran = usual * (4 + n * n % 29) / 12 + usual * (400 / n) / 8;
            let measured = Measured {
                state: JobState::Completed,
                errored: false,
                waited: Duration::from_millis(2 + load * (n % 13) + 300 * load / n),
                ran: Duration::from_millis(ran),
            };
            gathered.add(&Kind::new(kind).unwrap(), measured);
        }
        system.queue.measure(&scratch, &gathered).await.unwrap();
        let open: Vec<(String, Vec<u8>)> = redis::cmd("HGETALL").arg(&key).query(store).unwrap();
        let of_minute = open.into_iter().filter_map(|(name, packed)| {
            let kind = name.strip_prefix('m')?;
            Some((format!("k{kind}"), packed))
        });
        rows.push(of_minute.collect());
        let _gone: i64 = redis::cmd("DEL").arg(&key).query(store).unwrap();
    }
    system
        .queue
        .delete(id, jobflow::Force::Yes, None)
        .await
        .unwrap();
    system.queue.delete_queue(&scratch).await.unwrap();
    rows
}

/// Lets a queue that has no jobs yet look back on a month.
pub(crate) async fn remember_a_month(system: &System, queue: &str, per_second: f64) {
    let url = system.queue.config().redis_url.clone();
    let mut store = redis::Client::open(url).unwrap().get_connection().unwrap();
    let measures = measures(system, &mut store).await;
    let name = QueueName::new(queue).unwrap();
    let key = |part: &str| queue_key(&system.queue.config().namespace, &name, part);
    let now = system.queue.snapshot().await.unwrap().time.0 / 1_000;
    let began = now - 31 * 86_400;
    let at = |second: u64| {
        let age = u32::try_from(second.saturating_sub(began)).unwrap();
        totals(f64::from(age), per_second)
    };
    for (part, length, rows) in [
        ("seconds", 1, 900),
        ("minutes", 60, 1_500),
        ("hours", 3_600, 743),
    ] {
        let last = now / length * length;
        let mut all = redis::pipe();
        for n in (0..rows).rev() {
            let second = last - n * length;
            let (submitted, failed) = at(second);
            let waiting = 3 + (second / 60) % 7 * (second / 3_600 % 5);
            let completed = submitted - failed;
            let totals = format!("{submitted} {completed} {failed} 0 {failed} 0 0 0 0 0 {waiting}");
            let add = all
                .cmd("XADD")
                .arg(key(part))
                .arg(format!("{}-0", second * 1_000));
            add.arg("t").arg(totals).ignore();
            if length > 1 {
                let load = usize::try_from(second / length * 5 % 7).unwrap();
                for (field, packed) in &measures[load] {
                    all.arg(field).arg(&packed[..]);
                }
            }
        }
        let () = all.query(&mut store).unwrap();
    }
    let (submitted, failed) = at(now);
    let mut counters = redis::cmd("HSET");
    counters
        .arg(key("counters"))
        .arg("submitted")
        .arg(submitted);
    counters.arg("completed").arg(submitted - failed);
    counters
        .arg("failed")
        .arg(failed)
        .arg("errored")
        .arg(failed);
    let _added: i64 = counters.query(&mut store).unwrap();
    let mut second = redis::cmd("HSET");
    let _added: i64 = second
        .arg(key("config"))
        .arg("second")
        .arg(now)
        .query(&mut store)
        .unwrap();
}
