//! What a worker claims from, and when it asks for more: the partitions of its
//! queues, each a lane of its own.
//!
//! A lane is asked when somebody tells of work there, when a job there becomes
//! due, and otherwise after a wait, in turn with the others of its queue: a queue
//! of many partitions asks for no more than one of one.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jobflow::{JobQueue, Partition, QueueName, Woken};
use tokio::time::timeout;

/// A wake-up can get lost; a worker never sleeps longer than this.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// The same for one of several partitions of a queue, for each that there are: who
/// stores a job there says so at the first one, and that gets lost with its sender.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// A lane whose claim failed is left out for so long while others are served:
/// in a cluster it may be on a server that has gone.
const REST: Duration = Duration::from_secs(1);
/// How old may be what is known of the partitions of a queue.
const KNOWN_FOR: Duration = Duration::from_secs(10);
/// How long it may take to ask for them: claims wait for that.
const PATIENCE: Duration = Duration::from_millis(500);

/// The lanes of a worker.
pub(crate) struct Lanes {
    queues: Vec<QueueName>,
    state: Mutex<State>,
}

struct State {
    lanes: Vec<Lane>,
    /// Until when the lanes count as known.
    known_until: Instant,
}

struct Lane {
    part: Partition,
    /// How many partitions its queue has.
    of: u32,
    /// When there is work, as far as it is known.
    due: Option<Instant>,
    /// When it is asked though nobody tells of work; not worth ending a wait for.
    look: Instant,
    /// This worker was told of work there, which nobody else was, and did not ask yet.
    told: bool,
}

impl Lane {
    fn new(part: Partition, of: u32) -> Self {
        let look = Instant::now();
        Self {
            part,
            of,
            due: None,
            look,
            told: false,
        }
    }

    fn hear(&mut self, now: Instant) {
        (self.due, self.told) = (Some(now), true);
    }

    fn is_ripe(&self, now: Instant) -> bool {
        self.look <= now || self.due.is_some_and(|due| due <= now)
    }

    /// It was asked, and has nothing until then.
    fn asked(&mut self, due: Option<Instant>) {
        // Not all of them at once.
        let pause = match self.of {
            1 => LONGEST_WAIT,
            of => (LOOK_EVERY * of).mul_f64(rand::random_range(0.75..1.25)),
        };
        (self.due, self.look) = (due, Instant::now() + pause);
    }
}

