//! The life of a job: its phases side by side, and its attempts one by one.

use std::rc::Rc;

use jobflow::proto::{AttemptOutcome, Job};
use yew::{Html, Properties, classes, function_component, html};

use crate::{
    api::values::millis,
    components::moment::Moment,
    format,
    session::{use_now, use_session},
    timeline::{Step, steps},
};

/// The bar in its own units.
const WIDTH: f64 = 1_000.0;
/// Even the shortest phase can be seen.
const LEAST: f64 = 6.0;

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct TimelineProps {
    pub(crate) job: Rc<Job>,
}

#[function_component]
pub(crate) fn Timeline(props: &TimelineProps) -> Html {
    let now = use_now() * 1_000;
    let session = use_session();
    let job = &props.job;
    let steps = steps(job);
    html! {
        <div class="timeline" data-testid="timeline">
            {bar(&steps, now)}
            <ol class="steps">
                <li class="step submitted"><span class="step-mark"></span><b>{"Submitted"}</b><Moment time={job.create_time} /></li>
                {for steps.iter().map(|step| one(step, now))}
                if let Some(finished) = job.finish_time.as_ref().map(millis) {
                    <li class="step end"><span class="step-mark"></span>
                        <b>{"Final"}</b>
                        <time title={session.settings.full(finished)}>{session.settings.past(finished, now)}</time>
                    </li>
                } else if job.run_time.is_some() {
                    <li class="step end"><span class="step-mark"></span><b>{"Due"}</b><Moment time={job.run_time} ahead=true /></li>
                }
            </ol>
        </div>
    }
}

fn one(step: &Step, now: u64) -> Html {
    let took = format::duration(step.took(now));
    let going = step.to.is_none();
    let outcome = step.outcome.map(outcome);
    html! {
        <li class={classes!("step", step.phase.class(), going.then_some("going"), outcome.map(|(_, class)| class))} data-phase={step.phase.class()}>
            <span class="step-mark"></span>
            <b>{if going { going_title(step) } else { step.phase.title() }}</b>
            <span class="step-took">{took}</span>
            if step.attempt > 0 {
                <span class="zero">{format!("attempt {}", step.attempt)}</span>
            }
            if let Some((word, _)) = outcome {
                <span class="step-outcome">{word}</span>
            }
        </li>
    }
}

const fn going_title(step: &Step) -> &'static str {
    use crate::timeline::Phase;
    match step.phase {
        Phase::Delay => "Waits for its time",
        Phase::Wait => "Waits",
        Phase::Run => "Runs",
        Phase::Backoff => "Waits to retry",
    }
}

/// The phases in proportion, and the shortest still in sight.
fn bar(steps: &[Step], now: u64) -> Html {
    let took: Vec<f64> = steps
        .iter()
        .map(|step| step.took(now).as_secs_f64())
        .collect();
    let total: f64 = took.iter().sum();
    let room = WIDTH - LEAST * steps.len() as f64;
    let mut x = 0.0;
    let parts = steps.iter().zip(&took).map(|(step, took)| {
        let share = if total > 0.0 { took / total } else { 0.0 };
        let width = LEAST + share * room.max(0.0);
        let at = x;
        x += width;
        let outcome = step.outcome.map(outcome);
        html! {
            <rect class={classes!("phase", step.phase.class(), outcome.map(|(_, class)| class))} x={format!("{at:.1}")} y="0" width={format!("{:.1}", (width - 2.0).max(1.0))} height="10" />
        }
    });
    html! {
        <svg class="phases" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">{for parts}</svg>
    }
}

/// How an attempt ended: its word, and the state whose colour it has.
const fn outcome(outcome: AttemptOutcome) -> (&'static str, &'static str) {
    match outcome {
        AttemptOutcome::Acked => ("succeeded", "completed"),
        AttemptOutcome::Errored => ("errored", "failed"),
        AttemptOutcome::Snoozed => ("put off", "scheduled"),
        AttemptOutcome::Released => ("given back", "waiting"),
        AttemptOutcome::Lost => ("worker lost", "failed"),
        AttemptOutcome::Cancelled => ("called off", "cancelled"),
        AttemptOutcome::Unspecified => ("unknown", "blocked"),
    }
}

/// The attempts that have ended, the last one first: it is what people look for.
#[function_component]
pub(crate) fn Attempts(props: &TimelineProps) -> Html {
    html! {
        <ol class="attempts" data-testid="attempts">
            {for props.job.attempts.iter().rev().map(|attempt| {
                let (word, class) = outcome(attempt.outcome());
                let (start, end) = (attempt.start_time.as_ref(), attempt.end_time.as_ref());
                let ran = start.zip(end).map(|(start, end)| millis(end).saturating_sub(millis(start)));
                html! {
                    <li class={classes!("attempt", class)} data-number={attempt.number.to_string()}>
                        <div class="attempt-head">
                            <b>{format!("Attempt {}", attempt.number)}</b>
                            <span class="step-outcome">{word}</span>
                            if let Some(ran) = ran {
                                <span>{format!("ran {}", format::duration(std::time::Duration::from_millis(ran)))}</span>
                            }
                            <Moment time={attempt.end_time} />
                            <span class="zero attempt-worker" title={attempt.worker.clone()}>{&attempt.worker}</span>
                        </div>
                        if let Some(error) = &attempt.error {
                            <pre class="error-text"><code class="failed-text">{&error.code}</code>{" "}{&error.message}</pre>
                        }
                    </li>
                }
            })}
        </ol>
    }
}
