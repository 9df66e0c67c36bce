//! The calls that the dashboard makes: where each goes, and what answers it.

use jobflow::proto;
use prost::Message;

/// A request of the public API.
pub(crate) trait Rpc: Message {
    type Answer: Message + Default;
    const PATH: &'static str;
}

/// Declares the calls, and lists them for the test that looks them up.
macro_rules! rpcs {
    ($($request:ident => $answer:ident at $path:literal;)*) => {
        $(impl Rpc for proto::$request {
            type Answer = proto::$answer;
            const PATH: &'static str = concat!("/jobflow.v1.", $path);
        })*

        /// Path, request and answer of each.
        #[cfg(test)]
        const ALL: &[(&str, &str, &str)] = &[$(($path, stringify!($request), stringify!($answer)),)*];
    };
}

rpcs! {
    ListJobsRequest => ListJobsResponse at "JobService/ListJobs";
    CountJobsRequest => CountJobsResponse at "JobService/CountJobs";
    ExplainJobRequest => ExplainJobResponse at "JobService/ExplainJob";
    SubmitJobRequest => SubmitJobResponse at "JobService/SubmitJob";
    RetryJobRequest => RetryJobResponse at "JobService/RetryJob";
    CancelJobRequest => CancelJobResponse at "JobService/CancelJob";
    PromoteJobRequest => PromoteJobResponse at "JobService/PromoteJob";
    DeleteJobRequest => DeleteJobResponse at "JobService/DeleteJob";
    WatchJobRequest => WatchJobResponse at "JobService/WatchJob";
    WatchEventsRequest => WatchEventsResponse at "JobService/WatchEvents";
    ListDeadLetterGroupsRequest => ListDeadLetterGroupsResponse at "JobService/ListDeadLetterGroups";
    StartBulkOperationRequest => StartBulkOperationResponse at "JobService/StartBulkOperation";
    ListBulkOperationsRequest => ListBulkOperationsResponse at "JobService/ListBulkOperations";
    StopBulkOperationRequest => StopBulkOperationResponse at "JobService/StopBulkOperation";
    GetQueueRequest => GetQueueResponse at "QueueService/GetQueue";
    UpdateQueueRequest => UpdateQueueResponse at "QueueService/UpdateQueue";
    PauseQueueRequest => PauseQueueResponse at "QueueService/PauseQueue";
    ResumeQueueRequest => ResumeQueueResponse at "QueueService/ResumeQueue";
    DrainQueueRequest => DrainQueueResponse at "QueueService/DrainQueue";
    PurgeQueueRequest => PurgeQueueResponse at "QueueService/PurgeQueue";
    DeleteQueueRequest => DeleteQueueResponse at "QueueService/DeleteQueue";
    ListWorkersRequest => ListWorkersResponse at "WorkerService/ListWorkers";
    GetWorkerRequest => GetWorkerResponse at "WorkerService/GetWorker";
    SignalWorkerRequest => SignalWorkerResponse at "WorkerService/SignalWorker";
    QueryMetricsRequest => QueryMetricsResponse at "MetricsService/QueryMetrics";
    StreamMetricsRequest => StreamMetricsResponse at "MetricsService/StreamMetrics";
    GetServerInfoRequest => GetServerInfoResponse at "AdminService/GetServerInfo";
    ListAuditEventsRequest => ListAuditEventsResponse at "AdminService/ListAuditEvents";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use prost_types::FileDescriptorSet;

    use super::*;

    #[test]
    fn every_call_is_one_of_the_public_api() {
        let files = FileDescriptorSet::decode(jobflow::FILE_DESCRIPTOR_SET).expect("descriptors");
        let mut known = BTreeMap::new();
        for service in files.file.iter().flat_map(|file| &file.service) {
            for method in &service.method {
                let path = format!("{}/{}", service.name(), method.name());
                known.insert(path, (method.input_type(), method.output_type()));
            }
        }
        for (path, request, answer) in ALL {
            let (input, output) = known.get(*path).unwrap_or_else(|| panic!("no call {path}"));
            assert_eq!(*input, format!(".jobflow.v1.{request}"));
            assert_eq!(*output, format!(".jobflow.v1.{answer}"));
        }
    }
}
