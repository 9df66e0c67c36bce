//! A command to try, as it has to be typed.

use yew::{AttrValue, Html, Properties, function_component, html};

use crate::components::copy::Copy;

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct CommandProps {
    pub(crate) text: AttrValue,
}

/// A line for the terminal, with a button that copies it.
#[function_component]
pub(crate) fn Command(props: &CommandProps) -> Html {
    html! {
        <div class="command">
            <code tabindex="0">{&props.text}</code>
            <Copy text={props.text.clone()} what="the command" />
        </div>
    }
}
