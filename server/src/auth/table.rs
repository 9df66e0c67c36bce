//! Which call is open to whom. What has no row here is open to nobody; a test
//! compares the rows with the services and the routes.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;

use jobflow::Role;

/// One call, or one route.
#[derive(Debug)]
pub(crate) struct Row {
    /// `package.Service/Method`, or `METHOD /path`.
    pub(crate) call: &'static str,
    pub(crate) roles: Roles,
    pub(crate) queues: Queues,
    pub(crate) time: Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Roles {
    /// Also without a token: tells nothing but whether the server works.
    Public,
    Of(&'static [Role]),
}

/// How a call stands to queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queues {
    /// It is about none.
    None,
    /// It is about one, or about a job of one: the handler asks whether the
    /// caller may.
    One,
    /// It is about those that the caller may touch: the handler leaves the
    /// others out.
    Own,
    /// It is about all of them, so the caller must have the right to all.
    All,
}

/// How long a call may take when its caller sets no deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Time {
    Short,
    /// Its work grows with the number of jobs.
    Long,
    /// It lasts by its nature, and has bounds of its own.
    Open,
}

impl Time {
    pub(crate) const fn limit(self) -> Option<Duration> {
        match self {
            Self::Short => Some(Duration::from_secs(30)),
            Self::Long => Some(Duration::from_secs(600)),
            Self::Open => None,
        }
    }
}

use self::Queues::{All, One, Own};
use Role::{Admin, Operator, Submitter, Viewer};

const EVERYBODY: Roles = Roles::Of(&[Viewer, Submitter, Operator, Admin]);
const READERS: Roles = Roles::Of(&[Viewer, Operator, Admin]);
const SUBMITTERS: Roles = Roles::Of(&[Submitter, Operator, Admin]);
const OPERATORS: Roles = Roles::Of(&[Operator, Admin]);
const ADMINS: Roles = Roles::Of(&[Admin]);

const fn row(call: &'static str, roles: Roles, queues: Queues, time: Time) -> Row {
    Row {
        call,
        roles,
        queues,
        time,
    }
}

