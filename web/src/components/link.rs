//! Links between the pages of the dashboard.

use web_sys::Element;
use yew::{
    AttrValue, Callback, Classes, Html, MouseEvent, Properties, function_component, html,
    use_effect_with, use_node_ref,
};

use crate::{browser, route::Route, session::use_session};

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct LinkProps {
    pub(crate) to: Route,
    #[prop_or_default]
    pub(crate) class: Classes,
    #[prop_or_default]
    pub(crate) title: Option<AttrValue>,
    /// Whether this is where the reader is.
    #[prop_or_default]
    pub(crate) current: bool,
    #[prop_or_default]
    pub(crate) test_id: Option<AttrValue>,
    pub(crate) children: Html,
}

/// An address that is gone to without loading the page anew; to be opened
/// elsewhere, copied and kept as any other.
#[function_component]
pub(crate) fn Link(props: &LinkProps) -> Html {
    let session = use_session();
    let node = use_node_ref();
    {
        // On a phone, places and tabs are more than fit beside each other.
        let node = node.clone();
        use_effect_with(props.current, move |current| {
            if let Some(link) = node.cast::<Element>().filter(|_| *current) {
                browser::bring_into_sight(&link);
            }
        });
    }
    let to = props.to.clone();
    let onclick = Callback::from(move |event: MouseEvent| {
        let plain = event.button() == 0
            && !(event.ctrl_key() || event.meta_key() || event.shift_key() || event.alt_key());
        if plain {
            event.prevent_default();
            session.go.emit(to.clone());
        }
    });
    html! {
        <a
            ref={node}
            href={props.to.address()}
            class={props.class.clone()}
            title={props.title.clone()}
            aria-current={props.current.then_some("page")}
            data-testid={props.test_id.clone()}
            {onclick}
        >
            {props.children.clone()}
        </a>
    }
}
