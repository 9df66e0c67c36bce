//! The names of the API follow the buf lint category STANDARD.

use prost::Message;
use prost_types::{
    EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet, ServiceDescriptorProto,
};

fn own_files() -> Vec<FileDescriptorProto> {
    let set = FileDescriptorSet::decode(jobflow::FILE_DESCRIPTOR_SET).unwrap();
    let own = |file: &FileDescriptorProto| file.package().starts_with("jobflow.");
    let files: Vec<_> = set.file.into_iter().filter(own).collect();
    assert!(files.len() >= 5, "the descriptor set holds the API");
    files
}

#[test]
fn every_service_ends_in_service_and_every_call_has_messages_of_its_own() {
    let services: Vec<ServiceDescriptorProto> = own_files()
        .into_iter()
        .flat_map(|file| file.service)
        .collect();
    for service in &services {
        assert!(service.name().ends_with("Service"), "{}", service.name());
        for method in &service.method {
            let expected = |end: &str| format!(".jobflow.v1.{}{end}", method.name());
            assert_eq!(method.input_type(), expected("Request"));
            assert_eq!(method.output_type(), expected("Response"));
        }
    }
    assert!(services.len() >= 4);
}

#[test]
fn every_enum_value_is_prefixed_and_zero_is_unspecified() {
    let in_messages = |file: &FileDescriptorProto| -> Vec<EnumDescriptorProto> {
        let nested = file
            .message_type
            .iter()
            .flat_map(|message| message.enum_type.clone());
        file.enum_type.iter().cloned().chain(nested).collect()
    };
    for declared in own_files().iter().flat_map(in_messages) {
        let prefix = format!("{}_", screaming(declared.name()));
        for value in &declared.value {
            assert!(value.name().starts_with(&prefix), "{}", value.name());
        }
        let zero = declared
            .value
            .iter()
            .find(|value| value.number() == 0)
            .unwrap();
        assert_eq!(zero.name(), format!("{prefix}UNSPECIFIED"));
    }
}

#[test]
fn fields_are_snake_case_and_files_lie_where_their_package_says() {
    for file in own_files() {
        assert_eq!(file.package(), "jobflow.v1");
        assert!(file.name().starts_with("jobflow/v1/"), "{}", file.name());
        for message in &file.message_type {
            for field in &message.field {
                let snake = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
                assert!(
                    field.name().chars().all(snake),
                    "{}.{}",
                    message.name(),
                    field.name()
                );
            }
        }
    }
}

/// `JobState` as `JOB_STATE`.
fn screaming(camel: &str) -> String {
    let mut name = String::new();
    for (at, letter) in camel.char_indices() {
        if at > 0 && letter.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}
