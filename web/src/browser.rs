//! The few things asked of the browser, each guarded: storage may be refused,
//! the clipboard may be missing.

use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use web_sys::{Document, Element, EventTarget, Storage, VisibilityState, Window};

use crate::format::whole;

/// Where the theme is kept; `boot.js` reads it before the first paint.
const THEME_KEY: &str = "jobflow-theme";

fn window() -> Window {
    web_sys::window().expect("the dashboard runs in a window")
}

fn document() -> Document {
    window().document().expect("a window has a document")
}

/// The wall clock in milliseconds. The other clock of a browser stands still
/// while the machine sleeps, and would call old numbers young.
pub(crate) fn now() -> u64 {
    whole(js_sys::Date::now())
}

/// A number from 0 up to 1.
pub(crate) fn random() -> f64 {
    js_sys::Math::random()
}

/// Where this page came from, for example `http://127.0.0.1:4000`.
pub(crate) fn origin() -> String {
    window().location().origin().unwrap_or_default()
}

/// Whether somebody can see the page.
pub(crate) fn is_visible() -> bool {
    document().visibility_state() != VisibilityState::Hidden
}

/// Where the page is drawn.
pub(crate) fn root() -> Option<Element> {
    document().get_element_by_id("app")
}

/// Names the tab.
pub(crate) fn set_title(title: &str) {
    document().set_title(title);
}

/// Shows the note of `index.html` that the page has stopped working.
pub(crate) fn show_crash(reason: &str) {
    web_sys::console::error_1(&JsValue::from_str(reason));
    if let Some(note) = document().get_element_by_id("crash") {
        // Nothing is left to do where even this fails.
        drop(note.remove_attribute("hidden"));
    }
}

fn storage() -> Option<Storage> {
    window().local_storage().ok().flatten()
}

/// The theme somebody chose, if any.
pub(crate) fn stored_theme() -> Option<String> {
    storage()?.get_item(THEME_KEY).ok().flatten()
}

/// Remembers and shows a theme; `None` goes back to the system's.
pub(crate) fn apply_theme(theme: Option<&str>) {
    // A browser that refuses storage forgets the choice; the page works on.
    if let Some(storage) = storage() {
        drop(match theme {
            Some(theme) => storage.set_item(THEME_KEY, theme),
            None => storage.remove_item(THEME_KEY),
        });
    }
    if let Some(html) = document().document_element() {
        drop(match theme {
            Some(theme) => html.set_attribute("data-theme", theme),
            None => html.remove_attribute("data-theme"),
        });
    }
}

/// Whether text can be copied: browsers allow it on secure origins only.
pub(crate) fn can_copy() -> bool {
    let navigator = window().navigator();
    js_sys::Reflect::get(&navigator, &JsValue::from_str("clipboard"))
        .is_ok_and(|clipboard| !clipboard.is_undefined())
}

/// Copies text; call only where [`can_copy`] says so.
pub(crate) fn copy(text: &str) {
    // The promise needs no hearer: the button says what it asked for.
    drop(window().navigator().clipboard().write_text(text));
}

/// A listener on the document that is removed when dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    name: &'static str,
    closure: Closure<dyn FnMut()>,
}

impl Listener {
    /// Calls `hear` on every event of that name.
    pub(crate) fn on_document(name: &'static str, hear: impl FnMut() + 'static) -> Self {
        let closure = Closure::<dyn FnMut()>::new(hear);
        let document = document();
        let target: &EventTarget = document.as_ref();
        target
            .add_event_listener_with_callback(name, closure.as_ref().unchecked_ref())
            .expect("a document takes listeners");
        Self { name, closure }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let document = document();
        let target: &EventTarget = document.as_ref();
        drop(
            target.remove_event_listener_with_callback(
                self.name,
                self.closure.as_ref().unchecked_ref(),
            ),
        );
    }
}
