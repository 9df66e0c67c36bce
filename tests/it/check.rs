//! Damage of each kind is planted, found, mended and gone; all else stays as it was.

mod plant;

use std::time::Duration;

use jobflow::testing::TestQueue;
use jobflow::{DamageKind, JobId, JobState, Mend, NewJob, Outcome, RunAt};
use plant::{After, Victim, each, found, furnished, plant};

use crate::{LEASE, claim, error, key, store};

macro_rules! damages {
    ($($name:ident: $victim:expr, $damage:literal => $kind:ident, $after:expr;)+) => {
        $(
            #[tokio::test]
            async fn $name() {
                each($victim, $damage, DamageKind::$kind, $after).await;
            }
        )+

        #[test]
        fn every_kind_of_damage_that_can_be_mended_has_a_test() {
            let planted = [$(DamageKind::$kind),+];
            let missing = DamageKind::ALL.iter().filter(|kind| !planted.contains(kind));
            assert_eq!(missing.collect::<Vec<_>>(), [&DamageKind::StrayKey]);
        }
    };
}

use After::{Elsewhere, Gone, SetAside};
use JobState::{Active, Cancelled, Completed, Failed, Retrying, Scheduled, Waiting};
use Victim::{In, Nobody, Ordinary, Parked};

damages! {
    a_waiting_job_that_is_also_failed_waits:
        In(Waiting), "call('ZADD', t..'failed', now, id)" => TwoStates, After::In(Waiting);
    an_active_job_that_also_waits_is_active:
        In(Active), "call('ZADD', t..'waiting', 1, id)" => TwoStates, After::In(Active);
    a_completed_job_that_also_waits_is_completed:
        In(Completed), "call('ZADD', t..'waiting', 1, id)" => TwoStates, After::In(Completed);
    a_job_in_three_states_is_left_in_one:
        In(Retrying), "call('ZADD', t..'parked', 1, id) call('ZADD', t..'active', now, id)"
        => TwoStates, After::In(Retrying);
    a_waiting_job_in_no_state_waits_again:
        In(Waiting), "call('ZREM', t..'waiting', id)" => NoState, After::In(Waiting);
    an_active_job_in_no_state_waits_again:
        In(Active), "call('ZREM', t..'active', id)" => NoState, After::In(Waiting);
    a_scheduled_job_in_no_state_is_scheduled_again:
        In(Scheduled), "call('ZREM', t..'scheduled', id)" => NoState, After::In(Scheduled);
    a_scheduled_job_without_a_record_in_no_state_is_scheduled_again:
        Ordinary, "call('ZREM', t..'scheduled', id)" => NoState, After::In(Scheduled);
    a_retrying_job_in_no_state_is_retrying_again:
        In(Retrying), "call('ZREM', t..'retrying', id)" => NoState, After::In(Retrying);
    a_completed_job_in_no_state_is_completed_again:
        In(Completed), "call('ZREM', t..'completed', id)" => NoState, After::In(Completed);
    a_failed_job_in_no_state_is_failed_again:
        In(Failed), "call('ZREM', t..'failed', id)" => NoState, After::In(Failed);
    a_cancelled_job_in_no_state_is_cancelled_again:
        In(Cancelled), "call('ZREM', t..'cancelled', id)" => NoState, After::In(Cancelled);
    a_job_in_no_state_that_can_not_be_read_is_set_aside:
        In(Waiting), "call('ZREM', t..'waiting', id) call('HSET', t..'meta', id, 'x')"
        => NoState, SetAside;
    a_record_of_no_job_is_deleted:
        Nobody, "call('HSET', t..'meta', id, 'x')" => LeftOver, Gone;
    a_result_of_no_job_is_deleted:
        Nobody, "call('HSET', t..'results', id, 'x')" => LeftOver, Gone;
    a_progress_of_no_job_is_deleted:
        Nobody, "call('HSET', t..'progress', id, 'x')" => LeftOver, Gone;
    a_history_of_no_job_is_deleted:
        Nobody, "call('HSET', t..'history', id, 'x')" => LeftOver, Gone;
    a_log_of_no_job_is_deleted:
        Nobody, "call('HSET', t..'logs', id..'\\3', 'x')" => LeftOver, Gone;
    tags_of_no_job_are_deleted:
        Nobody, "call('HSET', t..'tags', id, 'red') call('ZADD', t..'tag:red', 1, id)"
        => LeftOver, Gone;
    a_start_limit_of_no_job_is_deleted:
        Nobody, "call('ZADD', t..'expiring', now + 9e6, id)" => LeftOver, Gone;
    an_active_job_without_a_spec_is_set_aside:
        In(Active), "call('HDEL', t..'specs', id)" => NoSpec, SetAside;
    a_waiting_job_without_a_spec_is_set_aside:
        In(Waiting), "call('HDEL', t..'specs', id)" => NoSpec, SetAside;
    a_spec_that_is_none_is_set_aside:
        In(Scheduled), "call('HSET', t..'specs', id, 'x')" => CorruptSpec, SetAside;
    a_spec_that_was_cut_is_set_aside:
        In(Waiting), "call('HSET', t..'specs', id, call('HGET', t..'specs', id):sub(1, -3))"
        => CorruptSpec, SetAside;
    a_record_of_an_active_job_that_can_not_be_read_is_set_aside:
        In(Active), "call('HSET', t..'meta', id, 'x')" => CorruptRecord, SetAside;
    a_record_of_a_waiting_job_that_was_cut_is_set_aside:
        In(Waiting), "call('HSET', t..'meta', id, call('HGET', t..'meta', id):sub(1, -2))"
        => CorruptRecord, SetAside;
    a_record_of_a_completed_job_that_can_not_be_read_is_set_aside:
        In(Completed), "call('HSET', t..'meta', id, '')" => CorruptRecord, SetAside;
    an_active_job_without_a_record_waits_again:
        In(Active), "call('HDEL', t..'meta', id)" => NoRecord, After::In(Waiting);
    a_scheduled_job_without_a_record_keeps_its_time:
        In(Scheduled), "call('HDEL', t..'meta', id)" => NoRecord, After::In(Scheduled);
    a_completed_job_without_a_record_stays_completed:
        In(Completed), "call('HDEL', t..'meta', id)" => NoRecord, After::In(Completed);
    an_active_job_without_a_lease_waits_again:
        In(Waiting), "call('ZREM', t..'waiting', id) call('ZADD', t..'active', now, id)"
        => NoLease, After::In(Waiting);
    a_token_of_a_job_that_is_not_active_is_taken_away:
        In(Active), "call('ZREM', t..'active', id) call('ZADD', t..'waiting', 1, id)"
        => StrayToken, After::In(Waiting);
    a_waiting_job_in_no_band_gets_its_place:
        In(Waiting), "call('ZADD', t..'waiting', 2 ^ 60, id)" => WrongScore, After::In(Waiting);
    a_waiting_job_in_another_band_gets_its_place:
        In(Waiting), "call('ZADD', t..'waiting', 2 ^ 48 + 1, id)" => WrongScore, After::In(Waiting);
    a_scheduled_job_gets_its_time:
        In(Scheduled), "call('ZADD', t..'scheduled', now + 1e9, id)"
        => WrongScore, After::In(Scheduled);
    a_scheduled_job_without_a_record_and_in_no_band_gets_its_time:
        Ordinary, "call('ZADD', t..'scheduled', 2 ^ 51, id)" => WrongScore, After::In(Scheduled);
    a_scheduled_job_without_a_record_gets_its_time:
        Ordinary, "call('ZADD', t..'scheduled', now + 1e9, id)"
        => WrongScore, After::In(Scheduled);
    a_retrying_job_gets_its_time:
        In(Retrying), "call('ZADD', t..'retrying', now + 1e9, id)"
        => WrongScore, After::In(Retrying);
    a_lease_that_never_ends_gets_an_end:
        In(Active), "call('ZADD', t..'active', '+inf', id)" => WrongScore, After::In(Active);
    a_completed_job_gets_the_time_of_its_end:
        In(Completed), "call('ZADD', t..'completed', 1, id)" => WrongScore, After::In(Completed);
    tokens_are_not_given_twice_after_a_lost_counter:
        In(Active), "call('HDEL', t..'counters', 'claims')" => CounterBehind, After::In(Active);
    places_are_not_given_twice_after_a_lost_counter:
        In(Waiting), "call('HDEL', t..'counters', 'seq')" => CounterBehind, After::In(Waiting);
    a_job_that_is_parked_without_a_pause_waits:
        In(Waiting), "call('ZADD', t..'parked', call('ZSCORE', t..'waiting', id), id) \
         call('ZREM', t..'waiting', id)" => ParkedForNothing, After::In(Waiting);
    jobs_are_parked_without_a_pause_when_it_is_lost:
        Parked, "call('HDEL', t..'config', 'kinds')" => ParkedForNothing, After::In(Waiting);
    a_job_gets_its_idempotency_key_again:
        In(Waiting), "for _, k in ipairs(call('HKEYS', t..'idem')) do \
         if call('HGET', t..'idem', k) == id then call('HDEL', t..'idem', k) end end"
        => KeyLost, After::In(Waiting);
    an_idempotency_key_of_a_job_that_is_gone_is_freed:
        Nobody, "call('HSET', t..'idem', 'k:x', id)" => KeyOfNobody, Gone;
    a_second_idempotency_key_of_a_job_is_freed:
        In(Completed), "call('HSET', t..'idem', 'k:x', id)" => KeyOfNobody, After::In(Completed);
    a_job_that_lost_its_record_learns_of_its_idempotency_key:
        In(Waiting), "call('HDEL', t..'meta', id)" => KeyUnknown, After::In(Waiting);
    a_scheduled_job_without_a_record_learns_of_its_idempotency_key:
        Ordinary, "call('HSET', t..'idem', 'k:x', id)" => KeyUnknown, After::In(Scheduled);
    a_job_is_found_by_its_tag_again:
        In(Scheduled), "call('ZREM', t..'tag:red', id)" => TagLost, After::In(Scheduled);
    a_job_is_not_found_by_a_tag_that_it_does_not_have:
        In(Active), "call('ZADD', t..'tag:blue', 1, id)" => TagOfNobody, After::In(Active);
    start_limits_hold_after_the_next_one_was_lost:
        In(Waiting), "call('HDEL', t..'config', 'next_expiry')" => NextExpiryLost, Elsewhere;
    a_worker_is_woken_when_the_token_is_lost:
        In(Waiting), "call('DEL', t..'wake') local record = call('HGET', t..'meta', id) \
         call('HSET', t..'meta', id, record:sub(1, 30)..struct.pack('<I6', now - 60000)..record:sub(37))"
        => NoWake, After::In(Waiting);
    a_queue_that_is_not_listed_is_listed_again:
        In(Waiting), "call('SREM', n..'queues', 'default')" => UnlistedQueue, Elsewhere;
}

