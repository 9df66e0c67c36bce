//! The few things asked of the browser, each guarded: storage may be refused,
//! the clipboard may be missing.

use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Document, Element, EventTarget, FocusOptions, HtmlDocument, HtmlElement, HtmlTextAreaElement,
    RequestInit, ResizeObserver, Response, ScrollIntoViewOptions, ScrollLogicalPosition, Storage,
    VisibilityState, Window,
};

use crate::format::whole;

/// Where the theme is kept; `boot.js` reads it before the first paint.
const THEME_KEY: &str = "jobflow-theme";
/// Where the token of a tab is.
const TOKEN_KEY: &str = "jobflow-token";

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

/// Tells all listeners on the document.
pub(crate) fn announce(name: &str) {
    if let Ok(event) = web_sys::Event::new(name) {
        // False where a listener forbids the default: there is none.
        drop(document().dispatch_event(&event));
    }
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

/// Copies text, and says whether that was possible.
pub(crate) fn copy(text: &str) -> bool {
    let navigator = window().navigator();
    let clipboard = js_sys::Reflect::get(&navigator, &JsValue::from_str("clipboard"));
    if clipboard.is_ok_and(|clipboard| !clipboard.is_undefined()) {
        // The promise needs no hearer: the button says what it asked for.
        drop(navigator.clipboard().write_text(text));
        return true;
    }
    copy_by_selection(text).unwrap_or_default()
}

/// As browsers copy on origins that they do not call secure.
fn copy_by_selection(text: &str) -> Option<bool> {
    let document = document().dyn_into::<HtmlDocument>().ok()?;
    let area = document.create_element("textarea").ok()?;
    let area = area.dyn_into::<HtmlTextAreaElement>().ok()?;
    area.set_value(text);
    area.set_class_name("hidden");
    // Beside what has the focus: within a dialog nothing else can be selected.
    let active = document.active_element()?;
    let place = active.parent_element()?;
    place.append_child(&area).ok()?;
    area.select();
    let copied = document.exec_command("copy").ok()?;
    area.remove();
    let back = active.dyn_into::<HtmlElement>().ok()?;
    drop(back.focus());
    Some(copied)
}

/// The path and the query of the address bar.
pub(crate) fn address() -> (String, String) {
    let location = window().location();
    let path = location.pathname().unwrap_or_default();
    (path, location.search().unwrap_or_default())
}

/// Goes to an address of this page without loading it anew.
pub(crate) fn push_address(address: &str) {
    if let Ok(history) = window().history() {
        // Refused only where a page does this hundreds of times a second.
        drop(history.push_state_with_url(&JsValue::NULL, "", Some(address)));
    }
    window().scroll_to_with_x_and_y(0.0, 0.0);
}

/// The script that this page began with: its name is that of its content.
fn boot_script() -> Option<String> {
    let script = document().query_selector("script[type=module]").ok()??;
    script.get_attribute("src")
}

/// Sends a request to where this page came from.
pub(crate) async fn send(path: &str, request: &RequestInit) -> Result<Response, JsValue> {
    let answer = window().fetch_with_str_and_init(path, request);
    JsFuture::from(answer).await?.dyn_into()
}

/// Whether the server has another page than this one by now; `None` when it
/// does not say.
pub(crate) async fn is_outdated() -> Option<bool> {
    let answer = JsFuture::from(window().fetch_with_str("/")).await.ok()?;
    let answer = answer.dyn_into::<Response>().ok().filter(Response::ok)?;
    let text = JsFuture::from(answer.text().ok()?)
        .await
        .ok()?
        .as_string()?;
    Some(!text.contains(&boot_script()?))
}

/// Loads the page anew.
pub(crate) fn reload() {
    // Nothing is left to do where even this fails.
    drop(window().location().reload());
}

/// So many minutes the reader's clock is ahead of UTC at an instant.
pub(crate) fn offset_minutes(millis: u64) -> i32 {
    let date = js_sys::Date::new(&JsValue::from_f64(millis as f64));
    let behind = date.get_timezone_offset();
    let minutes = i32::try_from(whole(behind.abs())).unwrap_or_default();
    if behind > 0.0 { -minutes } else { minutes }
}

fn session() -> Option<Storage> {
    window().session_storage().ok().flatten()
}

/// The token of this tab, which ends with it.
pub(crate) fn token() -> Option<String> {
    session()?.get_item(TOKEN_KEY).ok().flatten()
}

/// Keeps a token for as long as this tab is open, or forgets it.
pub(crate) fn keep_token(token: Option<&str>) {
    let Some(session) = session() else { return };
    // A browser that refuses storage asks for the token again.
    drop(match token {
        Some(token) => session.set_item(TOKEN_KEY, token),
        None => session.remove_item(TOKEN_KEY),
    });
}

/// What somebody has set, if anything.
pub(crate) fn stored(key: &str) -> Option<String> {
    storage()?.get_item(key).ok().flatten()
}

/// Remembers a setting where the browser lets it.
pub(crate) fn store(key: &str, value: &str) {
    if let Some(storage) = storage() {
        // A browser that refuses storage forgets the choice; the page works on.
        drop(storage.set_item(key, value));
    }
}

/// An attribute of the whole page.
pub(crate) fn mark_page(name: &str, value: &str) {
    if let Some(html) = document().document_element() {
        drop(html.set_attribute(name, value));
    }
}

/// Moves the focus to the first element of a selector, if there is one.
pub(crate) fn focus(selector: &str) -> bool {
    let element = find(selector).and_then(|element| element.dyn_into::<HtmlElement>().ok());
    element.is_some_and(|element| element.focus().is_ok())
}

/// The first element of a selector.
pub(crate) fn find(selector: &str) -> Option<Element> {
    document().query_selector(selector).ok().flatten()
}

/// Moves the focus without scrolling anything.
pub(crate) fn focus_in_place(element: &HtmlElement) {
    let options = FocusOptions::new();
    options.set_prevent_scroll(true);
    // Refused by what can not have it only.
    drop(element.focus_with_options(&options));
}

/// Scrolls what is around an element as little as shows it.
pub(crate) fn bring_into_sight(element: &Element) {
    let options = ScrollIntoViewOptions::new();
    options.set_block(ScrollLogicalPosition::Nearest);
    options.set_inline(ScrollLogicalPosition::Nearest);
    element.scroll_into_view_with_scroll_into_view_options(&options);
}

/// Whether the keys that are pressed are text for something.
pub(crate) fn is_typing() -> bool {
    let active = document().active_element();
    active.is_some_and(|active| {
        let name = active.tag_name();
        let text = ["TEXTAREA", "SELECT"].contains(&name.as_str());
        let kind = active.get_attribute("type").unwrap_or_default();
        text || (name == "INPUT" && !["checkbox", "radio", "button"].contains(&kind.as_str()))
    })
}

/// Whether a dialog is open above the page.
pub(crate) fn has_dialog() -> bool {
    matches!(document().query_selector("dialog[open]"), Ok(Some(_)))
}

/// The element that has the focus.
pub(crate) fn focused() -> Option<Element> {
    document().active_element()
}

/// Whether nothing has the focus, so that the next key begins at the top.
pub(crate) fn has_no_focus() -> bool {
    focused().is_none_or(|focused| focused.tag_name() == "BODY")
}

/// A listener that is removed when dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    target: EventTarget,
    name: &'static str,
    closure: Closure<dyn FnMut(web_sys::Event)>,
}

