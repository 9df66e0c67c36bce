use std::time::Duration;

use jobflow::proto::{self, JobState};

use crate::args::Job;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::output::Output;

const WAIT: Duration = Duration::from_secs(60);

pub(crate) async fn run(
    client: &Client,
    command: &Job,
    timeout: Option<Duration>,
    output: &mut Output,
) -> Result<()> {
    match command {
        Job::Get { id } => Ok(output.job(&client.get(&id.to_string()).await?)?),
        Job::Wait { id } => {
            let job = client
                .wait(&id.to_string(), timeout.unwrap_or(WAIT))
                .await?;
            output.job(&job)?;
            check_end(&job)
        }
    }
}

/// Whether a job that was waited for has ended well.
pub(crate) fn check_end(job: &proto::Job) -> Result<()> {
    match job.state() {
        JobState::Completed => Ok(()),
        _ => Err(Error::job_ended(job)),
    }
}
