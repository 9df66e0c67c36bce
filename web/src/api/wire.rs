//! Calls as bytes over grpc-web: one copy of the machinery for all of them,
//! because each copy would be downloaded by every browser.

use std::marker::PhantomData;

use bytes::Bytes;
use js_sys::Uint8Array;
use prost::Message;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, Headers, ReadableStreamDefaultReader, ReadableStreamReadResult, RequestInit,
    Response,
};

use super::{
    Answered, Problem,
    frames::{self, Frames, Part},
    rpc::Rpc,
};
use crate::{browser, follow::within};

/// Longer than any answer takes; counts are cut off by the server after 10 s.
const PATIENCE_MS: u32 = 15_000;

/// Calls, and waits for the answer.
pub(super) async fn call<R: Rpc>(request: R) -> Answered<R::Answer> {
    read(unary(R::PATH, frames::framed(&request)).await?)
}

async fn unary(path: &'static str, body: Vec<u8>) -> Answered<Bytes> {
    let call = async {
        let mut exchange = Exchange::begin(path, &body).await?;
        let message = exchange.next().await?;
        // An error may follow, and then it is what the call came to.
        match (message, exchange.next().await?) {
            (Some(message), None) => Ok(message),
            _ => Err(Problem::broken()),
        }
    };
    within(PATIENCE_MS, call).await
}

/// Opens a stream. Dropping it ends the call.
pub(super) async fn open<R: Rpc>(request: R) -> Answered<Messages<R::Answer>> {
    Ok(Messages {
        exchange: Exchange::begin(R::PATH, &frames::framed(&request)).await?,
        kind: PhantomData,
    })
}

/// An open stream of messages.
#[derive(Debug)]
pub(crate) struct Messages<M> {
    exchange: Exchange,
    kind: PhantomData<M>,
}

impl<M: Message + Default> Messages<M> {
    /// The next message; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Answered<Option<M>> {
        self.next_bytes().await?.map(read).transpose()
    }

    /// The same as it came.
    pub(super) async fn next_bytes(&mut self) -> Answered<Option<Bytes>> {
        self.exchange.next().await
    }
}

pub(super) fn read<M: Message + Default>(bytes: Bytes) -> Answered<M> {
    M::decode(bytes).map_err(|_| Problem::local("the server's answer can not be read"))
}

/// A call under way. Dropping it ends the call.
#[derive(Debug)]
struct Exchange {
    reader: ReadableStreamDefaultReader,
    /// What is being read: whoever stops waiting for it must not lose it.
    reading: Option<JsFuture>,
    frames: Frames,
    is_over: bool,
    _abort: Abort,
}

impl Exchange {
    async fn begin(path: &'static str, body: &[u8]) -> Answered<Self> {
        let abort = Abort::new().map_err(broken)?;
        let response = send(path, body, &abort).await.map_err(broken)?;
        // A call that failed at once says so here, and has no body.
        let headers = response.headers();
        let end = frames::ending(|name| headers.get(name).ok().flatten());
        let is_over = end.transpose()?.is_some();
        if !response.ok() {
            let status = response.status();
            return Err(Problem::local(format!("the server answered HTTP {status}")));
        }
        let body = response.body().ok_or_else(Problem::broken)?;
        Ok(Self {
            reader: ReadableStreamDefaultReader::new(&body).map_err(broken)?,
            reading: None,
            frames: Frames::default(),
            is_over,
            _abort: abort,
        })
    }

    /// The next message; `None` when the call has gone well. Nothing is lost
    /// where it is not waited for until the end.
    async fn next(&mut self) -> Answered<Option<Bytes>> {
        loop {
            match self.frames.next()? {
                Some(Part::Message(message)) => return Ok(Some(message)),
                Some(Part::End(end)) => {
                    self.is_over = true;
                    return end.map(|()| None);
                }
                None if self.is_over => return Ok(None),
                None => {}
            }
            let bytes = self.bytes().await.map_err(broken)?;
            self.frames.add(&bytes.ok_or_else(Problem::broken)?);
        }
    }

    /// What comes next; `None` when nothing comes any more.
    async fn bytes(&mut self) -> Result<Option<Vec<u8>>, JsValue> {
        let reader = &self.reader;
        let reading = self.reading.get_or_insert_with(|| reader.read().into());
        let read = reading.await;
        self.reading = None;
        let read: ReadableStreamReadResult = read?.unchecked_into();
        if read.get_done().unwrap_or(true) {
            return Ok(None);
        }
        Ok(Some(read.get_value().dyn_into::<Uint8Array>()?.to_vec()))
    }
}

async fn send(path: &str, body: &[u8], abort: &Abort) -> Result<Response, JsValue> {
    const KIND: &str = "application/grpc-web+proto";
    let headers = Headers::new()?;
    headers.set("content-type", KIND)?;
    headers.set("accept", KIND)?;
    headers.set("x-grpc-web", "1")?;
    if let Some(token) = browser::token() {
        // What can not stand in a header is no token: left out, the server asks for one.
        let _left_out = headers.set("authorization", &format!("Bearer {token}"));
    }
    let request = RequestInit::new();
    request.set_method("POST");
    request.set_headers(&headers);
    request.set_body(&Uint8Array::from(body));
    request.set_signal(Some(&abort.0.signal()));
    browser::send(path, &request).await
}

/// The browser's own words name nothing a person can act on.
fn broken(_: JsValue) -> Problem {
    Problem::broken()
}

/// Ends what the browser still does for a call that nobody waits for.
#[derive(Debug)]
struct Abort(AbortController);

impl Abort {
    fn new() -> Result<Self, JsValue> {
        AbortController::new().map(Self)
    }
}

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}