/// Its spec says when, as no record does.
#[tokio::test]
async fn a_scheduled_job_without_a_record_keeps_its_time_when_its_place_is_lost() {
    let (queue, ids) = furnished().await;
    let id = ids["ordinary"];
    let before = queue.get(id).await.unwrap();
    assert_eq!(stored_record(&queue, id), None);
    plant(&queue, id.as_bytes(), "call('ZREM', t..'scheduled', id)");
    assert_eq!(found(&queue, Mend::Yes).await.len(), 1);
    let after = queue.get(id).await.unwrap();
    assert_eq!((after.state, after.ready), (Scheduled, before.ready));
    queue.close().await;
}

/// Its spec still has the time at which it was due first.
#[tokio::test]
async fn a_job_that_comes_back_and_loses_its_record_keeps_its_time() {
    let queue = TestQueue::new();
    let soon = NewJob::new("noop", "{}").unwrap();
    let soon = soon.run_at(RunAt::After(Duration::from_millis(1))).unwrap();
    let id = queue.submit(soon).await.unwrap().id;
    let job = loop {
        if let Some(job) = claim(&queue, 1).await.jobs.pop() {
            break job;
        }
        tokio::task::yield_now().await;
    };
    queue.finish(&job, Outcome::Snooze(LEASE)).await.unwrap();
    let before = queue.get(id).await.unwrap();
    assert_eq!(before.state, Scheduled);
    plant(&queue, id.as_bytes(), "call('HDEL', t..'meta', id)");
    let told = found(&queue, Mend::Yes).await;
    assert_eq!((told.len(), told[0].kind), (1, DamageKind::NoRecord));
    let after = queue.get(id).await.unwrap();
    assert_eq!((after.state, after.ready), (Scheduled, before.ready));
    queue.close().await;
}