impl Listener {
    /// Calls `hear` on every event of that name in the document.
    pub(crate) fn on_document(
        name: &'static str,
        hear: impl FnMut(web_sys::Event) + 'static,
    ) -> Self {
        Self::on(document().into(), name, hear)
    }

    /// The same for events of the window.
    pub(crate) fn on_window(
        name: &'static str,
        hear: impl FnMut(web_sys::Event) + 'static,
    ) -> Self {
        Self::on(window().into(), name, hear)
    }

    fn on(
        target: EventTarget,
        name: &'static str,
        hear: impl FnMut(web_sys::Event) + 'static,
    ) -> Self {
        let closure = Closure::<dyn FnMut(web_sys::Event)>::new(hear);
        target
            .add_event_listener_with_callback(name, closure.as_ref().unchecked_ref())
            .expect("a document takes listeners");
        Self {
            target,
            name,
            closure,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let hear = self.closure.as_ref().unchecked_ref();
        // Fails for what was never added only.
        drop(
            self.target
                .remove_event_listener_with_callback(self.name, hear),
        );
    }
}

/// Calls when an element has another size, and once to begin with; until dropped.
#[derive(Debug)]
pub(crate) struct Resized {
    observer: ResizeObserver,
    _closure: Closure<dyn FnMut()>,
}

impl Resized {
    pub(crate) fn of(element: &Element, hear: impl FnMut() + 'static) -> Self {
        let closure = Closure::<dyn FnMut()>::new(hear);
        let observer = ResizeObserver::new(closure.as_ref().unchecked_ref())
            .expect("a browser with WebAssembly has observers");
        observer.observe(element);
        Self {
            observer,
            _closure: closure,
        }
    }
}

impl Drop for Resized {
    fn drop(&mut self) {
        self.observer.disconnect();
    }
}
