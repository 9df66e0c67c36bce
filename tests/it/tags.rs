use jobflow::testing::TestQueue;
use jobflow::{Force, JobChanges, JobId, JobState, NewJob};

use crate::{bring_to, default_queue, get, job, key, store, submit};

fn tagged(tags: &[&str]) -> NewJob {
    job().tags(tags.iter().map(|&tag| tag.to_owned())).unwrap()
}

/// The ids in the index of a tag, in its order.
fn indexed(queue: &TestQueue, tag: &str) -> Vec<JobId> {
    let mut range = redis::cmd("ZRANGE");
    range.arg(key(queue, &format!("tag:{tag}"))).arg(0).arg(-1);
    let ids: Vec<Vec<u8>> = range.query(&mut store(queue)).unwrap();
    ids.iter().filter_map(|id| JobId::from_slice(id)).collect()
}

async fn set_tags(queue: &TestQueue, id: JobId, tags: &[&str]) {
    let changes = JobChanges {
        tags: Some(tags.iter().map(|&tag| tag.to_owned()).collect()),
        ..JobChanges::default()
    };
    queue.update(id, changes, None).await.unwrap();
}

#[tokio::test]
async fn tags_are_kept_with_the_job_and_find_it() {
    let queue = TestQueue::new();
    let both = submit(&queue, tagged(&["red", "big", "red"])).await;
    let red = submit(&queue, tagged(&["red"])).await;
    assert_eq!(get(&queue, both).await.tags, ["red", "big"]);
    let mut found = indexed(&queue, "red");
    found.sort();
    let mut expected = [both, red];
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(indexed(&queue, "big"), [both]);
    queue.close().await;
}

#[tokio::test]
async fn a_batch_and_a_repeat_index_each_job_once() {
    let queue = TestQueue::new();
    let id = JobId::generate(&default_queue());
    let own = || tagged(&["red"]).id(id).unwrap();
    let results = queue
        .submit_batch(vec![job(), own(), tagged(&["big"])])
        .await;
    assert!(results.iter().all(Result::is_ok));
    assert!(queue.submit(own()).await.unwrap().duplicate);
    assert_eq!(indexed(&queue, "red"), [id]);
    assert_eq!(indexed(&queue, "big").len(), 1);
    queue.close().await;
}

#[tokio::test]
async fn an_update_moves_a_job_from_its_old_tags_to_the_new_ones() {
    let queue = TestQueue::new();
    let id = submit(&queue, tagged(&["red", "big"])).await;
    set_tags(&queue, id, &["big", "new"]).await;
    assert_eq!(get(&queue, id).await.tags, ["big", "new"]);
    assert!(indexed(&queue, "red").is_empty());
    assert_eq!(
        (indexed(&queue, "big"), indexed(&queue, "new")),
        (vec![id], vec![id])
    );
    set_tags(&queue, id, &[]).await;
    assert!(get(&queue, id).await.tags.is_empty());
    assert!(indexed(&queue, "big").is_empty() && indexed(&queue, "new").is_empty());
    set_tags(&queue, id, &["late"]).await;
    assert_eq!(indexed(&queue, "late"), [id]);
    queue.close().await;
}

#[tokio::test]
async fn no_index_outlives_its_jobs() {
    let queue = TestQueue::with(|config| config.retention.completed.count = 1);
    for _ in 0..3 {
        bring_to(&queue, tagged(&["trimmed"]), JobState::Completed).await;
    }
    assert_eq!(indexed(&queue, "trimmed").len(), 1);
    bring_to(&queue, job(), JobState::Completed).await;
    assert!(indexed(&queue, "trimmed").is_empty());
    let id = submit(&queue, tagged(&["deleted"])).await;
    queue.delete(id, Force::No, None).await.unwrap();
    assert!(indexed(&queue, "deleted").is_empty());
    submit(&queue, tagged(&["purged"])).await;
    queue
        .purge(&default_queue(), &[JobState::Waiting])
        .await
        .unwrap();
    assert!(indexed(&queue, "purged").is_empty());
    queue.close().await;
}
