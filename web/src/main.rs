//! The JobFlow dashboard: numbers as they move, pushed over grpc-web.
//!
//! The way of a message: `api` reads it off the wire, `link` keeps the stream
//! open, `store` makes a state of it, `pages` draw the state with `components`.

mod format;
mod model;

mod feed;
mod history;
mod plot;
mod store;

mod api;
mod browser;
mod link;

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
