//! A queue over a cluster of which one master goes.

use super::{MASTERS, TestCluster, fresh_namespace, id_in, key_of, key_of_part, namespace_key};
use crate::job::QueueName;
use crate::new_job::NewJob;
use crate::partition::Partition;
use crate::queue::{JobQueue, QueueConfig, SettingsChange};

/// Of the queue.
const PARTITIONS: u8 = 12;

/// A queue over several partitions, and the master of some of them.
pub struct LostMaster {
    /// Whole until a test says otherwise.
    pub cluster: TestCluster,
    /// The master that goes: neither the namespace nor the first partition is there.
    pub server: usize,
    /// The way to the cluster.
    pub queue: JobQueue,
    /// Its queue.
    pub name: QueueName,
    /// The partitions that go with the master.
    pub gone: Vec<Partition>,
    /// The others.
    pub well: Vec<Partition>,
}

impl LostMaster {
    /// A cluster of the test's own, of which nothing has gone yet. The queue has had
    /// one job, of `kind`.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn start(kind: &str) -> Self {
        let cluster = TestCluster::start();
        let queue = JobQueue::open(QueueConfig {
            redis_url: cluster.servers()[0].url(),
            namespace: fresh_namespace(),
            ..QueueConfig::default()
        });
        let queue = queue.expect("a valid configuration");
        let list = namespace_key(&queue.config().namespace, "queues");
        let server = (cluster.owner(&list) + 1) % MASTERS;
        let names = (0..).map(|n| QueueName::new(format!("queue-{n}")).expect("well spelled"));
        let beside = (server + 1) % MASTERS;
        let name = { names }
            .find(|name| cluster.owner(&key_of(&queue, name)) == beside)
            .expect("each server has some");
        let first = NewJob::new(kind, "{}").and_then(|job| job.queue(&name));
        let first = queue.submit(first.expect("a valid job")).await;
        first.expect("the cluster is whole");
        let change = [SettingsChange::Partitions(Some(PARTITIONS))];
        let spread = queue.update_settings(&name, &change, None).await;
        spread.expect("the cluster is whole");
        let parts = queue.all_partitions().await.expect("the cluster is whole");
        let (gone, well): (Vec<_>, Vec<_>) = parts
            .into_iter()
            .partition(|part| cluster.owner(&key_of_part(&queue, part)) == server);
        assert!(!gone.is_empty() && well.len() > 1, "{gone:?}");
        Self {
            cluster,
            server,
            queue,
            name,
            gone,
            well,
        }
    }

    /// From now on no replica takes over.
    pub fn kill_replicas(&mut self) {
        for at in MASTERS..2 * MASTERS {
            self.cluster.server(at).kill();
        }
    }

    /// The master takes what is sent to it and answers nothing, and nobody takes over.
    pub fn fall_silent(&mut self) {
        self.kill_replicas();
        self.cluster.servers()[self.server].freeze();
    }

    /// A job that goes to this partition.
    ///
    /// # Panics
    /// When the kind is none.
    #[must_use]
    pub fn job_in(&self, part: &Partition, kind: &str) -> NewJob {
        let job = NewJob::new(kind, "{}").and_then(|job| job.queue(&self.name));
        let job = job.and_then(|job| job.id(id_in(part)));
        job.expect("a valid job")
    }
}