impl Lanes {
    pub(crate) fn new(queues: &[QueueName]) -> Self {
        let first = |queue: &QueueName| Lane::new(Partition::first(queue.clone()), 1);
        Self {
            queues: queues.to_vec(),
            state: Mutex::new(State {
                lanes: queues.iter().map(first).collect(),
                known_until: Instant::now(),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks which partitions the queues have by now, if that is not known. What
    /// can not be asked stays as it is.
    pub(crate) async fn look(&self, queue: &JobQueue) {
        if self.state().known_until > Instant::now() {
            return;
        }
        for name in &self.queues {
            match timeout(PATIENCE, queue.partitions(name)).await {
                Ok(Ok(parts)) => self.take(name, parts),
                Ok(Err(error)) => {
                    tracing::debug!(queue = %name, %error, "its partitions are not told");
                }
                Err(_) => tracing::debug!(queue = %name, "its partitions are not told in time"),
            }
        }
        self.state().known_until = Instant::now() + KNOWN_FOR;
    }

    fn take(&self, queue: &QueueName, parts: Vec<Partition>) {
        let mut state = self.state();
        let of = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        state
            .lanes
            .retain(|lane| lane.part.queue() != queue || parts.contains(&lane.part));
        for part in parts {
            match state.lanes.iter_mut().find(|lane| lane.part == part) {
                Some(lane) => lane.of = of,
                None => state.lanes.push(Lane::new(part, of)),
            }
        }
    }

    /// The only one, if there is only one.
    pub(crate) fn only(&self) -> Option<Partition> {
        match &self.state().lanes[..] {
            [lane] => Some(lane.part.clone()),
            _ => None,
        }
    }

    /// All, the one first whose turn it is.
    pub(crate) fn all(&self, turn: usize) -> Vec<Partition> {
        self.that(turn, |_| true)
    }

    /// Those to ask now, the one first whose turn it is.
    pub(crate) fn ripe(&self, turn: usize) -> Vec<Partition> {
        let now = Instant::now();
        self.that(turn, |lane| lane.is_ripe(now))
    }

    fn that(&self, turn: usize, wanted: impl Fn(&Lane) -> bool) -> Vec<Partition> {
        let state = self.state();
        let wanted = state.lanes.iter().filter(|lane| wanted(lane));
        let mut parts: Vec<_> = wanted.map(|lane| lane.part.clone()).collect();
        let first = turn.checked_rem(parts.len()).unwrap_or(0);
        parts.rotate_left(first);
        parts
    }

    /// When the next job is due, as far as it is known.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.state().lanes.iter().filter_map(|lane| lane.due).min()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.state().lanes.len()
    }

    /// It may have more at once; others were told of that.
    pub(crate) fn has_more(&self, part: &Partition) {
        self.set(part, |lane| {
            (lane.due, lane.told) = (Some(Instant::now()), false);
        });
    }

    /// It has nothing until then, as far as it told.
    pub(crate) fn is_empty_until(&self, part: &Partition, due: Option<Instant>) {
        self.set(part, |lane| {
            lane.asked(due);
            lane.told = false;
        });
    }

    /// It could not be asked.
    pub(crate) fn rest(&self, part: &Partition) {
        self.set(part, |lane| lane.asked(Some(Instant::now() + REST)));
    }

    fn set(&self, part: &Partition, change: impl Fn(&mut Lane)) {
        let mut state = self.state();
        if let Some(lane) = state.lanes.iter_mut().find(|lane| lane.part == *part) {
            change(lane);
        }
    }

    /// Takes in where a wait heard of work.
    pub(crate) fn heard(&self, woken: &Woken) {
        let now = Instant::now();
        let mut state = self.state();
        match woken {
            Woken::Nowhere => {}
            Woken::Anywhere => {
                let lanes = state.lanes.iter_mut();
                lanes.for_each(|lane| lane.hear(now));
            }
            Woken::In(parts) => {
                for part in parts {
                    match state.lanes.iter_mut().find(|lane| lane.part == *part) {
                        Some(lane) => lane.hear(now),
                        // The queue has grown.
                        None => {
                            let mut lane = Lane::new(part.clone(), u32::from(part.number()) + 1);
                            lane.hear(now);
                            state.lanes.push(lane);
                            state.known_until = now;
                        }
                    }
                }
            }
        }
    }

    /// The same for a wait that has claimed from the only one there was.
    pub(crate) fn heard_beside(&self, only: &Partition, woken: Woken) {
        if let Woken::In(mut parts) = woken {
            parts.retain(|part| part != only);
            self.heard(&Woken::In(parts));
        }
    }

    /// What others have to be told of, as this worker does not come to it now: what
    /// it alone was told of. Says so once.
    pub(crate) fn pass_on(&self) -> Vec<Partition> {
        let mut state = self.state();
        let told = state.lanes.iter_mut().filter(|lane| lane.told);
        told.map(|lane| {
            lane.told = false;
            lane.part.clone()
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use jobflow::JobId;

    use super::*;

    fn lanes() -> Lanes {
        Lanes::new(&["mail", "video"].map(|name| QueueName::new(name).unwrap()))
    }

    #[test]
    fn what_is_empty_is_asked_when_somebody_tells_of_work() {
        let lanes = lanes();
        let [mail, video] = <[Partition; 2]>::try_from(lanes.ripe(0)).unwrap();
        assert_eq!(lanes.ripe(1), [video.clone(), mail.clone()]);
        lanes.is_empty_until(&mail, None);
        lanes.is_empty_until(&video, None);
        assert!(lanes.ripe(0).is_empty() && lanes.next_due().is_none());
        lanes.heard(&Woken::Nowhere);
        assert!(lanes.ripe(0).is_empty());
        lanes.heard(&Woken::In(vec![video.clone()]));
        assert_eq!(lanes.ripe(7), [video]);
        lanes.heard(&Woken::Anywhere);
        assert_eq!(lanes.ripe(0).len(), 2);
    }

    #[test]
    fn what_was_told_and_is_not_asked_is_passed_on_once() {
        let lanes = lanes();
        let [mail, video] = <[Partition; 2]>::try_from(lanes.ripe(0)).unwrap();
        assert_eq!(lanes.pass_on(), []);
        lanes.heard(&Woken::Anywhere);
        lanes.is_empty_until(&mail, None);
        lanes.rest(&video);
        assert_eq!(lanes.pass_on(), std::slice::from_ref(&video));
        assert_eq!(lanes.pass_on(), []);
        lanes.heard(&Woken::In(vec![mail.clone()]));
        lanes.has_more(&mail);
        assert_eq!(lanes.pass_on(), []);
        // Of a queue that has grown.
        let further = Partition::of(mail.queue(), JobId::from_slice(&[0x3f; 16]).unwrap());
        assert_ne!(further, mail);
        lanes.heard_beside(&mail, Woken::In(vec![mail.clone(), further.clone()]));
        assert_eq!(lanes.pass_on(), [further]);
    }

    #[test]
    fn a_due_job_and_a_rest_say_when() {
        let lanes = lanes();
        let [mail, video] = <[Partition; 2]>::try_from(lanes.ripe(0)).unwrap();
        lanes.rest(&mail);
        lanes.is_empty_until(&video, Some(Instant::now()));
        assert_eq!(lanes.ripe(0), std::slice::from_ref(&video));
        lanes.has_more(&mail);
        assert_eq!(lanes.ripe(0), [mail, video]);
    }
}
