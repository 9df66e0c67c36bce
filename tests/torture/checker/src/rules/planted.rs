//! Each invariant with a planted violation: a checker that finds nothing proves nothing.

use std::fmt::Write as _;

use super::story::{MS, SECOND, Story, id};
use crate::terms::Durability;

#[test]
fn a_good_run_breaks_nothing() {
    assert_eq!(Story::good().broken(), [""; 0]);
}

#[test]
fn a_lost_job_is_found() {
    let mut story = Story::good();
    story.submit("a-2", 2);
    assert_eq!(story.broken(), ["I1 lost"]);
}

#[test]
fn a_job_that_never_came_to_its_end_is_found() {
    let mut story = Story::good();
    story.submit("a-2", 2).set("waiting", 2).spec(2, "a-2");
    assert_eq!(story.broken(), ["I1 lost"]);
}

#[test]
fn a_completion_that_no_handler_knows_of_is_found() {
    let mut story = Story::good();
    story.submit("a-2", 2).completed(2, "a-2", 7);
    assert_eq!(story.broken(), ["I1 lost", "I2 fence"]);
}

#[test]
fn a_failure_without_a_reason_is_found() {
    let mut story = Story::good();
    story.submit("a-2", 2).set("failed", 2).spec(2, "a-2");
    assert_eq!(story.broken(), ["I1 lost"]);
}

#[test]
fn where_only_the_newest_are_kept_a_job_that_is_gone_must_have_come_to_its_end() {
    let mut story = Story::good();
    story.terms.trimmed = true;
    story.submit("a-2", 2);
    for attempt in 1..=2 {
        let token = 1 + u64::from(attempt);
        story
            .start(2, token, attempt, 10, "a-2")
            .end(2, token, 10, "error -");
    }
    assert_eq!(story.broken(), ["I1 lost"]);
    // It was given three attempts.
    story.start(2, 4, 3, 10, "a-2");
    assert_eq!(story.broken(), ["I1 lost"]);
    story.end(2, 4, 10, "error -");
    assert_eq!(story.broken(), [""; 0]);
}

#[test]
fn what_redis_may_forget_is_no_loss_and_all_else_is() {
    let mut story = Story::good();
    story
        .submit("a-2", 2)
        .log(&format!("B {SECOND} 0 redis-kill 1 *"))
        .log(&format!("H {} 0 redis-kill 1", 2 * SECOND));
    assert_eq!(story.broken(), ["I1 lost"]);
    story.terms.durability = Durability::Everysec;
    assert_eq!(story.broken(), [""; 0]);
}

#[test]
fn a_stale_completion_is_found() {
    let mut story = Story::good();
    // The lease of token 2 was lost to token 3, and yet its outcome stands.
    story
        .submit("a-2", 2)
        .start(2, 2, 1, 10, "a-2")
        .end(2, 2, 10, "ok lease_lost");
    story
        .start(2, 3, 1, 11, "a-2")
        .end(2, 3, 11, "ok -")
        .completed(2, "a-2", 2);
    assert_eq!(story.broken(), ["I2 fence"]);
}

#[test]
fn a_result_of_another_run_is_found() {
    let mut story = Story::good();
    story
        .submit("a-2", 2)
        .start(2, 2, 1, 10, "a-2")
        .end(2, 2, 10, "ok lease_lost");
    story.start(2, 3, 1, 11, "a-2").end(2, 3, 11, "ok -");
    story
        .set("completed", 2)
        .spec(2, "a-2")
        .meta(2, 1, 3, 1)
        .column("results", 2, b"R\0{\"token\":2}");
    assert_eq!(story.broken(), ["I2 fence"]);
}

#[test]
fn a_token_given_twice_is_found() {
    let mut story = Story::good();
    story
        .submit("a-2", 2)
        .start(2, 2, 1, 10, "a-2")
        .end(2, 2, 10, "ok lease_lost");
    story
        .start(2, 2, 1, 11, "a-2")
        .end(2, 2, 11, "ok -")
        .completed(2, "a-2", 2);
    assert_eq!(story.broken(), ["I2 fence"]);
}

