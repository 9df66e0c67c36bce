//! The demonstration: a lively, bounded stream of jobs of many kinds.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::http;
use crate::util::say;

/// The queues that the worker of `cargo xtask dev` serves.
pub(super) const QUEUES: [&str; 5] = ["default", "mail", "media", "billing", "reports"];

/// Jobs come in beats: a few in each, and a wave every now and then.
const BEAT: Duration = Duration::from_millis(200);
const BEATS_PER_WAVE: u64 = 150;
const WAVE_BEATS: u64 = 10;
const WAVE_PER_BEAT: u64 = 20;

/// Submits jobs until this program ends.
pub(super) fn start(port: u16) {
    thread::spawn(move || run(port));
}

fn run(port: u16) {
    // Nobody ever sends: receiving with a timeout is the clock of the beats.
    let (_never, clock) = mpsc::channel::<()>();
    let mut refused = false;
    for beat in 0.. {
        for _ in 0..jobs_in(beat) {
            let outcome = http::post(port, "/jobs", &job(fastrand::u32(..1000)));
            let is_refused = outcome.is_ok_and(|status| status != 201);
            if is_refused && !refused {
                say("the server refuses jobs of the demonstration");
            }
            refused = is_refused;
        }
        let _ = clock.recv_timeout(BEAT);
    }
}

/// 3 to 9 jobs a beat swelling and ebbing, which is 15 to 45 a second, with a
/// wave of 200 within two seconds twice a minute.
fn jobs_in(beat: u64) -> u64 {
    let in_wave = beat % BEATS_PER_WAVE;
    let swell = beat % 60;
    let swell = swell.min(60 - swell) / 5;
    let wave = if in_wave < WAVE_BEATS && beat > WAVE_BEATS {
        WAVE_PER_BEAT
    } else {
        0
    };
    3 + swell + wave
}

/// A job for each number below 1,000.
fn job(number: u32) -> String {
    let n = number;
    match n {
        0..380 => format!(
            r#"{{"name":"email-delivery","queue":"mail","data":{{"to":"user{n}@example.com","template":"welcome"}}}}"#
        ),
        380..580 => format!(
            r#"{{"name":"resize-image","queue":"media","priority":7,"data":{{"image":"photo-{n}.jpg","width":640}}}}"#
        ),
        580..700 => format!(
            r#"{{"name":"charge-card","queue":"billing","priority":1,"data":{{"order":{n},"cents":{}}}}}"#,
            n * 7
        ),
        700..800 => format!(r#"{{"name":"sync-contact","data":{{"contact":{n}}}}}"#),
        800..900 => format!(
            r#"{{"name":"send-reminder","queue":"mail","delay":{},"data":{{"user":{n}}}}}"#,
            2000 + (n - 800) * 300
        ),
        900..960 => format!(
            r#"{{"name":"flaky-webhook","attempts":2,"data":{{"url":"https://example.com/hook/{n}"}}}}"#
        ),
        _ => format!(
            r#"{{"name":"daily-report","queue":"reports","priority":9,"data":{{"day":{n}}}}}"#
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_stays_bounded() {
        let minute: u64 = (0..300).map(jobs_in).sum();
        assert!((20 * 60..=55 * 60).contains(&minute), "{minute} a minute");
    }

    #[test]
    fn every_job_goes_to_a_queue_that_is_served() {
        for number in 0..1000 {
            let job = job(number);
            let named = job.split(r#""queue":""#).nth(1);
            let queue = named.and_then(|rest| rest.split('"').next());
            assert!(QUEUES.contains(&queue.unwrap_or("default")), "{job}");
            assert_eq!(job.matches('{').count(), job.matches('}').count(), "{job}");
        }
    }
}
