//! Audit: who did what, and who was turned away.

use jobflow::proto::AuditEvent;
use yew::{Callback, Html, classes, function_component, html, use_state_eq};

use crate::{
    answer::use_answer,
    api::Api,
    components::{command::Command, link::Link, moment::Moment, problem::ProblemNote},
    route::Route,
};

/// Of one page.
const PAGE: i32 = 100;

#[function_component]
pub(crate) fn Audit() -> Html {
    // Where the page begins; empty: with the newest.
    let token = use_state_eq(String::new);
    // Only when somebody asks: to look is a call of an admin, and stands here too.
    let asked = use_state_eq(|| 0_u64);
    let page = use_answer((*token).clone(), *asked, |token| {
        Api::list_audit(PAGE, token)
    });
    let again = Callback::from(move |_| asked.set(*asked + 1));
    let older = page.value.as_ref().map(|page| page.next_page_token.clone());
    let older = older.filter(|token| !token.is_empty());
    let go = |to: String| {
        let token = token.clone();
        Callback::from(move |_| token.set(to.clone()))
    };
    let events = page.value.as_ref().map(|page| &page.events[..]);
    html! {
        <main id="main" tabindex="-1" class="page" data-testid="audit-page">
            <h1 class="page-title">{"Audit"}</h1>
            <p class="panel-note">{"Calls that are open to operators or admins alone, and calls that were refused. The last 20,000 are kept."}</p>
            if let Some(problem) = &page.problem {
                <ProblemNote problem={problem.clone()} />
            }
            if events.is_some_and(<[_]>::is_empty) {
                <div class="empty" data-testid="audit">
                    <p>{"Nothing has been changed or refused yet. The same from a terminal:"}</p>
                    <Command text="jobflow-cli audit" />
                </div>
            } else if let Some(events) = events {
                <div class="panel audit" role="table" aria-label="Calls, newest first" data-testid="audit">
                    <div role="rowgroup">
                        <div class="audit-row head" role="row">
                            {for ["When", "Who", "Call", "About", "Result", "From"].map(|heading| html! { <span role="columnheader">{heading}</span> })}
                        </div>
                    </div>
                    <div role="rowgroup">{for events.iter().map(row)}</div>
                </div>
            }
            <div class="pager">
                <button type="button" class="button" data-testid="reload" onclick={again}>{"Read again"}</button>
                if !token.is_empty() {
                    <button type="button" class="button" data-testid="newest" onclick={go(String::new())}>{"Newest"}</button>
                }
                if let Some(older) = older {
                    <button type="button" class="button" data-testid="older" onclick={go(older)}>{"Older"}</button>
                }
            </div>
        </main>
    }
}

fn row(event: &AuditEvent) -> Html {
    let refused = event.result != "OK";
    let job = event.target.strip_prefix("job ").map(str::to_owned);
    let queue = event.target.strip_prefix("queue ").map(Route::queue);
    let caller = if event.caller.is_empty() {
        "nobody"
    } else {
        &event.caller
    };
    html! {
        <div key={event.id.clone()} class="audit-row" role="row" data-call={event.call.clone()} data-result={event.result.clone()}>
            <span role="cell"><Moment time={event.time} /></span>
            <b role="cell">{caller}</b>
            <span role="cell" class="audit-call" title={format!("Request {}", event.request_id)}>{&event.call}</span>
            <span role="cell">{match job.map(Route::Job).or(queue) {
                Some(to) => html! { <Link {to}>{&event.target}</Link> },
                None => html! { {&event.target} },
            }}</span>
            <span role="cell"><code class={classes!(refused.then_some("failed-text"))}>{&event.result}</code></span>
            <span role="cell" class="audit-peer">{&event.peer}</span>
        </div>
    }
}
