//! Queues: all of them, with what they have and whether they move.

use jobflow::JobState;
use yew::{Html, classes, function_component, html};

use crate::{
    components::{command::Command, icons::StateIcon, link::Link},
    format,
    model::{Queue, out_of_reach, state_title},
    route::Route,
    session::use_live,
};

/// The states that a card tells of.
const SHOWN: [JobState; 4] = [
    JobState::Waiting,
    JobState::Active,
    JobState::Retrying,
    JobState::Failed,
];

#[function_component]
pub(crate) fn Queues() -> Html {
    let state = use_live();
    let queues = state.latest.as_ref().map(|latest| latest.queues.as_slice());
    html! {
        <main id="main" tabindex="-1" class="page" data-testid="queues-page">
            <h1 class="page-title">{"Queues"}</h1>
            {match queues {
                None => html! { <p class="empty" role="status">{"Reading the queues…"}</p> },
                Some([]) => html! {
                    <div class="empty">
                        <p>{"A queue begins with its first job:"}</p>
                        <Command text={r#"jobflow-cli submit email-delivery --queue mail --data '{"to":"user@example.com"}'"#} />
                    </div>
                },
                Some(queues) => html! {
                    <ul class="cards">
                        {for queues.iter().map(|queue| card(queue, state.queue_rates(queue).completed))}
                    </ul>
                },
            }}
        </main>
    }
}

fn card(queue: &Queue, per_second: f64) -> Html {
    html! {
        <li key={queue.name.as_str()} class="card panel" data-queue={queue.name.clone()}>
            <header class="card-head">
                <h2><Link to={Route::queue(&queue.name)}>{&queue.name}</Link></h2>
                if queue.paused {
                    <span class="badge warning">{"paused"}</span>
                }
                if queue.draining {
                    <span class="badge warning">{"draining"}</span>
                }
                if let Some(note) = out_of_reach(queue.unreachable) {
                    <span class="badge warning">{note}</span>
                }
            </header>
            <dl class="card-counts">
                {for SHOWN.iter().map(|of| {
                    let count = queue.counts.of(*of);
                    html! {
                        <div class={classes!("card-count", of.as_str(), (count == 0).then_some("zero"))}>
                            <dt><StateIcon state={*of} />{state_title(*of)}</dt>
                            <dd title={format::grouped(count)}>{format::count(count)}</dd>
                        </div>
                    }
                })}
            </dl>
            <p class="card-note">
                {format!("{}/s completed", format::rate(per_second))}
                {match queue.oldest_waiting {
                    Some(age) => format!(" · oldest waits {}", format::duration(age)),
                    None => String::new(),
                }}
                if queue.partitions > 1 {
                    {format!(" · {} partitions", queue.partitions)}
                }
            </p>
        </li>
    }
}
