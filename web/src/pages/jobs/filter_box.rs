//! The box for the filter, with suggestions, and what is wrong with it below.

use web_sys::HtmlInputElement;
use yew::{
    Callback, Html, InputEvent, KeyboardEvent, Properties, SubmitEvent, TargetCast, classes,
    function_component, html, use_effect_with, use_node_ref, use_state, use_state_eq,
};

use super::listing::check;
use crate::{
    api::Problem,
    complete::{Known, suggestions},
    route::{JobsView, Route},
    session::{use_live, use_session},
};

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct FilterBoxProps {
    pub(crate) view: JobsView,
    pub(crate) kinds: Vec<String>,
    /// What the server says of the filter that is shown.
    pub(crate) problem: Option<Problem>,
}

#[function_component]
pub(crate) fn FilterBox(props: &FilterBoxProps) -> Html {
    let session = use_session();
    let live = use_live();
    let text = use_state_eq(|| props.view.filter.clone());
    let open = use_state_eq(|| false);
    let chosen = use_state(|| None::<usize>);
    let input = use_node_ref();
    {
        // Gone back to another view: the box says what is shown.
        let text = text.clone();
        use_effect_with(props.view.filter.clone(), move |filter| {
            text.set(filter.clone());
        });
    }
    let queues = live.latest.as_ref().map(|latest| {
        latest
            .queues
            .iter()
            .map(|queue| queue.name.to_string())
            .collect()
    });
    let known = Known {
        queues: queues.unwrap_or_default(),
        kinds: props.kinds.clone(),
    };
    let choices = if *open {
        suggestions(&text, &known)
    } else {
        Vec::new()
    };
    let apply = {
        let (session, view) = (session, props.view.clone());
        let open = open.clone();
        Callback::from(move |filter: String| {
            open.set(false);
            if filter != view.filter {
                session.go.emit(Route::Jobs(JobsView {
                    filter,
                    state: view.state,
                }));
            }
        })
    };
    let onsubmit = {
        let (apply, text) = (apply.clone(), text.clone());
        Callback::from(move |event: SubmitEvent| {
            event.prevent_default();
            apply.emit(text.trim().to_owned());
        })
    };
    let oninput = {
        let (text, open, chosen) = (text.clone(), open.clone(), chosen.clone());
        Callback::from(move |event: InputEvent| {
            text.set(event.target_unchecked_into::<HtmlInputElement>().value());
            open.set(true);
            chosen.set(None);
        })
    };
    let take = {
        let (text, chosen, input) = (text.clone(), chosen.clone(), input.clone());
        Callback::from(move |choice: String| {
            text.set(choice);
            chosen.set(None);
            if let Some(input) = input.cast::<HtmlInputElement>() {
                drop(input.focus());
            }
        })
    };
    let onkeydown = {
        let (open, chosen, take) = (open.clone(), chosen.clone(), take.clone());
        let choices = choices.clone();
        Callback::from(move |event: KeyboardEvent| {
            let count = choices.len();
            let step = |by: usize| (count > 0).then(|| chosen.map_or(by - 1, |at| at + by) % count);
            match event.key().as_str() {
                "ArrowDown" if count > 0 => chosen.set(step(1)),
                "ArrowUp" if count > 0 => {
                    chosen.set(chosen.map_or(Some(count - 1), |at| Some((at + count - 1) % count)));
                }
                "Tab" | "Enter" if chosen.is_some() => {
                    if let Some(choice) = chosen.and_then(|at| choices.get(at)) {
                        take.emit(choice.text.clone());
                    }
                }
                "Escape" => return open.set(false),
                _ => return,
            }
            event.prevent_default();
        })
    };
    let onfocus = {
        let open = open.clone();
        Callback::from(move |_| open.set(true))
    };
    let onblur = {
        let open = open;
        Callback::from(move |_| open.set(false))
    };
    let problem = check(&text)
        .err()
        .or_else(|| props.problem.clone().filter(|_| *text == props.view.filter));
    let active = chosen.map(|at| format!("suggestion-{at}"));
    let clear = apply.reform(|_| String::new());
    html! {
        <form class="filter" role="search" {onsubmit}>
            <div class="filter-row">
                <label class="hidden" for="filter">{"Filter"}</label>
                <input
                    ref={input} id="filter" class={classes!("filter-input", problem.is_some().then_some("wrong"))}
                    type="text" autocomplete="off" spellcheck="false" maxlength="4096"
                    placeholder="queue = mail AND kind = send* AND -tags:eu"
                    role="combobox" aria-expanded={(!choices.is_empty()).to_string()} aria-controls="suggestions"
                    aria-autocomplete="list" aria-activedescendant={active}
                    aria-invalid={problem.is_some().to_string()} aria-describedby="filter-problem"
                    data-testid="filter"
                    value={(*text).clone()} {oninput} {onkeydown} {onfocus} {onblur}
                />
                <button type="submit" class="button primary" data-testid="filter-apply">{"Filter"}</button>
                if !props.view.filter.is_empty() {
                    <button type="button" class="button" onclick={clear}>{"Clear"}</button>
                }
            </div>
            <ul id="suggestions" class="suggestions" role="listbox" aria-label="Suggestions" hidden={choices.is_empty()}>
                {for choices.iter().enumerate().map(|(at, choice)| {
                    let picked = *chosen == Some(at);
                    let (take, text) = (take.clone(), choice.text.clone());
                    // Before the box loses the focus, and with it the list.
                    let onmousedown = Callback::from(move |event: yew::MouseEvent| {
                        event.prevent_default();
                        take.emit(text.clone());
                    });
                    html! {
                        <li id={format!("suggestion-{at}")} class={classes!("suggestion", picked.then_some("picked"))} role="option" aria-selected={picked.to_string()} {onmousedown}>
                            {&choice.label}
                        </li>
                    }
                })}
            </ul>
            <div id="filter-problem" class="filter-problem" aria-live="polite" data-testid="filter-problem">
                if let Some(problem) = problem {
                    if let Some(position) = problem.position {
                        {excerpt(&text, position)}
                    }
                    <span>{&problem.message}</span>
                }
            </div>
        </form>
    }
}

/// The filter with a mark where it can not be read.
fn excerpt(text: &str, position: usize) -> Html {
    let at = position.saturating_sub(1);
    let before: String = text.chars().take(at).collect();
    let after: String = text.chars().skip(at).collect();
    let after = if after.is_empty() {
        "⏎".to_owned()
    } else {
        after
    };
    html! { <code class="filter-excerpt">{before}<mark>{after}</mark></code> }
}
