//! The health light and the figures that explain it.

use std::time::Duration;

use yew::{AttrValue, Html, Properties, classes, function_component, html};

use crate::{
    components::icons::HealthIcon,
    format,
    model::{Health, HealthStatus, Loop, Memory, Workers},
};

/// A store that takes longer than this slows every job.
const SLOW_ROUND_TRIP: Duration = Duration::from_millis(20);
/// A store that uses more than this part of its memory soon refuses jobs.
const FULL: f64 = 0.9;

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct HealthProps {
    pub(crate) health: Health,
    /// `None` while nothing is known.
    pub(crate) workers: Option<Workers>,
    /// Jobs under a lease, each of which has a slot.
    pub(crate) active: u64,
    pub(crate) oldest_waiting: Option<Duration>,
    pub(crate) memory: Option<Memory>,
}

/// Whether jobs are being done, and if not, why.
#[function_component]
pub(crate) fn HealthPanel(props: &HealthProps) -> Html {
    let health = &props.health;
    html! {
        <section class={classes!("panel", "health", health.status.as_str())} aria-labelledby="health-title">
            <div class="health-light" data-testid="health" data-status={health.status.as_str()}>
                <HealthIcon status={health.status} />
                <div role="status">
                    <h2 id="health-title">{health.status.title()}</h2>
                    {reasons(props)}
                </div>
            </div>
            {figures(props)}
            if !health.loops.is_empty() {
                {pulses(&health.loops)}
            }
        </section>
    }
}

fn reasons(props: &HealthProps) -> Html {
    let health = &props.health;
    let idle = props.workers.is_some_and(|workers| workers.alive == 0);
    if health.reasons.is_empty() {
        return html! { <p class="reason">{match health.status {
            HealthStatus::Healthy if idle => "No job waits, and no worker is running.",
            HealthStatus::Healthy => "Jobs are being done.",
            HealthStatus::Degraded => "Something wants a look.",
            HealthStatus::Unhealthy => "Jobs are not being done.",
            HealthStatus::Unknown => "The server did not say.",
        }}</p> };
    }
    html! {
        <ul class="reasons">
            {for health.reasons.iter().map(|reason| html! { <li class="reason">{sentence(reason)}</li> })}
        </ul>
    }
}

/// The server's words with a capital and a full stop.
fn sentence(reason: &str) -> String {
    let mut letters = reason.chars();
    let Some(first) = letters.next() else {
        return String::new();
    };
    let stop = if reason.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    format!("{}{}{stop}", first.to_uppercase(), letters.as_str())
}

fn figures(props: &HealthProps) -> Html {
    let unknown = || AttrValue::Static("–");
    let round_trip = props.health.round_trip;
    let slow = round_trip.is_some_and(|time| time > SLOW_ROUND_TRIP);
    html! {
        <dl class="figures">
            <div class="fact">
                <dt>{"Workers"}</dt>
                <dd data-testid="workers">{props.workers.map_or_else(unknown, |workers| format::grouped(workers.alive).into())}</dd>
            </div>
            <div class="fact">
                <dt>{"Slots in use"}</dt>
                <dd>{props.workers.map_or_else(Html::default, |workers| slots(props.active, workers.slots))}</dd>
            </div>
            <div class="fact">
                <dt>{"Oldest waiting"}</dt>
                <dd data-testid="oldest-waiting">{match (props.oldest_waiting, props.workers) {
                    (Some(age), _) => format::duration(age).into(),
                    (None, Some(_)) => AttrValue::Static("none"),
                    (None, None) => unknown(),
                }}</dd>
            </div>
            <div class={classes!("fact", slow.then_some("slow"))}>
                <dt>{"Redis round trip"}</dt>
                <dd data-testid="round-trip">{round_trip.map_or_else(unknown, |time| format::round_trip(time).into())}</dd>
            </div>
            if let Some(memory) = props.memory {
                {store_memory(memory)}
            }
        </dl>
    }
}

/// Used of what may be used, where that is limited.
fn store_memory(memory: Memory) -> Html {
    let full = memory.max > 0 && memory.used as f64 > FULL * memory.max as f64;
    html! {
        <div class={classes!("fact", full.then_some("slow"))}>
            <dt>{"Redis memory"}</dt>
            <dd data-testid="memory" data-value={memory.used.to_string()}>
                {format::bytes(memory.used)}
                if memory.max > 0 {
                    <span class="of">{format!(" of {}", format::bytes(memory.max))}</span>
                }
            </dd>
        </div>
    }
}

/// The loops that must never end: when each last worked, and how often it did not.
fn pulses(loops: &[Loop]) -> Html {
    html! {
        <details class="pulses" data-testid="pulses">
            <summary>{format!("Pulse of {}", format::plural(loops.len() as u64, "loop"))}</summary>
            <ul>
                {for loops.iter().map(|one| {
                    let late = one.silence.is_some_and(|silence| silence > one.limit);
                    html! {
                        <li class={classes!("pulse", late.then_some("late"))} data-loop={one.name.clone()}>
                            <b>{&one.name}</b>
                            <span>{match one.silence {
                                Some(silence) => format!("worked {} ago, at the most {}", format::duration(silence), format::duration(one.limit)),
                                None => "rests".to_owned(),
                            }}</span>
                            if one.failures > 0 {
                                <span class="failed-text">{format!("{} failed", format::plural(one.failures, "round"))}</span>
                            }
                        </li>
                    }
                })}
            </ul>
        </details>
    }
}

/// Active jobs of all slots, in figures and as a gauge. There are more of them
/// than slots for as long as the leases of a lost worker last.
fn slots(active: u64, slots: u64) -> Html {
    let part = if slots == 0 {
        0.0
    } else {
        (active as f64 / slots as f64).clamp(0.0, 1.0)
    };
    html! { <>
        <span data-testid="slots">{format::grouped(active)}<span class="of">{format!(" of {}", format::grouped(slots))}</span></span>
        <svg class="gauge" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
            <rect class="gauge-ground" width="100" height="6" />
            <rect class="gauge-part" width={format!("{:.1}", part * 100.0)} height="6" />
        </svg>
    </> }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_read_as_sentences() {
        assert_eq!(sentence("no worker is alive"), "No worker is alive.");
        assert_eq!(sentence("Already one."), "Already one.");
        assert_eq!(sentence(""), "");
    }
}
