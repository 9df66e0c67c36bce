//! What the tabs of one browser say to each other.

use bytes::Bytes;
use futures_channel::mpsc::{Receiver, channel};
use futures_util::StreamExt;
use js_sys::{Array, Uint8Array};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use web_sys::{BroadcastChannel, MessageEvent};

use crate::browser;

/// Messages that wait for a tab that is busy; what comes beyond is said again.
const BUFFER: usize = 64;

/// Since when a tab has been leading, with chance for two of the same
/// millisecond: the lower one is the older leader.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(crate) struct Rank(f64);

impl Rank {
    pub(crate) fn now() -> Self {
        Self(browser::now() as f64 + browser::random())
    }
}

/// What a leader says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// That it is there.
    Leads,
    /// A message of its stream, as it came.
    Numbers(Bytes),
    /// Why its stream broke.
    Lost(String),
    /// That it leads no longer.
    Leaves,
}

/// Something that another tab said.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Heard {
    pub(crate) from: Rank,
    pub(crate) said: Said,
}

/// Speaks to all other tabs of the same name.
#[derive(Debug)]
pub(crate) struct Voice {
    channel: BroadcastChannel,
    _listener: Closure<dyn FnMut(MessageEvent)>,
}

/// Hears all other tabs of the same name.
#[derive(Debug)]
pub(crate) struct Ear(Receiver<Heard>);

/// Both; `None` where the browser has no such thing.
pub(crate) fn open(name: &str) -> Option<(Voice, Ear)> {
    let channel = BroadcastChannel::new(name).ok()?;
    let (mut heard, ear) = self::channel(BUFFER);
    let listener = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        if let Some(message) = read(&event.data()) {
            // Full: the same is said again within the second.
            drop(heard.try_send(message));
        }
    });
    channel.set_onmessage(Some(listener.as_ref().unchecked_ref()));
    let voice = Voice {
        channel,
        _listener: listener,
    };
    Some((voice, Ear(ear)))
}

impl Voice {
    pub(crate) fn say(&self, rank: Rank, said: &Said) {
        let (word, more) = match said {
            Said::Leads => ("leads", JsValue::UNDEFINED),
            Said::Numbers(bytes) => ("numbers", Uint8Array::from(&bytes[..]).into()),
            Said::Lost(reason) => ("lost", reason.into()),
            Said::Leaves => ("leaves", JsValue::UNDEFINED),
        };
        let message = Array::of3(&rank.0.into(), &word.into(), &more);
        // Fails for what can not be copied only.
        drop(self.channel.post_message(&message));
    }
}

impl Drop for Voice {
    fn drop(&mut self) {
        self.channel.set_onmessage(None);
        self.channel.close();
    }
}

impl Ear {
    /// What is said next.
    pub(crate) async fn next(&mut self) -> Heard {
        match self.0.next().await {
            Some(heard) => heard,
            // The voice ends with the work that listens.
            None => std::future::pending().await,
        }
    }
}

/// `None` for what a page of another build may say.
fn read(message: &JsValue) -> Option<Heard> {
    let parts = message.dyn_ref::<Array>()?;
    let more = parts.get(2);
    let said = match parts.get(1).as_string()?.as_str() {
        "leads" => Said::Leads,
        "numbers" => Said::Numbers(more.dyn_ref::<Uint8Array>()?.to_vec().into()),
        "lost" => Said::Lost(more.as_string()?),
        "leaves" => Said::Leaves,
        _ => return None,
    };
    let from = Rank(parts.get(0).as_f64()?);
    Some(Heard { from, said })
}
