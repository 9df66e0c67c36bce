//! A JobFlow in which one process will die, and is started again.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::Mutex;

use jobflow::testing::{assert_sound, fresh_namespace, wait_for};
use jobflow::{JobQueue, Mend, QueueConfig};
use tempfile::TempDir;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::points::Point;
use crate::process::{Process, Role};

pub(crate) struct Stage {
    point: &'static Point,
    /// To look at the outcome, and never to change it.
    pub(crate) queue: JobQueue,
    processes: Mutex<Processes>,
    redis: String,
    folder: TempDir,
}

struct Processes {
    /// In the order of the roles.
    all: [Process; 3],
    died: bool,
}

impl Stage {
    pub(crate) fn set(point: &'static Point, redis: &str) -> Self {
        let config = QueueConfig {
            redis_url: redis.to_owned(),
            namespace: fresh_namespace(),
            ..QueueConfig::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let all = Role::ALL.map(|role| {
            let armed = (role == point.role).then_some(point.name);
            let namespace = config.namespace.as_str();
            Process::start(role, armed, redis, namespace, folder.path())
        });
        Self {
            point,
            queue: JobQueue::open(config).unwrap(),
            processes: Mutex::new(Processes { all, died: false }),
            redis: redis.to_owned(),
            folder,
        }
    }

    /// Starts the armed process again once it has died, unarmed. Says whether it has.
    pub(crate) fn restart_the_dead(&self) -> bool {
        let (name, role) = (self.point.name, self.point.role);
        let mut processes = self.processes.lock().unwrap();
        if !processes.died && processes.all[role as usize].died_at(name) {
            let namespace = self.queue.config().namespace.as_str();
            let alive = Process::start(role, None, &self.redis, namespace, self.folder.path());
            processes.all[role as usize] = alive;
            processes.died = true;
        }
        processes.died
    }

    /// Waits until the armed process has died and was started again.
    pub(crate) async fn armed_died(&self) {
        let what = format!("the end of a process at {}", self.point.name);
        wait_for(&what, || ready(self.restart_the_dead().then_some(()))).await;
    }

    /// Tells the armed process to stop, which it will not live to do.
    pub(crate) async fn stop_armed(&self) {
        self.processes.lock().unwrap().all[self.point.role as usize].terminate();
        self.armed_died().await;
    }

    /// Makes a call until it is answered with more than *not now*. A call may
    /// have been done before and be done again.
    pub(crate) async fn call<T, F>(&self, what: &str, call: F) -> Result<T, Status>
    where
        F: AsyncFn(Channel) -> Result<T, Status>,
    {
        wait_for(what, async || {
            self.restart_the_dead();
            let address = self.server_address()?;
            let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
            let channel = endpoint.connect().await.ok()?;
            match call(channel).await {
                Err(status) if is_transient(&status) => None,
                answer => Some(answer),
            }
        })
        .await
    }

    fn server_address(&self) -> Option<String> {
        self.processes.lock().unwrap().all[Role::Server as usize].address()
    }

    /// What the handlers wrote down: how often each job began and ended.
    pub(crate) fn diary(&self) -> BTreeMap<String, (usize, usize)> {
        let text = std::fs::read_to_string(self.folder.path().join("diary"));
        let mut jobs = BTreeMap::<String, (usize, usize)>::new();
        for line in text.unwrap_or_default().lines() {
            let mut words = line.split(' ');
            let (what, id) = (words.next().unwrap(), words.next().unwrap());
            let (begins, ends) = jobs.entry(id.to_owned()).or_default();
            match what {
                "begin" => *begins += 1,
                _ => *ends += 1,
            }
        }
        jobs
    }

    /// Looks at what is left: all of it must make sense.
    pub(crate) async fn strike(self) {
        let checked = self.queue.check_integrity(Mend::No).await.unwrap();
        assert_eq!(checked.damages, []);
        let Self {
            queue, processes, ..
        } = self;
        drop(processes);
        assert_sound(&queue).await;
    }
}

fn is_transient(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal
    )
}
