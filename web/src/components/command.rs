//! A command to try, as it has to be typed.

use yew::{AttrValue, Callback, Html, Properties, function_component, html, use_state};

use crate::browser;

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct CommandProps {
    pub(crate) text: AttrValue,
}

/// A line for the terminal, with a button that copies it where browsers allow that.
#[function_component]
pub(crate) fn Command(props: &CommandProps) -> Html {
    let copied = use_state(|| false);
    let onclick = {
        let copied = copied.clone();
        let text = props.text.clone();
        Callback::from(move |_| {
            browser::copy(&text);
            copied.set(true);
        })
    };
    html! {
        <div class="command">
            <code tabindex="0">{&props.text}</code>
            if browser::can_copy() {
                <button type="button" class="button" {onclick}>
                    <span role="status">{if *copied { "Copied" } else { "Copy" }}</span>
                </button>
            }
        </div>
    }
}
