//! Settings of this browser: how things read here.

use yew::{Callback, Html, function_component, html};

use crate::{
    browser, clock,
    components::theme::ThemeSwitch,
    session::{Settings as Values, use_now, use_session},
};

#[function_component]
pub(crate) fn Settings() -> Html {
    let session = use_session();
    let now = use_now() * 1_000;
    let values = session.settings;
    let here = clock::zone(browser::offset_minutes(now));
    let choice = |name: &'static str, label: String, pressed: bool, next: Values| {
        let onclick = session.set.reform(move |_| next);
        html! {
            <button type="button" class={if pressed { "button pressed" } else { "button" }} aria-pressed={pressed.to_string()} data-testid={name} {onclick}>{label}</button>
        }
    };
    let row = |title: &'static str, note: Html, control: Html| {
        html! { <div class="setting-row"><div><h2>{title}</h2><p class="panel-note">{note}</p></div><div class="button-group" role="group" aria-label={title}>{control}</div></div> }
    };
    html! {
        <main id="main" tabindex="-1" class="page settings-page" data-testid="settings">
            <h1 class="page-title">{"Settings"}</h1>
            <section class="panel" aria-label="Settings of this browser">
                {row("Theme", html! { {"System follows what the machine is set to; the key t goes on to the next."} }, html! { <ThemeSwitch /> })}
                {row("Time zone", html! { {format!("Now is {}.", values.full(now))} }, html! { <>
                    {choice("zone-local", format!("This machine ({here})"), !values.utc, Values { utc: false, ..values })}
                    {choice("zone-utc", "UTC".into(), values.utc, Values { utc: true, ..values })}
                </> })}
                {row("Times", html! { {format!("A minute before now reads: {}.", values.past(now.saturating_sub(60_000), now))} }, html! { <>
                    {choice("times-relative", "How long ago".into(), !values.absolute, Values { absolute: false, ..values })}
                    {choice("times-absolute", "When".into(), values.absolute, Values { absolute: true, ..values })}
                </> })}
                {row("Density", html! { {"How high the rows of lists are."} }, html! { <>
                    {choice("density-comfortable", "Comfortable".into(), !values.compact, Values { compact: false, ..values })}
                    {choice("density-compact", "Compact".into(), values.compact, Values { compact: true, ..values })}
                </> })}
            </section>
            <p class="panel-note">{"Kept in this browser and nowhere else."}</p>
            <button type="button" class="button" onclick={Callback::from(|_| browser::reload())}>{"Load the page anew"}</button>
        </main>
    }
}
