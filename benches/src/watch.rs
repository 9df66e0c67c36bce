//! `jobflow-bench watch ADDRESS COUNT`: readers of `StreamMetrics` streams, in
//! a process of their own. They do not decode what they read: in real life they
//! are browsers on other machines.

use anyhow::{Context, Result, bail, ensure};
use bytes::Buf;
use http::uri::PathAndQuery;
use tokio::sync::mpsc;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::grpc;
use crate::setting::print_text;

/// What is printed as soon as all streams are open.
pub(crate) const OPEN: &str = "open";

const METHOD: &str = "/jobflow.v1.MetricsService/StreamMetrics";
/// Fewer than the server lets into one connection.
const STREAMS_OF_CHANNEL: usize = 125;

pub(crate) async fn command(arguments: &[String]) -> Result<()> {
    let [address, count] = arguments else {
        bail!("expected ADDRESS COUNT");
    };
    let count: usize = count.parse()?;
    let channels = grpc::channels(address, count.div_ceil(STREAMS_OF_CHANNEL)).await?;
    let (greeted, mut greetings) = mpsc::channel(count);
    for at in 0..count {
        let channel = channels[at / STREAMS_OF_CHANNEL].clone();
        tokio::spawn(follow(channel, greeted.clone()));
    }
    drop(greeted);
    for _ in 0..count {
        greetings.recv().await.context("a stream did not open")??;
    }
    print_text(OPEN);
    // Nobody is left who could greet: a stream has ended.
    ensure!(greetings.recv().await.is_none(), "one greeting too many");
    bail!("the streams have ended")
}

/// Reads a stream at the usual interval of 1 s, and tells of its first message.
async fn follow(channel: Channel, greeted: mpsc::Sender<Result<()>>) {
    let opened = async {
        let mut client = Grpc::new(channel);
        client.ready().await?;
        let path = PathAndQuery::from_static(METHOD);
        let mut stream = client
            .server_streaming(Request::new(()), path, Unread)
            .await?
            .into_inner();
        ensure!(stream.message().await?.is_some(), "the stream is empty");
        Ok(stream)
    };
    match opened.await {
        Ok(mut stream) => {
            let _sent = greeted.send(Ok(())).await;
            while let Ok(Some(())) = stream.message().await {}
        }
        Err(error) => {
            let _sent = greeted.send(Err(error)).await;
        }
    }
}

/// Sends the empty message, in which every field has its default, and drops
/// what comes back.
#[derive(Clone, Copy, Default)]
struct Unread;

impl Codec for Unread {
    type Encode = ();
    type Decode = ();
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Unread {
    type Item = ();
    type Error = Status;

    fn encode(&mut self, (): (), _into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        Ok(())
    }
}

impl Decoder for Unread {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        message.advance(message.remaining());
        Ok(Some(()))
    }
}
