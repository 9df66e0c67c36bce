//! The sheet of shortcuts.

use yew::{Callback, Html, Properties, function_component, html};

use crate::{components::dialog::Dialog, shortcut::SHEET};

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct HelpProps {
    pub(crate) on_close: Callback<()>,
}

#[function_component]
pub(crate) fn Help(props: &HelpProps) -> Html {
    html! {
        <Dialog title="Keyboard shortcuts" on_close={props.on_close.clone()}>
            <div class="sheet">
                {for SHEET.iter().map(|(title, rows)| html! {
                    <section>
                        <h3>{*title}</h3>
                        <dl>
                            {for rows.iter().map(|(keys, what)| html! {
                                <div class="sheet-row">
                                    <dt>{for keys.split(' ').map(|key| html! { <kbd>{key}</kbd> })}</dt>
                                    <dd>{*what}</dd>
                                </div>
                            })}
                        </dl>
                    </section>
                })}
            </div>
        </Dialog>
    }
}
