//! Asks for a token where the server wants one.

use web_sys::HtmlInputElement;
use yew::{
    Callback, Html, InputEvent, TargetCast, function_component, html, use_effect_with, use_state,
    use_state_eq,
};

use crate::{
    api::{Problem, TOKEN_WANTED},
    browser::{self, Listener},
    components::dialog::Dialog,
};

/// Opens itself when a call was refused for want of a token.
#[function_component]
pub(crate) fn SignIn() -> Html {
    let wanted = use_state_eq(|| false);
    let text = use_state(String::new);
    let problem = use_state(|| None::<Problem>);
    {
        let wanted = wanted.setter();
        use_effect_with((), move |()| {
            let listener = Listener::on_document(TOKEN_WANTED, move |_| wanted.set(true));
            move || drop(listener)
        });
    }
    if !*wanted {
        return Html::default();
    }
    let oninput = {
        let text = text.setter();
        Callback::from(move |event: InputEvent| {
            let input: HtmlInputElement = event.target_unchecked_into();
            text.set(input.value());
        })
    };
    let on_do = {
        let (text, problem) = (text.clone(), problem.setter());
        Callback::from(move |()| {
            if browser::keep_token(Some(text.trim())) {
                // Everything that was asked without it is asked again.
                browser::reload();
            } else {
                problem.set(Some(Problem::local(
                    "This browser keeps nothing for the tab.",
                )));
            }
        })
    };
    let on_close = {
        let wanted = wanted.setter();
        Callback::from(move |()| wanted.set(false))
    };
    let note = if browser::token().is_some() {
        "The server does not take the token of this tab: it is unknown, expired or revoked."
    } else {
        "This server wants a token. It is kept for this tab, and gone when you close it."
    };
    html! {
        <Dialog title="Sign in" verb="Sign in" busy={text.trim().is_empty()} problem={(*problem).clone()} {on_do} {on_close}>
            <p>{note}</p>
            <label class="field">
                <span>{"Token"}</span>
                <input type="password" autocomplete="off" spellcheck="false" placeholder="jf_…" data-testid="token" {oninput} />
            </label>
        </Dialog>
    }
}
