//! Calls as bytes: one copy of the machinery for all of them, because each
//! copy would be downloaded by every browser.

use std::marker::PhantomData;

use bytes::{Buf, BufMut, Bytes};
use prost::Message;
use tonic::{
    Request, Status, Streaming,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
};
use tonic_web_wasm_client::Client;

use super::{Answered, Problem, rpc::Rpc};
use crate::{browser, follow::within};

/// Longer than any answer takes; counts are cut off by the server after 10 s.
const PATIENCE_MS: u32 = 15_000;

/// Messages as they are on the wire.
#[derive(Debug, Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

/// Calls, and waits for the answer.
pub(super) async fn call<R: Rpc>(request: R) -> Answered<R::Answer> {
    let bytes = unary(R::PATH, request.encode_to_vec().into()).await?;
    read(bytes)
}

/// Opens a stream. Dropping it ends the call.
pub(super) async fn open<R: Rpc>(request: R) -> Answered<Messages<R::Answer>> {
    let stream = streaming(R::PATH, request.encode_to_vec().into()).await?;
    Ok(Messages {
        stream,
        kind: PhantomData,
    })
}

/// An open stream of messages.
#[derive(Debug)]
pub(crate) struct Messages<M> {
    stream: Streaming<Bytes>,
    kind: PhantomData<M>,
}

impl<M: Message + Default> Messages<M> {
    /// The next message; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Answered<Option<M>> {
        self.next_bytes().await?.map(read).transpose()
    }

    /// The same as it came.
    pub(super) async fn next_bytes(&mut self) -> Answered<Option<Bytes>> {
        Ok(self.stream.message().await?)
    }
}

pub(super) fn read<M: Message + Default>(bytes: Bytes) -> Answered<M> {
    M::decode(bytes).map_err(|_| Problem::local("the server's answer can not be read"))
}

/// With the token of this tab, where it has one.
fn request(body: Bytes) -> Request<Bytes> {
    let mut request = Request::new(body);
    let token = browser::token().and_then(|token| format!("Bearer {token}").parse().ok());
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", token);
    }
    request
}

fn grpc() -> Grpc<Client> {
    Grpc::new(Client::new(browser::origin()))
}

async fn unary(path: &'static str, body: Bytes) -> Answered<Bytes> {
    let call = async {
        let path = PathAndQuery::from_static(path);
        let answer = grpc().unary(request(body), path, Raw).await?;
        Ok(answer.into_inner())
    };
    within(PATIENCE_MS, call).await
}

async fn streaming(path: &'static str, body: Bytes) -> Answered<Streaming<Bytes>> {
    let path = PathAndQuery::from_static(path);
    let answer = grpc().server_streaming(request(body), path, Raw).await?;
    Ok(answer.into_inner())
}
