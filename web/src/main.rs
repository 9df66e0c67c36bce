//! The JobFlow dashboard: numbers as they move, pushed over grpc-web.
//!
//! The way of a message: `api` reads it off the wire, `link` keeps the stream
//! open, `share` passes it on to other tabs, `store` makes a state of it,
//! `pages` draw the state with `components`.
//! Which page is shown says the address, by `route`.

mod clock;
mod complete;
mod format;
mod json;
mod model;
mod place;
mod route;
mod shortcut;
mod span;
mod timeline;

mod feed;
mod history;
mod past;
mod plot;
mod store;

mod answer;
mod api;
mod browser;
mod channel;
mod follow;
mod link;
mod session;
mod share;

mod app;
mod components;
mod pages;

fn main() {
    // A page that has stopped must not look like one that has nothing to tell.
    yew::set_custom_panic_hook(Box::new(|panic| browser::show_crash(&panic.to_string())));
    if let Some(root) = browser::root() {
        yew::Renderer::<app::App>::with_root(root).render();
    }
}
