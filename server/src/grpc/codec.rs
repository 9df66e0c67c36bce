//! How requests are read: looked through first, decoded then. An element of a
//! list takes two bytes of a message and hundreds of memory, so that one of
//! 16 MiB could make the server hold 3 GiB, and refuse it only then.

use bytes::Buf as _;
use jobflow::{Error, MAX_BATCH, MAX_TAGS};
use prost::encoding::{WireType, decode_key, decode_varint};
use prost::{Message, Name};
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

use super::status;

/// A list, or a message with lists, in a message.
struct Field {
    within: &'static str,
    number: u32,
    name: &'static str,
    /// In a whole request, however they are spread.
    most: usize,
    /// The message that it is, when that has lists.
    of: &'static str,
}

const fn list(within: &'static str, number: u32, name: &'static str, most: usize) -> Field {
    holder(within, number, name, most, "")
}

const fn holder(
    within: &'static str,
    number: u32,
    name: &'static str,
    most: usize,
    of: &'static str,
) -> Field {
    Field {
        within,
        number,
        name,
        most,
        of,
    }
}

/// Where nothing says more.
const USUAL: usize = 1_000;
/// Some 13 MB.
const MAX_HEADERS: usize = 100_000;

const JOB: &str = "SubmitJobRequest";

/// All that a request can hold, message by message; numbers are left out, as
/// they take four times their size at most.
const FIELDS: [Field; 18] = [
    holder("BatchSubmitJobsRequest", 1, "requests", MAX_BATCH, JOB),
    holder("SubmitJobsRequest", 1, "requests", MAX_BATCH, JOB),
    list(JOB, 11, "headers", MAX_HEADERS),
    list(JOB, 16, "tags", MAX_BATCH * MAX_TAGS),
    list("StartBulkOperationRequest", 2, "ids", USUAL),
    holder("UpdateJobRequest", 1, "job", USUAL, "Job"),
    holder("UpdateJobRequest", 2, "update_mask", USUAL, "FieldMask"),
    list("Job", 8, "headers", MAX_HEADERS),
    list("Job", 24, "tags", USUAL),
    list("Job", 28, "attempts", USUAL),
    list("Job", 29, "previous_payloads", USUAL),
    holder("UpdateQueueRequest", 1, "queue", USUAL, "Queue"),
    holder("UpdateQueueRequest", 2, "update_mask", USUAL, "FieldMask"),
    list("Queue", 5, "pauses", USUAL),
    holder("Queue", 9, "partitions", USUAL, "QueuePartitions"),
    list("QueuePartitions", 4, "each", USUAL),
    list("FieldMask", 1, "paths", USUAL),
    list("CreateTokenRequest", 3, "queues", USUAL),
];

/// How often each field has been met.
type Seen = [usize; FIELDS.len()];

/// Refuses a message, not decoded yet, that holds too much.
fn look_through(message: &str, bytes: &[u8]) -> Result<Seen, Error> {
    let mut seen = [0; FIELDS.len()];
    count(message, bytes, &mut seen)?;
    Ok(seen)
}

fn count(message: &str, mut bytes: &[u8], seen: &mut Seen) -> Result<(), Error> {
    let is_in_it = |field: &Field| field.within == message;
    let Some(first) = FIELDS.iter().position(is_in_it) else {
        return Ok(());
    };
    let fields = FIELDS[first..].iter().take_while(|field| is_in_it(field));
    while let Some((number, content)) = next_field(&mut bytes) {
        let mut numbered = fields.clone().zip(first..);
        let Some((field, place)) = numbered.find(|(field, _)| field.number == number) else {
            continue;
        };
        seen[place] += 1;
        if seen[place] > field.most {
            let limit = format!("must be at most {}", field.most);
            return Err(Error::invalid(field.name, limit));
        }
        if !field.of.is_empty() {
            count(field.of, content, seen)?;
        }
    }
    Ok(())
}

