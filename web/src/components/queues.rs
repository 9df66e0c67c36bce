//! The queues side by side.

use std::time::Duration;

use yew::{AttrValue, Callback, Html, Properties, classes, function_component, html, use_state};

use crate::{components::link::Link, format, route::Route};

/// More rows than this are asked for.
const AT_FIRST: usize = 12;

/// What is told of a queue.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct QueueLine {
    pub(crate) name: AttrValue,
    pub(crate) waiting: u64,
    pub(crate) active: u64,
    pub(crate) failed: u64,
    pub(crate) completed_rate: f64,
    pub(crate) oldest_waiting: Option<Duration>,
}

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct QueuesProps {
    pub(crate) queues: Vec<QueueLine>,
}

/// One line per queue, by name, so that no line jumps.
#[function_component]
pub(crate) fn QueueTable(props: &QueuesProps) -> Html {
    let all = use_state(|| false);
    let shown = if *all { props.queues.len() } else { AT_FIRST };
    let hidden = props.queues.len().saturating_sub(AT_FIRST);
    let onclick = {
        let all = all.clone();
        Callback::from(move |_| all.set(!*all))
    };
    html! {
        <section class="panel queues-panel" aria-labelledby="queues-title">
            <header class="panel-head">
                <h2 id="queues-title">{"Queues"}</h2>
                <p class="panel-note">{format::plural(props.queues.len() as u64, "queue")}</p>
            </header>
            <div class="table-scroll" role="group" aria-label="Queues, scrollable" tabindex="0">
                <table class="queues" data-testid="queues">
                    <thead>
                        <tr>
                            <th scope="col">{"Queue"}</th>
                            <th scope="col" class="number">{"Waiting"}</th>
                            <th scope="col" class="number">{"Active"}</th>
                            <th scope="col" class="number">{"Failed"}</th>
                            <th scope="col" class="number">{"Done/s"}</th>
                            <th scope="col" class="number">{"Oldest"}</th>
                        </tr>
                    </thead>
                    <tbody>
                        {for props.queues.iter().take(shown).map(line)}
                    </tbody>
                </table>
            </div>
            if props.queues.is_empty() {
                <p class="empty">{"A queue begins with its first job."}</p>
            }
            if hidden > 0 {
                <button type="button" class="button wide" aria-expanded={all.to_string()} {onclick}>
                    {if *all { "Show fewer".to_owned() } else { format!("Show {hidden} more") }}
                </button>
            }
        </section>
    }
}

fn line(queue: &QueueLine) -> Html {
    let number = |value: u64, class: &'static str| {
        html! {
            <td class={classes!("number", class, (value == 0).then_some("zero"))} title={format::grouped(value)}>
                {format::count(value)}
            </td>
        }
    };
    html! {
        <tr key={queue.name.as_str()} data-queue={queue.name.clone()}>
            <th scope="row" title={queue.name.clone()}><Link to={Route::queue(&queue.name)}>{queue.name.clone()}</Link></th>
            {number(queue.waiting, "waiting")}
            {number(queue.active, "active")}
            {number(queue.failed, "failed")}
            <td class={classes!("number", (queue.completed_rate <= 0.0).then_some("zero"))}>{format::rate(queue.completed_rate)}</td>
            <td class={classes!("number", queue.oldest_waiting.is_none().then_some("zero"))}>
                {queue.oldest_waiting.map_or_else(|| "–".to_owned(), format::duration)}
            </td>
        </tr>
    }
}