#[test]
fn an_unexplained_duplicate_is_found() {
    let mut story = Story::good();
    story
        .submit("a-2", 2)
        .start(2, 2, 1, 10, "a-2")
        .end(2, 2, 10, "ok -");
    story
        .start(2, 3, 1, 11, "a-2")
        .end(2, 3, 11, "ok -")
        .completed(2, "a-2", 3);
    assert_eq!(story.broken(), ["I3 duplicate"]);
    // A fault of another process is no cause.
    story
        .log(&format!("B {} 0 worker-stop 1 11", 2 * SECOND))
        .log(&format!("H {} 0 worker-stop 1", 3 * SECOND));
    assert_eq!(story.broken(), ["I3 duplicate"]);
    // One long after the second run is none either.
    story
        .log(&format!("B {} 0 redis-stop 2 *", 4 * SECOND))
        .log(&format!("H {} 0 redis-stop 2", 5 * SECOND));
    assert_eq!(story.broken(), ["I3 duplicate"]);
    story
        .log(&format!("B {} 0 worker-stop 3 10", 2 * SECOND))
        .log(&format!("H {} 0 worker-stop 3", 3 * SECOND));
    assert_eq!(story.broken(), [""; 0]);
}

#[test]
fn of_a_peer_losses_and_unexplained_duplicates_are_found_and_nothing_else_is_judged() {
    let mut story = Story::good();
    story.terms.peer = true;
    assert_eq!(story.broken(), [""; 0]);
    story
        .submit("a-2", 2)
        .start(2, 2, 1, 10, "a-2")
        .end(2, 2, 10, "ok -");
    assert_eq!(story.broken(), ["I1 lost"]);
    // Without a spec, a record or a token.
    story
        .start(2, 3, 1, 11, "a-2")
        .end(2, 3, 11, "ok -")
        .set("completed", 2);
    assert_eq!(story.broken(), ["I3 duplicate"]);
    // It may have claimed the job before the other, and begun it late.
    story
        .log(&format!("B {} 0 worker-stop 1 11", 2 * SECOND))
        .log(&format!("H {} 0 worker-stop 1", 3 * SECOND));
    assert_eq!(story.broken(), [""; 0]);
}

#[test]
fn the_death_of_the_first_worker_is_a_cause() {
    let mut story = Story::good();
    story
        .submit("a-2", 2)
        .start(2, 2, 1, 10, "a-2")
        .log(&format!("X {} worker-0 10 asked signal: 9", 2 * SECOND + 1));
    story
        .start(2, 3, 1, 11, "a-2")
        .end(2, 3, 11, "ok -")
        .completed(2, "a-2", 3);
    assert_eq!(story.broken(), [""; 0]);
}

#[test]
fn the_death_of_another_process_with_the_same_id_is_no_cause() {
    let mut story = Story::good();
    story.log(&format!("X {MS} worker-0 10 asked signal-9"));
    story.log(&format!("P {} worker-0 10", 2 * MS));
    story.submit("a-2", 2).start(2, 2, 1, 10, "a-2");
    story.start(2, 3, 1, 11, "a-2").end(2, 3, 11, "ok -");
    story.completed(2, "a-2", 3);
    assert_eq!(story.broken(), ["I3 duplicate"]);
    story.log(&format!("X {} worker-0 10 asked signal-9", 2 * SECOND + MS));
    assert_eq!(story.broken(), [""; 0]);
}

#[test]
fn a_job_that_nobody_submitted_is_found() {
    let mut story = Story::good();
    story
        .start(2, 2, 1, 10, "a-2")
        .end(2, 2, 10, "ok -")
        .completed(2, "a-2", 2);
    assert_eq!(story.broken(), ["I4 unsubmitted"]);
}

#[test]
fn a_refused_job_that_ran_is_found() {
    let mut story = Story::good();
    story
        .log(&format!("T {MS} a-2 quick q 3 0"))
        .log(&format!("R {} a-2 STORE_OUT_OF_MEMORY", 2 * MS));
    assert_eq!(story.broken(), [""; 0]);
    story
        .start(2, 2, 1, 10, "a-2")
        .end(2, 2, 10, "ok -")
        .completed(2, "a-2", 2);
    assert_eq!(story.broken(), ["I4 unsubmitted"]);
    // Had one try been unknown, it might have been stored.
    story.log(&format!("U {MS} a-2 STORE_UNAVAILABLE"));
    assert_eq!(story.broken(), [""; 0]);
}

