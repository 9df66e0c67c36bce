//! Dark, light, or as the system has it.

use yew::{Callback, Html, classes, function_component, html, use_effect_with, use_state};

use crate::browser::{self, Listener};

/// The event that tells of another theme.
const CHANGED: &str = "jobflow-theme";

/// The choices: what is stored, and what it is called.
const THEMES: [(Option<&str>, &str); 3] = [
    (None, "System"),
    (Some("light"), "Light"),
    (Some("dark"), "Dark"),
];

/// Goes on to the next choice, as a key asks for.
pub(crate) fn next() {
    let stored = browser::stored_theme();
    let at = THEMES
        .iter()
        .position(|(theme, _)| *theme == stored.as_deref());
    let (theme, _) = THEMES[(at.unwrap_or_default() + 1) % THEMES.len()];
    choose(theme);
}

/// Every switch in sight hears of it.
fn choose(theme: Option<&str>) {
    browser::apply_theme(theme);
    browser::announce(CHANGED);
}

/// Three buttons of which one is pressed.
#[function_component]
pub(crate) fn ThemeSwitch() -> Html {
    let chosen = use_state(browser::stored_theme);
    {
        let chosen = chosen.setter();
        use_effect_with((), move |()| {
            let listener =
                Listener::on_document(CHANGED, move |_| chosen.set(browser::stored_theme()));
            move || drop(listener)
        });
    }
    html! {
        <div class="theme" role="group" aria-label="Theme">
            {for THEMES.iter().map(|&(theme, title)| {
                let pressed = chosen.as_deref() == theme;
                let onclick = Callback::from(move |_| choose(theme));
                html! {
                    <button
                        type="button"
                        class={classes!("theme-button", pressed.then_some("pressed"))}
                        aria-pressed={pressed.to_string()}
                        aria-label={title}
                        title={format!("{title} theme")}
                        {onclick}
                    >
                        {icon(theme)}
                    </button>
                }
            })}
        </div>
    }
}

fn icon(theme: Option<&str>) -> Html {
    let shape = match theme {
        Some("light") => html! { <>
            <circle cx="8" cy="8" r="2.9" />
            <path d="M8 1.2v1.4M8 13.4v1.4M1.2 8h1.4M13.4 8h1.4M3.2 3.2l1 1M11.8 11.8l1 1M12.8 3.2l-1 1M4.2 11.8l-1 1" />
        </> },
        Some(_) => html! { <path d="M13.6 9.9A6 6 0 0 1 6.1 2.4a6 6 0 1 0 7.5 7.5Z" /> },
        None => html! { <>
            <rect x="1.75" y="2.5" width="12.5" height="8.75" rx="1.5" /><path d="M5.5 14h5M8 11.5V14" />
        </> },
    };
    html! { <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">{shape}</svg> }
}
