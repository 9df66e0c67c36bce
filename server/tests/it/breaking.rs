//! Nothing that clients of the last release rely on is gone: the rules of buf's
//! breaking category `WIRE_JSON`, and the names of calls.
//!
//! `proto/released.binpb` is the descriptor set of that release. With a release it
//! is replaced by the current one, which this test leaves behind when it fails.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use prost::Message;
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};

/// What may not change, by its full name.
#[derive(Debug, Default)]
struct Promises(BTreeMap<String, String>);

impl Promises {
    fn of(bytes: &[u8]) -> Self {
        let set = FileDescriptorSet::decode(bytes).unwrap();
        let mut promises = Self::default();
        for file in &set.file {
            let package = file.package();
            if !package.starts_with("jobflow.") {
                continue;
            }
            for message in &file.message_type {
                promises.message(package, message);
            }
            for declared in &file.enum_type {
                for value in &declared.value {
                    let name = format!("{package}.{}", declared.name());
                    promises.add(format!("{name} {}", value.number()), value.name());
                }
            }
            for service in &file.service {
                for method in &service.method {
                    let name = format!("{package}.{}.{}", service.name(), method.name());
                    let form = format!(
                        "{} {} to {} {}",
                        method.client_streaming(),
                        method.input_type(),
                        method.server_streaming(),
                        method.output_type()
                    );
                    promises.add(name, &form);
                }
            }
        }
        promises
    }

    fn message(&mut self, parent: &str, message: &DescriptorProto) {
        let name = format!("{parent}.{}", message.name());
        for field in &message.field {
            let oneof = field.oneof_index.map(|at| {
                let at = usize::try_from(at).unwrap();
                message.oneof_decl[at].name()
            });
            let form = field_form(field, oneof);
            self.add(format!("{name} {}", field.number()), &form);
        }
        for nested in &message.nested_type {
            self.message(&name, nested);
        }
        self.add(name, "message");
    }

    fn add(&mut self, name: String, form: &str) {
        self.0.insert(name, form.to_owned());
    }

    /// What of these promises the others do not keep.
    fn broken_by(&self, now: &Self) -> Vec<String> {
        let kept = |(name, form): &(&String, &String)| now.0.get(*name) == Some(*form);
        let broken = self.0.iter().filter(|promise| !kept(promise));
        broken
            .map(|(name, form)| format!("{name}: was {form}, is {:?}", now.0.get(name)))
            .collect()
    }
}

fn field_form(field: &FieldDescriptorProto, oneof: Option<&str>) -> String {
    format!(
        "{} {:?} {:?} {} {:?}",
        field.name(),
        field.label(),
        field.r#type(),
        field.type_name(),
        oneof
    )
}

#[test]
fn what_the_last_release_offered_is_still_there() {
    let released = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/released.binpb");
    let then = Promises::of(&fs::read(&released).unwrap());
    let broken = then.broken_by(&Promises::of(jobflow::FILE_DESCRIPTOR_SET));
    let current = std::env::temp_dir().join("jobflow-current.binpb");
    if !broken.is_empty() {
        fs::write(&current, jobflow::FILE_DESCRIPTOR_SET).unwrap();
    }
    assert!(
        broken.is_empty(),
        "{broken:#?}\nIf a new major version may break this, copy {} to {}",
        current.display(),
        released.display()
    );
}

#[test]
fn a_field_that_is_gone_renamed_or_of_another_type_is_told() {
    let mut set = FileDescriptorSet::decode(jobflow::FILE_DESCRIPTOR_SET).unwrap();
    let then = Promises::of(jobflow::FILE_DESCRIPTOR_SET);
    let file = set
        .file
        .iter_mut()
        .find(|file| file.name() == "jobflow/v1/job.proto")
        .unwrap();
    let job = file
        .message_type
        .iter_mut()
        .find(|message| message.name() == "Job")
        .unwrap();
    let gone = job.field.remove(0);
    job.field[0].name = Some("lane".to_owned());
    job.field[1].r#type = Some(5);
    job.field.push(FieldDescriptorProto {
        number: Some(1_000),
        ..gone
    });
    let now = Promises::of(&set.encode_to_vec());
    let broken = then.broken_by(&now);
    assert_eq!(broken.len(), 3, "{broken:#?}");
    assert!(now.broken_by(&then).len() >= 3);
}