#[test]
fn too_many_attempts_are_found() {
    let mut story = Story::good();
    story.submit("a-2", 2);
    for attempt in 1..=4 {
        story.start(2, u64::from(attempt) + 1, attempt, 10, "a-2");
        story.end(
            2,
            u64::from(attempt) + 1,
            10,
            if attempt < 4 { "error -" } else { "ok -" },
        );
    }
    story.completed(2, "a-2", 5);
    assert_eq!(story.broken(), ["I5 attempts"]);
}

#[test]
fn more_lost_workers_than_the_cap_are_found() {
    let mut story = Story::good();
    story
        .submit("a-2", 2)
        .start(2, 2, 1, 10, "a-2")
        .end(2, 2, 10, "ok -");
    story.set("completed", 2).spec(2, "a-2").meta(2, 1, 2, 4);
    assert_eq!(story.broken(), ["I5 attempts"]);
}

#[test]
fn two_jobs_for_one_key_are_found() {
    let mut story = Story::good();
    story
        .submit("a-1", 2)
        .start(2, 2, 1, 10, "a-1")
        .end(2, 2, 10, "ok -")
        .completed(2, "a-1", 2);
    assert_eq!(story.broken(), ["I6 key"]);
}

#[test]
fn an_id_in_two_states_is_found() {
    let mut story = Story::good();
    story.set("waiting", 1);
    assert_eq!(story.broken(), ["I1 lost", "I8 state"]);
}

#[test]
fn what_is_left_of_a_job_in_no_state_is_found() {
    for column in [
        "specs", "meta", "results", "progress", "logs", "tags", "history",
    ] {
        let mut story = Story::good();
        story.submit("a-2", 2).log(&format!("U {MS} a-2 X"));
        story.log = story
            .log
            .replace(&format!("A {} a-2 {} 0\n", 2 * MS, id(2)), "");
        match column {
            "specs" => story.spec(2, "a-2"),
            "meta" => story.meta(2, 1, 0, 0),
            _ => story.column(column, 2, b"R\0{}"),
        };
        assert_eq!(story.broken(), ["I8 state"], "{column}");
    }
    let mut story = Story::good();
    let _infallible = writeln!(story.dump, "col q idem 6b3a61 {}", id(3));
    assert_eq!(story.broken(), ["I8 state"]);
    let mut story = Story::good();
    story.set("expiring", 3);
    assert_eq!(story.broken(), ["I8 state"]);
}

#[test]
fn a_job_without_a_spec_is_found() {
    let mut story = Story::good();
    story.set("cancelled", 2);
    assert_eq!(story.broken(), ["I8 state"]);
}

#[test]
fn a_key_that_nobody_knows_is_found() {
    let mut story = Story::good();
    story.dump.push_str("key jf:{n/q}:surprise list 1\n");
    assert_eq!(story.broken(), ["I8 state"]);
}

#[test]
fn a_standstill_is_found_unless_a_fault_is_under_way() {
    let fault = |name: &str, number: u64, scope: &str| {
        let end = 29 * SECOND;
        format!("B {MS} 0 {name} {number} {scope}\nH {end} 0 {name} {number}")
    };
    let mut story = Story::good();
    story.terms.submits.1 = 30 * SECOND;
    assert_eq!(story.broken(), ["I9 runs", "I9 submits"]);
    // The fault of one process excuses nobody.
    story.log(&fault("worker-stop", 1, "10"));
    assert_eq!(story.broken(), ["I9 runs", "I9 submits"]);
    // Those of all workers excuse them, and nobody else.
    story.log(&fault("worker-stop", 2, "11"));
    assert_eq!(story.broken(), ["I9 submits"]);
    story.log(&fault("redis-stop", 3, "*"));
    assert_eq!(story.broken(), [""; 0]);
}

#[test]
fn an_end_without_a_start_is_found() {
    let mut story = Story::good();
    story.end(1, 3, 10, "ok -");
    assert_eq!(story.broken(), ["I4 unsubmitted"]);
}

#[test]
fn a_queue_that_is_not_drained_is_found() {
    let mut story = Story::good();
    story.terms.drained = None;
    assert_eq!(story.broken(), ["I1 lost"]);
}
