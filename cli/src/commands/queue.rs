use jobflow::proto::{
    self, JobState, PauseQueueRequest, PurgeQueueRequest, QueueSettings, UpdateQueueRequest,
};
use prost_types::FieldMask;

use crate::args::{Consent, PurgeState, Queue, Setting, Settings};
use crate::client::Client;
use crate::commands::watching::watch;
use crate::commands::{after, tell_count};
use crate::confirm::{ask, ask_for};
use crate::error::{Error, Exit, Result};
use crate::output::Output;
use crate::view::words::plural;

pub(crate) async fn run(client: &Client, command: Queue, output: &mut Output) -> Result<()> {
    let changed = match command {
        Queue::List { refresh } if refresh.watch => {
            return watch(refresh, output, async || client.list_queues().await).await;
        }
        Queue::List { .. } => return Ok(output.list(&client.list_queues().await?)?),
        Queue::Purge {
            queue,
            states,
            consent,
        } => return purge(client, queue.as_str(), &states, consent, output).await,
        Queue::Delete { queue, consent } => {
            return delete(client, queue.as_str(), consent, output).await;
        }
        Queue::Get { queue } => client.get_queue(queue.as_str()).await?,
        Queue::Pause {
            queue,
            kind,
            reason,
            lasting,
            until,
        } => {
            let resume_time = match lasting {
                Some(lasting) => Some(after(client.store_time().await?, proto::duration(lasting))),
                None => until,
            };
            let request = PauseQueueRequest {
                name: queue.to_string(),
                kind: kind.map(|kind| kind.to_string()).unwrap_or_default(),
                reason,
                resume_time,
            };
            client.pause_queue(&request).await?
        }
        Queue::Resume { queue, kind } => {
            let kind = kind.map(|kind| kind.to_string()).unwrap_or_default();
            client.resume_queue(queue.as_str(), &kind).await?
        }
        Queue::Drain { queue } => client.drain_queue(queue.as_str()).await?,
        Queue::Set(settings) => set(client, *settings).await?,
    };
    Ok(output.item(&changed)?)
}

async fn purge(
    client: &Client,
    name: &str,
    states: &[PurgeState],
    consent: Consent,
    output: &mut Output,
) -> Result<()> {
    consent.check()?;
    let states = states.iter().map(|state| JobState::from(*state).into());
    let mut request = PurgeQueueRequest {
        name: name.to_owned(),
        states: states.collect(),
        confirm_name: String::new(),
        validate_only: true,
    };
    if !consent.yes {
        let count = client.purge_queue(&request).await?;
        if consent.dry_run {
            return tell_count("delete", count, true, output);
        }
        let jobs = plural(u64::try_from(count).unwrap_or(0), "job");
        ask_for(name, &format!("Delete {jobs} of queue {name}?"), output).await?;
    }
    request.confirm_name = name.to_owned();
    request.validate_only = false;
    let count = client.purge_queue(&request).await?;
    let jobs = plural(u64::try_from(count).unwrap_or(0), "job");
    let json = serde_json::json!({ "count": count });
    Ok(output.answer(&format!("deleted {jobs} of queue {name}\n"), &json)?)
}

async fn delete(client: &Client, name: &str, consent: Consent, output: &mut Output) -> Result<()> {
    consent.check()?;
    if !consent.yes {
        let jobs = jobs_of(&client.get_queue(name).await?);
        if jobs > 0 {
            let jobs = plural(jobs, "job");
            let message = format!("queue {name} has {jobs}; only an empty one can be deleted");
            return Err(Error::new(Exit::Conflict, message)
                .hint("`jobflow-cli queue purge` deletes its jobs"));
        }
        if consent.dry_run {
            let text = format!("would delete queue {name}, which has no jobs\n");
            return Ok(output.answer(&text, &serde_json::json!({ "count": 0 }))?);
        }
        let question = format!("Delete queue {name} with its settings and totals (0 jobs)?");
        ask(&question, output).await?;
    }
    client.delete_queue(name).await?;
    output.message(&format!("queue {name} is deleted"));
    Ok(())
}

fn jobs_of(queue: &proto::Queue) -> u64 {
    let counts = queue.counts.unwrap_or_default();
    let all = crate::view::queue::COUNTS.iter().map(|(_, of)| of(&counts));
    u64::try_from(all.sum::<i64>()).unwrap_or(0)
}

/// Changes the settings if they are still as they were read: of a retention,
/// the part that is not named stays.
async fn set(client: &Client, args: Settings) -> Result<proto::Queue> {
    let before = client.get_queue(args.queue.as_str()).await?;
    let old = before.settings.unwrap_or_default();
    let (settings, paths) = changed(args, &old);
    let request = UpdateQueueRequest {
        queue: Some(proto::Queue {
            name: before.name,
            settings: Some(settings),
            ..proto::Queue::default()
        }),
        update_mask: Some(FieldMask { paths }),
        etag: before.etag,
    };
    client.update_queue(&request).await
}

/// The settings that are given, and their paths.
fn changed(args: Settings, old: &QueueSettings) -> (QueueSettings, Vec<String>) {
    let mut paths = Vec::new();
    let mut settings = QueueSettings::default();
    let completed = merged(args.keep_completed, old.completed_retention);
    let failed = merged(args.keep_failed, old.failed_retention);
    let cancelled = merged(args.keep_cancelled, old.cancelled_retention);
    apply(
        "max_waiting",
        args.max_waiting,
        &mut settings.max_waiting,
        &mut paths,
    );
    apply(
        "completed_retention",
        completed,
        &mut settings.completed_retention,
        &mut paths,
    );
    apply(
        "failed_retention",
        failed,
        &mut settings.failed_retention,
        &mut paths,
    );
    apply(
        "cancelled_retention",
        cancelled,
        &mut settings.cancelled_retention,
        &mut paths,
    );
    apply(
        "max_attempts",
        args.attempts,
        &mut settings.max_attempts,
        &mut paths,
    );
    apply("backoff", args.backoff, &mut settings.backoff, &mut paths);
    let timeout = args.job_timeout.map(|timeout| match timeout {
        Setting::Default => Setting::Default,
        Setting::To(limit) => Setting::To(proto::duration(limit)),
    });
    apply("timeout", timeout, &mut settings.timeout, &mut paths);
    apply(
        "partitions",
        args.partitions,
        &mut settings.partitions,
        &mut paths,
    );
    let mut durability = None;
    apply("durability", args.durability, &mut durability, &mut paths);
    settings.durability = durability.map_or(0, |class| proto::Durability::from(class).into());
    (settings, paths)
}

/// Puts a setting that is given into its field and its path into the mask.
fn apply<T>(
    name: &str,
    setting: Option<Setting<T>>,
    field: &mut Option<T>,
    paths: &mut Vec<String>,
) {
    let Some(setting) = setting else { return };
    paths.push(format!("settings.{name}"));
    *field = match setting {
        Setting::Default => None,
        Setting::To(value) => Some(value),
    };
}

fn merged(
    setting: Option<Setting<proto::Retention>>,
    old: Option<proto::Retention>,
) -> Option<Setting<proto::Retention>> {
    match setting {
        Some(Setting::To(new)) => {
            let old = old.unwrap_or_default();
            Some(Setting::To(proto::Retention {
                count: new.count.or(old.count),
                age: new.age.or(old.age),
            }))
        }
        setting => setting,
    }
}
