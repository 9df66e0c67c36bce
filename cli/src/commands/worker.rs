use jobflow::proto::WorkerSignal;

use crate::args::Worker;
use crate::client::Client;
use crate::commands::watching::watch;
use crate::error::Result;
use crate::output::Output;

pub(crate) async fn run(client: &Client, command: Worker, output: &mut Output) -> Result<()> {
    let (id, signal) = match command {
        Worker::List { queue, refresh } => {
            let queue = queue.map(|queue| queue.to_string()).unwrap_or_default();
            if refresh.watch {
                let read = async || client.list_workers(&queue).await;
                return watch(refresh, output, read).await;
            }
            return Ok(output.list(&client.list_workers(&queue).await?)?);
        }
        Worker::Get { worker } => return Ok(output.item(&client.get_worker(&worker).await?)?),
        Worker::Quiet { worker } => (worker, WorkerSignal::Quiet),
        Worker::Resume { worker } => (worker, WorkerSignal::Resume),
        Worker::Stop { worker } => (worker, WorkerSignal::Stop),
    };
    let worker = client.signal_worker(&id, signal).await?;
    output.item(&worker)?;
    output.message("the worker is told; it follows with its next beat");
    Ok(())
}
