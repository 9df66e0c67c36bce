//! What scenarios have to show, with a planted failure each.

use super::story::{MS, SECOND, Story, id};
use crate::terms::Musts;

#[test]
fn what_a_scenario_has_to_show_is_asked_for() {
    let musts = Musts {
        recovery_ms: Some(3_000),
        claims_again_ms: Some(3_000),
        lease_losses: Some(1),
        refusals: Some((1, "STORE_OUT_OF_MEMORY".to_owned())),
        drains_during: Some("memory-full".to_owned()),
        deaths_per_poison: Some(3),
        good_rate: Some(0.9),
        never_early: true,
        late_ms: Some(1_000),
        growth: Some(0.1),
        ..Musts::default()
    };
    let mut story = Story::good();
    story.terms.musts = musts;
    let all = [
        "recovery",
        "claims again",
        "lease losses",
        "refusals",
        "drains",
        "poison",
        "good rate",
        "never early",
        "late",
        "flat",
    ];
    assert_eq!(story.broken(), all);
}

#[test]
fn a_slow_recovery_is_found() {
    let mut story = Story::good();
    story.terms.musts.recovery_ms = Some(1_500);
    story.submit("a-2", 2).start(2, 2, 1, 10, "a-2");
    story
        .log(&format!("B {} 0 worker-kill 1 10", 2 * SECOND))
        .log(&format!("X {} worker-0 10 asked signal-9", 2 * SECOND));
    story
        .start(2, 3, 1, 11, "a-2")
        .end(2, 3, 11, "ok -")
        .completed(2, "a-2", 3);
    assert_eq!(story.broken(), [""; 0]);
    story.terms.musts.recovery_ms = Some(500);
    assert_eq!(story.broken(), ["recovery"]);
    // One that lost another worker meanwhile says nothing of this kill.
    story.terms.musts.recovered_kills = Some(0);
    let lost_two = story.log.replace(" 1 3 0 a-2", " 1 3 2 a-2");
    assert_ne!(lost_two, story.log);
    story.log = lost_two;
    assert_eq!(story.broken(), [""; 0]);
}

#[test]
fn a_worker_that_claims_late_after_an_outage_is_found() {
    let mut story = Story::good();
    story.terms.musts.claims_again_ms = Some(1_500);
    let outage = format!(
        "B {} 0 redis-kill 1 *\nH {} 0 redis-kill 1",
        SECOND + MS,
        2 * SECOND
    );
    story.log(&outage);
    for (job, token, pid) in [(2, 3, 10), (3, 3, 11)] {
        let request = format!("a-{job}");
        story
            .submit(&request, job)
            .start(job, token, 1, pid, &request)
            .end(job, token, pid, "ok -");
        story.completed(job, &request, 3);
    }
    assert_eq!(story.broken(), [""; 0]);
    story.terms.musts.claims_again_ms = Some(500);
    assert_eq!(story.broken(), ["claims again"]);
    // It counts from the end of an outage that came soon after.
    let soon = 2 * SECOND + 400 * MS;
    story.log(&format!("B {soon} 0 redis-kill 2 *"));
    story.log(&format!("H {} 0 redis-kill 2", soon + 200 * MS));
    assert_eq!(story.broken(), [""; 0]);
    story.terms.musts.claims_again_ms = Some(300);
    assert_eq!(story.broken(), ["claims again"]);
}

#[test]
fn an_early_start_is_found() {
    let mut story = Story::good();
    story.terms.musts.never_early = true;
    story
        .log(&format!("T {MS} a-2 later q 3 2500"))
        .log(&format!("A {} a-2 {} 0", 2 * MS, id(2)));
    story
        .start(2, 2, 1, 10, "a-2")
        .end(2, 2, 10, "ok -")
        .completed(2, "a-2", 2);
    assert_eq!(story.broken(), ["never early"]);
}

#[test]
fn a_second_run_is_found_where_there_may_be_none() {
    let mut story = Story::good();
    story.terms.musts.runs_once = true;
    assert_eq!(story.broken(), [""; 0]);
    story
        .submit("a-2", 2)
        .start(2, 2, 1, 10, "a-2")
        .end(2, 2, 10, "error -");
    story
        .start(2, 3, 2, 11, "a-2")
        .end(2, 3, 11, "ok -")
        .completed(2, "a-2", 3);
    assert_eq!(story.broken(), ["runs once"]);
}

#[test]
fn poison_that_costs_too_many_workers_is_found() {
    let mut story = Story::good();
    story.terms.musts.deaths_per_poison = Some(1);
    story
        .log(&format!("T {MS} a-2 poison-abort q 3 0"))
        .log(&format!("A {} a-2 {} 0", 2 * MS, id(2)));
    story
        .set("failed", 2)
        .spec(2, "a-2")
        .column("results", 2, b"E\x0bWORKER_LOSTx");
    story
        .start(2, 2, 1, 10, "a-2")
        .log(&format!("X {} worker-0 10 died signal-6", 2 * SECOND + 1));
    assert_eq!(story.broken(), [""; 0]);
    story
        .start(2, 3, 1, 11, "a-2")
        .log(&format!("X {} worker-1 11 died signal-6", 3 * SECOND + 1));
    assert_eq!(story.broken(), ["poison"]);
}

#[test]
fn a_process_that_grows_is_found() {
    let mut story = Story::good();
    story.terms.musts.growth = Some(0.1);
    for (pid, step) in [(10, 0), (11, 1_000)] {
        for at in 0..40 {
            story.log(&format!(
                "M {} worker {pid} {} 20",
                at * SECOND / 10,
                10_000 + at * step
            ));
        }
    }
    let report = story.judged();
    let flat = report
        .verdicts
        .iter()
        .find(|verdict| verdict.rule == "flat")
        .unwrap();
    assert_eq!((flat.checked, flat.broken), (4, 1), "{flat:?}");
}
