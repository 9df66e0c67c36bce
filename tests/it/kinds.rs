use jobflow::testing::TestQueue;
use jobflow::{JobId, Kind, NewJob};

use crate::{default_queue, submit};

#[tokio::test]
async fn kinds_are_looked_up_in_order_and_of_jobs_that_are_gone_there_is_none() {
    let queue = TestQueue::new();
    let (mut ids, mut expected) = (Vec::new(), Vec::new());
    for n in 0..450 {
        let kind = format!("Kind-{n}");
        // Some are so large that one call does not read all of them.
        let payload = vec![b'x'; if n % 50 == 0 { 256 * 1024 } else { 0 }];
        ids.push(submit(&queue, NewJob::new(&kind, payload).unwrap()).await);
        expected.push(Some(Kind::new(kind).unwrap()));
    }
    ids.insert(7, JobId::generate(&default_queue()));
    expected.insert(7, None);
    let found = queue.kinds(&default_queue(), &ids).await.unwrap();
    assert_eq!(found, expected);
    assert!(queue.kinds(&default_queue(), &[]).await.unwrap().is_empty());
    queue.close().await;
}
