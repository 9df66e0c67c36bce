use jobflow::testing::TestQueue;
use jobflow::{Code, QueueName};

use crate::{job, submit};

#[tokio::test]
async fn an_id_finds_its_queue_among_many() {
    let queue = TestQueue::new();
    let mut jobs = Vec::new();
    for n in 0..50 {
        let name = format!("queue-{n}");
        jobs.push((
            name.clone(),
            submit(&queue, job().queue(&name).unwrap()).await,
        ));
    }
    for (name, id) in jobs {
        assert_eq!(
            queue.get(id).await.unwrap().queue,
            QueueName::new(name).unwrap()
        );
    }
    queue.close().await;
}

#[tokio::test]
async fn namespaces_do_not_see_each_other() {
    let (one, other) = (TestQueue::new(), TestQueue::new());
    let id = submit(&one, job()).await;
    submit(&other, job()).await;
    assert_eq!(other.get(id).await.unwrap_err().code(), Code::JobNotFound);
    one.close().await;
    other.close().await;
}
