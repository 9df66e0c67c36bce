//! Copies text.

use yew::{AttrValue, Callback, Html, Properties, function_component, html, use_state};

use crate::browser;

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct CopyProps {
    pub(crate) text: AttrValue,
    /// What is copied, for those who hear it.
    pub(crate) what: AttrValue,
}

/// A button that says what became of it.
#[function_component]
pub(crate) fn Copy(props: &CopyProps) -> Html {
    let copied = use_state(|| None::<bool>);
    let onclick = {
        let copied = copied.clone();
        let text = props.text.clone();
        Callback::from(move |_| copied.set(Some(browser::copy(&text))))
    };
    html! {
        <button type="button" class="button quiet" aria-label={format!("Copy {}", props.what)} {onclick}>
            <span role="status">{match *copied {
                None => "Copy",
                Some(true) => "Copied",
                Some(false) => "Not copied: select it",
            }}</span>
        </button>
    }
}
