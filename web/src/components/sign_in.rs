//! A token, where the server wants one; and whose it is.

use web_sys::HtmlInputElement;
use yew::{
    Callback, Html, InputEvent, Properties, SubmitEvent, TargetCast, function_component, html,
    use_state,
};

use crate::{browser, components::command::Command, session::use_live, store::Refusal};

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct SignInProps {
    pub(crate) why: Refusal,
    /// The token is kept: call again.
    pub(crate) on_token: Callback<()>,
}

/// Stands instead of every page until the server takes the token.
#[function_component]
pub(crate) fn SignIn(props: &SignInProps) -> Html {
    let text = use_state(String::new);
    let refused = browser::token().is_some().then_some(match props.why {
        Refusal::Token => {
            "The server does not take the last one: it has ended, was revoked, or is not whole."
        }
        Refusal::Role => {
            "The last one is of a submitter, who may not look around. Show one of a viewer, an operator or an admin."
        }
    });
    let oninput = {
        let text = text.clone();
        Callback::from(move |event: InputEvent| {
            text.set(event.target_unchecked_into::<HtmlInputElement>().value());
        })
    };
    let onsubmit = {
        let (text, on_token) = (text.clone(), props.on_token.clone());
        Callback::from(move |event: SubmitEvent| {
            event.prevent_default();
            browser::keep_token(Some(text.trim()));
            on_token.emit(());
        })
    };
    html! {
        <main id="main" tabindex="-1" class="page sign-in" data-testid="sign-in">
            <h1 class="page-title">{"Sign in"}</h1>
            <p>{"This server wants a token. It is kept for this tab, and goes with it."}</p>
            if let Some(refused) = refused {
                <p class="problem" role="alert">{refused}</p>
            }
            <form class="panel" {onsubmit}>
                <label class="field"><span>{"Token"}</span>
                    <input type="password" autocomplete="off" spellcheck="false" value={(*text).clone()} {oninput} data-testid="token" />
                </label>
                <button type="submit" class="button primary" disabled={text.trim().is_empty()} data-testid="sign-in-do">{"Sign in"}</button>
            </form>
            <p>{"An admin makes one from a terminal:"}</p>
            <Command text="jobflow-cli token create NAME --role operator" />
        </main>
    }
}

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct WhoProps {
    pub(crate) on_leave: Callback<()>,
}

/// Whose token it is and what it may, and the way out.
#[function_component]
pub(crate) fn Who(props: &WhoProps) -> Html {
    let state = use_live();
    let Some(caller) = state
        .server
        .as_ref()
        .and_then(|server| server.caller.clone())
    else {
        return Html::default();
    };
    let leave = {
        let on_leave = props.on_leave.clone();
        Callback::from(move |_| {
            browser::keep_token(None);
            on_leave.emit(());
        })
    };
    html! { <>
        <span data-testid="caller" data-role={caller.role}>
            {"Signed in as "}<b>{&caller.name}</b>{", "}{caller.role}
            if !caller.may_change {
                {" "}<b class="badge warning" data-testid="read-only">{"read-only"}</b>
            }
        </span>
        <button type="button" class="button quiet" data-testid="sign-out" onclick={leave}>{"Sign out"}</button>
    </> }
}

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct RightsProps {
    pub(crate) children: Html,
}

/// What changes something: there for all to see, to be used by those who may.
#[function_component]
pub(crate) fn Rights(props: &RightsProps) -> Html {
    let may = use_live().may_change();
    let title = (!may).then_some("Your role may look, not change");
    html! { <fieldset class="rights" disabled={!may} {title}>{props.children.clone()}</fieldset> }
}
