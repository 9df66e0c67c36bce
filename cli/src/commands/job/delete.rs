use jobflow::proto::{self, DeleteJobRequest};

use crate::args::Consent;
use crate::client::Client;
use crate::commands::tell_count;
use crate::confirm::ask;
use crate::error::Result;
use crate::output::Output;
use crate::view::words;

pub(crate) async fn run(
    client: &Client,
    id: &str,
    force: bool,
    consent: Consent,
    output: &mut Output,
) -> Result<()> {
    consent.check()?;
    let mut request = DeleteJobRequest {
        id: id.to_owned(),
        force,
        etag: String::new(),
    };
    if !consent.yes {
        let job = client.get(id).await?;
        if consent.dry_run {
            let can = force || job.state() != proto::JobState::Active;
            if !can {
                output.message("the job is active; only --force deletes it");
            }
            return tell_count("delete", i64::from(can), true, output);
        }
        let state = words::state(job.state());
        let question = format!("Delete job {id} ({} in {}, {state})?", job.kind, job.queue);
        ask(&question, output).await?;
        // What was confirmed is the job as it was shown.
        request.etag = job.etag;
    }
    client.delete_job(&request).await?;
    output.message(&format!("job {id} is deleted"));
    Ok(())
}