#[rustfmt::skip]
pub(crate) const TABLE: &[Row] = &[
    row("jobflow.v1.JobService/SubmitJob", SUBMITTERS, One, Time::Short),
    row("jobflow.v1.JobService/BatchSubmitJobs", SUBMITTERS, One, Time::Short),
    row("jobflow.v1.JobService/SubmitJobs", SUBMITTERS, One, Time::Long),
    row("jobflow.v1.JobService/GetJob", EVERYBODY, One, Time::Short),
    row("jobflow.v1.JobService/WaitJob", EVERYBODY, One, Time::Open),
    row("jobflow.v1.JobService/WatchJob", EVERYBODY, One, Time::Open),
    row("jobflow.v1.JobService/ListJobLogs", EVERYBODY, One, Time::Short),
    row("jobflow.v1.JobService/ExplainJob", EVERYBODY, One, Time::Short),
    row("jobflow.v1.JobService/ListJobs", READERS, Own, Time::Short),
    row("jobflow.v1.JobService/CountJobs", READERS, Own, Time::Short),
    row("jobflow.v1.JobService/ListDeadLetterGroups", READERS, Own, Time::Short),
    row("jobflow.v1.JobService/WatchEvents", READERS, Own, Time::Open),
    row("jobflow.v1.JobService/UpdateJob", OPERATORS, One, Time::Short),
    row("jobflow.v1.JobService/CancelJob", OPERATORS, One, Time::Short),
    row("jobflow.v1.JobService/RetryJob", OPERATORS, One, Time::Short),
    row("jobflow.v1.JobService/PromoteJob", OPERATORS, One, Time::Short),
    row("jobflow.v1.JobService/DeleteJob", OPERATORS, One, Time::Short),
    // An operation goes through queues, and belongs to none.
    row("jobflow.v1.JobService/GetBulkOperation", READERS, All, Time::Short),
    row("jobflow.v1.JobService/ListBulkOperations", READERS, All, Time::Short),
    row("jobflow.v1.JobService/StartBulkOperation", OPERATORS, All, Time::Long),
    row("jobflow.v1.JobService/StopBulkOperation", OPERATORS, All, Time::Short),
    row("jobflow.v1.QueueService/ListQueues", READERS, Own, Time::Short),
    row("jobflow.v1.QueueService/GetQueue", READERS, One, Time::Short),
    row("jobflow.v1.QueueService/UpdateQueue", OPERATORS, One, Time::Short),
    row("jobflow.v1.QueueService/PauseQueue", OPERATORS, One, Time::Short),
    row("jobflow.v1.QueueService/ResumeQueue", OPERATORS, One, Time::Short),
    row("jobflow.v1.QueueService/DrainQueue", OPERATORS, One, Time::Short),
    row("jobflow.v1.QueueService/PurgeQueue", OPERATORS, One, Time::Long),
    row("jobflow.v1.QueueService/DeleteQueue", OPERATORS, One, Time::Short),
    row("jobflow.v1.MetricsService/StreamMetrics", READERS, Own, Time::Open),
    row("jobflow.v1.MetricsService/QueryMetrics", READERS, Own, Time::Short),
    row("jobflow.v1.WorkerService/ListWorkers", READERS, Own, Time::Short),
    row("jobflow.v1.WorkerService/GetWorker", READERS, Own, Time::Short),
    // A worker may serve queues of others.
    row("jobflow.v1.WorkerService/SignalWorker", OPERATORS, All, Time::Short),
    row("jobflow.v1.AdminService/GetServerInfo", EVERYBODY, Queues::None, Time::Short),
    row("jobflow.v1.AdminService/CheckIntegrity", ADMINS, All, Time::Long),
    row("jobflow.v1.AdminService/ListAuditEvents", ADMINS, All, Time::Short),
    row("jobflow.v1.TokenService/CreateToken", ADMINS, All, Time::Short),
    row("jobflow.v1.TokenService/ListTokens", ADMINS, All, Time::Short),
    row("jobflow.v1.TokenService/RotateToken", ADMINS, All, Time::Short),
    row("jobflow.v1.TokenService/RevokeToken", ADMINS, All, Time::Short),
    // Orchestrators have no token. A watch is a stream, which costs more.
    row("grpc.health.v1.Health/Check", Roles::Public, Queues::None, Time::Short),
    row("grpc.health.v1.Health/Watch", EVERYBODY, Queues::None, Time::Open),
    row("grpc.reflection.v1.ServerReflection/ServerReflectionInfo", EVERYBODY, Queues::None, Time::Open),
    row("grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", EVERYBODY, Queues::None, Time::Open),
    row("POST /jobs", SUBMITTERS, One, Time::Short),
    row("GET /jobs/{id}", EVERYBODY, One, Time::Short),
    row("DELETE /jobs/{id}", OPERATORS, One, Time::Short),
    row("GET /stats", READERS, Own, Time::Short),
    // Its numbers are of all queues together.
    row("GET /metrics", READERS, All, Time::Short),
    row("GET /openapi.json", EVERYBODY, Queues::None, Time::Short),
    row("GET /healthz", Roles::Public, Queues::None, Time::Short),
    row("GET /readyz", Roles::Public, Queues::None, Time::Short),
];

static ROWS: LazyLock<HashMap<&str, &Row>> =
    LazyLock::new(|| TABLE.iter().map(|row| (row.call, row)).collect());

/// The row of a call.
pub(crate) fn of(call: &str) -> Option<&'static Row> {
    ROWS.get(call).copied()
}

/// The methods that a path knows, as the header `Allow` has them.
pub(crate) fn methods(path: &str) -> String {
    let rows = TABLE.iter().filter_map(|row| row.call.split_once(' '));
    let mut methods: Vec<_> = rows
        .filter_map(|(method, of)| (of == path).then_some(method))
        .collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.join(",")
}

