use crate::args::Queue;
use crate::client::Client;
use crate::error::Result;
use crate::output::Output;

pub(crate) async fn run(client: &Client, command: &Queue, output: &mut Output) -> Result<()> {
    match command {
        Queue::List => Ok(output.queues(&client.queues().await?)?),
    }
}
