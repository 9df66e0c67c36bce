//! What the handler said, as it says it.

use std::{collections::VecDeque, rc::Rc};

use jobflow::proto::LogLine;
use web_sys::Element;
use yew::{
    Callback, Html, Properties, TargetCast, function_component, html, use_effect_with,
    use_node_ref, use_state_eq,
};

use crate::{api::values::millis, clock, session::use_session};

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct LogProps {
    pub(crate) lines: VecDeque<Rc<LogLine>>,
    pub(crate) is_final: bool,
}

/// The log; its end stays in sight until somebody scrolls away from it.
#[function_component]
pub(crate) fn Log(props: &LogProps) -> Html {
    let session = use_session();
    let list = use_node_ref();
    let follows = use_state_eq(|| true);
    {
        let list = list.clone();
        let last = props.lines.back().map(|line| line.number);
        use_effect_with((last, *follows), move |(_, follows)| {
            if let Some(list) = list.cast::<Element>().filter(|_| *follows) {
                list.set_scroll_top(list.scroll_height());
            }
        });
    }
    let onscroll = {
        let follows = follows.clone();
        Callback::from(move |event: yew::Event| {
            let list = event.target_unchecked_into::<Element>();
            let below = list.scroll_height() - list.scroll_top() - list.client_height();
            follows.set(below < 8);
        })
    };
    let mut last = None;
    let rows = props.lines.iter().map(|line| {
        let time = line.time.as_ref().map(millis).unwrap_or_default();
        let gap = last.replace(line.number).map_or(line.number, |last| line.number - last - 1);
        html! { <>
            if gap > 0 {
                <li class="log-gap">{format!("{gap} older lines are not kept")}</li>
            }
            <li key={line.number} class="log-line">
                <time title={session.settings.full(time)}>{&clock::full(time, session.settings.offset(time))[11..]}</time>
                <span>{&line.text}</span>
            </li>
        </> }
    });
    html! {
        <section class="panel" aria-labelledby="log-title">
            <header class="panel-head">
                <h2 id="log-title">{"Log"}</h2>
                if !props.lines.is_empty() && !*follows {
                    <p class="panel-note">{"stands still while you read; scroll down to go on"}</p>
                }
            </header>
            if props.lines.is_empty() {
                <p class="empty">{if props.is_final { "The handler logged nothing." } else { "Nothing has been logged yet." }}</p>
            } else {
                <ol ref={list} class="log" tabindex="0" aria-label="Log lines" data-testid="log" data-lines={props.lines.len().to_string()} {onscroll}>
                    {for rows}
                </ol>
            }
        </section>
    }
}