impl Row {
    /// Whether it asks the store about many jobs or queues before it answers.
    pub(crate) fn looks_through_queues(&self) -> bool {
        self.queues == Own && self.time != Time::Open
    }

    /// Whether it is told to the audit log that the call was made: what viewers
    /// and submitters may do changes nothing, or is told by the job itself.
    pub(crate) fn is_audited(&self) -> bool {
        !self.roles.include(Viewer) && !self.roles.include(Submitter)
    }
}

impl Roles {
    pub(crate) fn include(self, role: Role) -> bool {
        match self {
            Self::Public => true,
            Self::Of(roles) => roles.contains(&role),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;

    fn methods(set: &[u8]) -> Vec<String> {
        let set = FileDescriptorSet::decode(set).unwrap();
        let mut names = Vec::new();
        for file in &set.file {
            for service in &file.service {
                let of_method =
                    |name: &str| format!("{}.{}/{name}", file.package(), service.name());
                names.extend(service.method.iter().map(|method| of_method(method.name())));
            }
        }
        names
    }

    /// The routes as `rest/routes.rs` has them.
    fn routes() -> Vec<String> {
        let text = include_str!("../rest/routes.rs");
        let mut found = Vec::new();
        for piece in text.split(".route(").skip(1) {
            let mut quoted = piece.splitn(3, '"');
            let (path, handlers) = (quoted.nth(1).unwrap(), quoted.next().unwrap());
            let end = handlers.find('\n').unwrap();
            for method in ["get", "post", "put", "patch", "delete"] {
                let handlers = &handlers[..end];
                if handlers.contains(&format!(" {method}("))
                    || handlers.contains(&format!(".{method}("))
                {
                    found.push(format!("{} {path}", method.to_uppercase()));
                }
            }
        }
        found
    }

    #[test]
    fn every_call_and_every_route_has_one_row_and_no_row_is_idle() {
        let mut served: BTreeSet<String> = [
            jobflow::FILE_DESCRIPTOR_SET,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ]
        .into_iter()
        .flat_map(methods)
        .collect();
        // Users implement this one; the server only calls it.
        served.retain(|call| !call.starts_with("jobflow.v1.HandlerService/"));
        served.extend(routes());
        let rows: BTreeSet<String> = TABLE.iter().map(|row| row.call.to_owned()).collect();
        assert_eq!(rows, served);
        assert_eq!(rows.len(), TABLE.len(), "a call has two rows");
    }

    /// The rows of the table in the documents: a call, a yes for each role, and
    /// how it stands to queues.
    fn documented() -> Vec<String> {
        let text = include_str!("../../../docs/security.md");
        let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
        rows.filter(|row| row.contains("yes"))
            .map(str::to_owned)
            .collect()
    }

    fn written(row: &Row) -> String {
        let yes = |role| {
            if row.roles.include(role) {
                "yes"
            } else {
                "–"
            }
        };
        let roles = Role::ALL.map(yes).join(" | ");
        let public = if row.roles == Roles::Public {
            "yes"
        } else {
            "–"
        };
        let queues = match row.queues {
            Queues::None => "–",
            One => "one",
            Own => "own",
            All => "all",
        };
        let call = row.call.trim_start_matches("jobflow.v1.");
        format!("{call}` | {public} | {roles} | {queues} |")
    }

    #[test]
    fn the_document_has_the_same_table() {
        let written: Vec<_> = TABLE.iter().map(written).collect();
        let lines = written.iter().map(|row| format!("| `{row}\n"));
        assert_eq!(
            documented(),
            written,
            "it must be:\n{}",
            lines.collect::<String>()
        );
    }

    #[test]
    fn only_health_is_public() {
        let public = TABLE.iter().filter(|row| row.roles == Roles::Public);
        let public: Vec<_> = public.map(|row| row.call).collect();
        assert_eq!(
            public,
            ["grpc.health.v1.Health/Check", "GET /healthz", "GET /readyz"]
        );
    }
}