fn stored_record(queue: &TestQueue, id: JobId) -> Option<Vec<u8>> {
    let mut read = redis::cmd("HGET");
    read.arg(key(queue, "meta")).arg(id.as_bytes());
    read.query(&mut store(queue)).unwrap()
}

#[tokio::test]
async fn a_key_of_nobody_is_told_and_left_alone() {
    let (queue, _) = furnished().await;
    plant(&queue, b"", "call('SET', t..'stray', 1)");
    for mend in [Mend::No, Mend::Yes] {
        let told = found(&queue, mend).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!((told[0].kind, &told[0].done), (DamageKind::StrayKey, &None));
    }
    plant(&queue, b"", "call('DEL', t..'stray')");
    queue.close().await;
}

#[tokio::test]
async fn two_damages_of_one_job_are_mended_in_one_go() {
    let (queue, ids) = furnished().await;
    let id = ids["completed"].as_bytes();
    plant(
        &queue,
        id,
        "call('ZADD', t..'waiting', 1, id) call('HDEL', t..'specs', id)",
    );
    let told: Vec<_> = found(&queue, Mend::Yes)
        .await
        .iter()
        .map(|found| found.kind)
        .collect();
    assert_eq!(told, [DamageKind::TwoStates, DamageKind::NoSpec]);
    assert_eq!(found(&queue, Mend::No).await, []);
    queue.close().await;
}

