//! What went wrong, and what to do about it.

use jobflow::Code;
use yew::{Html, Properties, function_component, html};

use crate::api::Problem;

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct ProblemProps {
    pub(crate) problem: Problem,
}

/// A note with the reason of the error table, the message, and an advice.
#[function_component]
pub(crate) fn ProblemNote(props: &ProblemProps) -> Html {
    let problem = &props.problem;
    html! {
        <p class="problem" role="alert" data-testid="problem" data-reason={problem.reason.clone()}>
            <span>{sentence(&problem.message)}</span>
            if let Some(advice) = advice(problem) {
                {" "}<span class="advice">{advice}</span>
            }
            if !problem.reason.is_empty() {
                {" "}<code>{&problem.reason}</code>
            }
        </p>
    }
}

/// What a person can do, where it is not plain from the message.
fn advice(problem: &Problem) -> Option<&'static str> {
    let known = |code: Code| problem.is(code);
    if known(Code::JobNotFound) {
        Some("Finished jobs are kept for a limited time only.")
    } else if known(Code::EtagMismatch) {
        Some("Somebody else changed it meanwhile: look at it as it is now, and try again.")
    } else if known(Code::StoreUnavailable) || known(Code::StoreLoading) {
        Some("Nothing was changed. Try again when Redis is back.")
    } else if known(Code::InvalidStateTransition) {
        Some("It has moved on since it was shown.")
    } else if problem.reason.is_empty() {
        Some("What was asked may or may not have been done: look before you try again.")
    } else {
        None
    }
}

/// A message with a capital and a full stop.
fn sentence(message: &str) -> String {
    let mut letters = message.trim_end_matches('.').chars();
    match letters.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), letters.as_str()),
        None => "The server did not say why.".into(),
    }
}
