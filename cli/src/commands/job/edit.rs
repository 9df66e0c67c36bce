use jobflow::proto::{self, UpdateJobRequest};
use prost_types::FieldMask;

use crate::args::{Edit, Payload};
use crate::client::Client;
use crate::commands::after;
use crate::error::{Error, Result};

/// Changes the job if it is still as it was read.
pub(crate) async fn run(client: &Client, edit: Edit) -> Result<proto::Job> {
    let payload = Payload {
        data: edit.data,
        data_file: edit.data_file,
    };
    if edit.content_type.is_some() && !payload.is_given() {
        return Err(Error::usage("--content-type is for a new payload")
            .hint("--data and --data-file give one"));
    }
    let before = client.get(&edit.id.to_string()).await?;
    let mut job = proto::Job {
        id: before.id.clone(),
        ..proto::Job::default()
    };
    let mut paths = Vec::new();
    if let Some(priority) = edit.priority {
        job.priority = priority;
        paths.push("priority");
    }
    if let Some(time) = edit.run_at {
        job.run_time = Some(time);
        paths.push("run_time");
    }
    if let Some(delay) = edit.delay {
        job.run_time = Some(after(client.store_time().await?, proto::duration(delay)));
        paths.push("run_time");
    }
    if let Some(attempts) = edit.attempts {
        job.max_attempts = attempts;
        paths.push("max_attempts");
    }
    if edit.no_tags || !edit.tags.is_empty() {
        job.tags = edit.tags;
        paths.push("tags");
    }
    let content_type = edit.content_type.unwrap_or(before.content_type);
    if let Some(payload) = payload.read(&content_type)? {
        job.payload = payload;
        job.content_type = content_type;
        paths.push("payload");
    }
    let request = UpdateJobRequest {
        job: Some(job),
        update_mask: Some(FieldMask {
            paths: paths.into_iter().map(str::to_owned).collect(),
        }),
        etag: before.etag,
    };
    client.update_job(&request).await
}