/// A check that took what moves for damage would break it.
#[tokio::test]
async fn a_live_queue_has_no_damage() {
    let queue = TestQueue::new();
    let work = async {
        for round in 0..60 {
            let jobs = (0..20).map(|n| {
                let job = NewJob::new("noop", "{}")
                    .unwrap()
                    .tags(["red".to_owned()])
                    .unwrap();
                job.idempotency_key(format!("{round}-{n}")).unwrap()
            });
            queue.submit_batch(jobs.collect()).await;
            for (n, job) in claim(&queue, 20).await.jobs.iter().enumerate() {
                let outcome = match n % 4 {
                    0 => Outcome::Release,
                    1 => Outcome::Error(error()),
                    2 => Outcome::Snooze(LEASE),
                    _ => Outcome::Ack(None),
                };
                queue.finish(job, outcome).await.unwrap();
            }
        }
    };
    let checks = async {
        let mut checks = 0;
        loop {
            assert_eq!(found(&queue, Mend::Yes).await, []);
            checks += 1;
            if checks == 20 {
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        () = work => {}
        never = checks => never,
    }
    queue.close().await;
}

#[tokio::test]
async fn every_job_is_looked_at_in_bounded_steps() {
    let queue = TestQueue::new();
    for large in [300, 3_000] {
        let batches = (0..large / 100).map(|_| {
            let jobs = (0..100).map(|_| NewJob::new("noop", "").unwrap());
            queue.submit_batch(jobs.collect())
        });
        futures_util::future::join_all(batches).await;
        let checked = queue.check_integrity(Mend::No).await.unwrap();
        assert_eq!(checked.damages, []);
        assert!(checked.jobs >= large, "{} of {large}", checked.jobs);
    }
    queue.close().await;
}