/// The number of the next field, and its bytes if it has a length. None at the
/// end, and where the decoder will not go on either. The fields of a group are
/// read as those of the message that it is in: nobody sends groups.
fn next_field<'a>(bytes: &mut &'a [u8]) -> Option<(u32, &'a [u8])> {
    let (number, kind) = decode_key(bytes).ok()?;
    let length = match kind {
        WireType::Varint => {
            decode_varint(bytes).ok()?;
            0
        }
        WireType::SixtyFourBit => 8,
        WireType::ThirtyTwoBit => 4,
        WireType::LengthDelimited => usize::try_from(decode_varint(bytes).ok()?).ok()?,
        WireType::StartGroup | WireType::EndGroup => 0,
    };
    let (content, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some((number, content))
}

/// Reads requests only after a look through them.
pub(crate) struct LookingCodec<Answer, Request>(ProstCodec<Answer, Request>);

impl<Answer, Request> Default for LookingCodec<Answer, Request> {
    fn default() -> Self {
        Self(ProstCodec::default())
    }
}

impl<Answer, Request> Codec for LookingCodec<Answer, Request>
where
    Answer: Message + 'static,
    Request: Message + Default + Name + 'static,
{
    type Encode = Answer;
    type Decode = Request;
    type Encoder = ProstEncoder<Answer>;
    type Decoder = LookingDecoder<Request>;

    fn encoder(&mut self) -> Self::Encoder {
        self.0.encoder()
    }

    fn decoder(&mut self) -> Self::Decoder {
        LookingDecoder(self.0.decoder())
    }
}

pub(crate) struct LookingDecoder<Request>(ProstDecoder<Request>);

impl<Request: Message + Default + Name> Decoder for LookingDecoder<Request> {
    type Item = Request;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Request>, Status> {
        look_through(Request::NAME, message.chunk()).map_err(|error| status::of(&error))?;
        self.0.decode(message)
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.0.buffer_settings()
    }
}

/// What is let in holds no more than was counted.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn read_batch(bytes: &[u8]) {
    use jobflow::proto::BatchSubmitJobsRequest;
    let seen = look_through(BatchSubmitJobsRequest::NAME, bytes);
    let (Ok(seen), Ok(batch)) = (seen, BatchSubmitJobsRequest::decode(bytes)) else {
        return;
    };
    let counted = |within: &str, name: &str| {
        let place = |field: &Field| field.within == within && field.name == name;
        FIELDS.iter().position(place).map_or(0, |place| seen[place])
    };
    let tags: usize = batch.requests.iter().map(|job| job.tags.len()).sum();
    let headers: usize = batch.requests.iter().map(|job| job.headers.len()).sum();
    assert!(batch.requests.len() <= counted(BatchSubmitJobsRequest::NAME, "requests"));
    assert!(tags <= counted(JOB, "tags"));
    assert!(headers <= counted(JOB, "headers"));
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};

    use jobflow::proto::{BatchSubmitJobsRequest, SubmitJobRequest, UpdateJobRequest};
    use prost_types::field_descriptor_proto::{Label, Type};
    use prost_types::{DescriptorProto, FieldMask, FileDescriptorSet};

    use super::*;

    fn refused<M: Message + Name>(message: &M) -> Option<String> {
        let looked = look_through(M::NAME, &message.encode_to_vec());
        looked.err().map(|error| error.to_string())
    }

    fn jobs(count: usize, job: &SubmitJobRequest) -> BatchSubmitJobsRequest {
        BatchSubmitJobsRequest {
            requests: vec![job.clone(); count],
        }
    }

    #[test]
    fn lists_may_be_full_and_not_fuller() {
        let tags = |count| SubmitJobRequest {
            payload: vec![0x0a; 1_000].into(),
            tags: vec!["tag".to_owned(); count],
            ..SubmitJobRequest::default()
        };
        assert_eq!(refused(&jobs(MAX_BATCH, &tags(MAX_TAGS))), None);
        let more = refused(&jobs(MAX_BATCH + 1, &tags(0))).unwrap();
        assert_eq!(more, "requests: must be at most 1000");
        let more = refused(&jobs(MAX_BATCH, &tags(MAX_TAGS + 1))).unwrap();
        assert_eq!(more, "tags: must be at most 8000");
        let headers = (0..=MAX_HEADERS).map(|n| (n.to_string(), String::new()));
        let job = SubmitJobRequest {
            headers: headers.collect(),
            ..SubmitJobRequest::default()
        };
        assert_eq!(refused(&job).unwrap(), "headers: must be at most 100000");
    }

    #[test]
    fn lists_are_found_behind_other_fields_and_in_messages_of_messages() {
        let request = UpdateJobRequest {
            etag: "etag".to_owned(),
            update_mask: Some(FieldMask {
                paths: vec![String::new(); USUAL + 1],
            }),
            ..UpdateJobRequest::default()
        };
        assert_eq!(refused(&request).unwrap(), "paths: must be at most 1000");
        let behind = |before: &[u8]| {
            let bytes = [before, &[0x0a, 0x00].repeat(MAX_BATCH + 1)].concat();
            look_through(BatchSubmitJobsRequest::NAME, &bytes).is_err()
        };
        let (number, eight, four) = (b"\x10\x80\x01", b"\x19eightish", b"\x25four");
        let (text, group) = (b"\x2a\x02\x0a\x00", b"\x33\x38\x01\x34");
        assert!(behind(&[&number[..], eight, four, text, group].concat()));
        // What the decoder gives up at.
        assert!(!behind(b"\x0a\xff\xff\x03"));
    }

    #[test]
    fn each_list_of_each_request_has_its_row() {
        let files = FileDescriptorSet::decode(jobflow::FILE_DESCRIPTOR_SET).unwrap();
        let messages: HashMap<String, &DescriptorProto> = files
            .file
            .iter()
            .flat_map(|file| {
                let named =
                    |message: &DescriptorProto| format!(".{}.{}", file.package(), message.name());
                file.message_type
                    .iter()
                    .map(move |message| (named(message), message))
            })
            .collect();
        let services = files.file.iter().flat_map(|file| &file.service);
        let served = services.filter(|service| service.name() != "HandlerService");
        let methods = served.flat_map(|service| &service.method);
        let (mut wanted, mut asked) = (BTreeSet::new(), BTreeSet::new());
        for method in methods {
            find_lists(method.input_type(), &messages, &mut wanted, &mut asked);
        }
        let rows = FIELDS.iter().map(|field| {
            (
                field.within.to_owned(),
                field.number,
                field.name.to_owned(),
                field.of.to_owned(),
            )
        });
        assert_eq!(rows.collect::<BTreeSet<_>>(), wanted);
        let mut messages: Vec<_> = FIELDS.iter().map(|field| field.within).collect();
        messages.dedup();
        let apart: BTreeSet<_> = messages.iter().collect();
        assert_eq!(messages.len(), apart.len(), "rows of a message apart");
    }

    type Row = (String, u32, String, String);

    /// Whether there are any in this message or below.
    fn find_lists(
        path: &str,
        messages: &HashMap<String, &DescriptorProto>,
        rows: &mut BTreeSet<Row>,
        asked: &mut BTreeSet<String>,
    ) -> bool {
        // The entries of maps are not among them.
        let Some(message) = messages.get(path) else {
            return false;
        };
        let short = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
        assert!(asked.len() < 1_000, "messages that hold themselves");
        asked.insert(path.to_owned());
        let mut any = false;
        for field in &message.field {
            let is_list = field.label() == Label::Repeated
                && matches!(field.r#type(), Type::Message | Type::String | Type::Bytes);
            let below = find_lists(field.type_name(), messages, rows, asked);
            if is_list || below {
                any = true;
                let of = if below {
                    short(field.type_name())
                } else {
                    String::new()
                };
                let number = u32::try_from(field.number()).unwrap();
                rows.insert((short(path), number, field.name().to_owned(), of));
            }
        }
        any
    }
}
