//! What has to be answered before anything else happens.

use gloo_timers::future::TimeoutFuture;
use web_sys::HtmlDialogElement;
use yew::{
    AttrValue, Callback, Children, Event, Html, Properties, SubmitEvent, classes,
    function_component, html, use_effect_with, use_node_ref,
};

use crate::{api::Problem, browser, components::problem::ProblemNote};

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct DialogProps {
    pub(crate) title: AttrValue,
    /// What the button says that does it, for example `Delete 412 jobs`;
    /// `None`: there is nothing to do but to close.
    #[prop_or_default]
    pub(crate) verb: Option<AttrValue>,
    /// It can not be undone.
    #[prop_or_default]
    pub(crate) danger: bool,
    /// It can not be done yet, or is being done.
    #[prop_or_default]
    pub(crate) busy: bool,
    #[prop_or_default]
    pub(crate) wide: bool,
    #[prop_or_default]
    pub(crate) problem: Option<Problem>,
    #[prop_or_default]
    pub(crate) on_do: Callback<()>,
    pub(crate) on_close: Callback<()>,
    #[prop_or_default]
    pub(crate) children: Children,
}

/// The browser's own dialog: it holds the focus, closes with Escape, and gives
/// the focus back.
#[function_component]
pub(crate) fn Dialog(props: &DialogProps) -> Html {
    let node = use_node_ref();
    {
        let node = node.clone();
        use_effect_with((), move |()| {
            let dialog = node.cast::<HtmlDialogElement>();
            if let Some(dialog) = &dialog {
                // Refused only for a dialog that is open already.
                drop(dialog.show_modal());
            }
            move || {
                // One that is only taken away gives no focus back.
                if let Some(dialog) = dialog {
                    dialog.close();
                }
                keep_focus();
            }
        });
    }
    let onclose = props.on_close.reform(|_: Event| ());
    let onsubmit = {
        let on_do = props.on_do.clone();
        let busy = props.busy;
        Callback::from(move |event: SubmitEvent| {
            event.prevent_default();
            if !busy {
                on_do.emit(());
            }
        })
    };
    let cancel = props.on_close.reform(|_| ());
    html! {
        <dialog ref={node} class={classes!("dialog", props.wide.then_some("wide"))} aria-labelledby="dialog-title" data-testid="dialog" {onclose}>
            <form {onsubmit}>
                <h2 id="dialog-title">{&props.title}</h2>
                <div class="dialog-body">{props.children.clone()}</div>
                if let Some(problem) = &props.problem {
                    <ProblemNote problem={problem.clone()} />
                }
                <div class="dialog-foot">
                    <button type="button" class="button" onclick={cancel} data-testid="dialog-close">
                        {if props.verb.is_some() { "Never mind" } else { "Close" }}
                    </button>
                    if let Some(verb) = &props.verb {
                        <button type="submit" class={classes!("button", "primary", props.danger.then_some("danger"))} disabled={props.busy} data-testid="dialog-do">
                            {verb}
                        </button>
                    }
                </div>
            </form>
        </dialog>
    }
}

/// What had the focus may be gone with what was done to it: then the page has it.
fn keep_focus() {
    wasm_bindgen_futures::spawn_local(async {
        // Behind the drawing that takes it away.
        TimeoutFuture::new(0).await;
        if browser::has_no_focus() {
            browser::focus("#main");
        }
    });
}
