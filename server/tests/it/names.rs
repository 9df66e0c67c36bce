//! The names of the API follow the buf lint category STANDARD.

use std::collections::BTreeSet;

use prost::Message;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    FileDescriptorSet, OneofDescriptorProto, ServiceDescriptorProto,
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

/// Messages with those inside them.
fn messages(file: &FileDescriptorProto) -> Vec<DescriptorProto> {
    let mut all = Vec::new();
    let mut open = file.message_type.clone();
    while let Some(message) = open.pop() {
        open.extend(message.nested_type.clone());
        all.push(message);
    }
    all
}

fn is_pascal(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric())
}

fn is_snake(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(plain)
        && !name.contains("__")
        && !name.ends_with('_')
}

#[test]
fn names_are_spelled_by_what_they_name_and_enums_have_no_aliases() {
    for file in own_files() {
        let path = file.name().rsplit('/').next().unwrap();
        assert!(is_snake(path.trim_end_matches(".proto")), "{path}");
        for message in messages(&file) {
            assert!(is_pascal(message.name()), "{}", message.name());
            let oneofs = message.oneof_decl.iter().map(OneofDescriptorProto::name);
            let fields = message.field.iter().map(FieldDescriptorProto::name);
            for name in oneofs.chain(fields) {
                // A made-up oneof stands for each `optional`.
                let name = name.trim_start_matches('_');
                assert!(is_snake(name), "{}.{name}", message.name());
            }
        }
        for declared in &file.enum_type {
            assert!(is_pascal(declared.name()), "{}", declared.name());
            let options = declared.options.clone().unwrap_or_default();
            assert!(!options.allow_alias(), "{}", declared.name());
            assert_eq!(declared.value[0].number(), 0, "{}", declared.name());
            for value in &declared.value {
                let upper = value.name().to_ascii_uppercase();
                assert_eq!(value.name(), upper);
            }
        }
        for service in &file.service {
            assert!(is_pascal(service.name()), "{}", service.name());
            assert!(service.method.iter().all(|method| is_pascal(method.name())));
        }
    }
}

#[test]
fn every_message_of_a_call_is_of_that_call_alone_and_imports_are_used_and_private() {
    let files = own_files();
    let mut used = BTreeSet::new();
    let methods = files.iter().flat_map(|file| &file.service);
    for method in methods.flat_map(|service| &service.method) {
        for message in [method.input_type(), method.output_type()] {
            assert!(used.insert(message.to_owned()), "{message} is used twice");
        }
    }
    for file in &files {
        assert_eq!(file.syntax(), "proto3", "{}", file.name());
        assert!(file.public_dependency.is_empty() && file.weak_dependency.is_empty());
        let fields: Vec<_> = messages(file)
            .into_iter()
            .flat_map(|message| message.field)
            .collect();
        for import in &file.dependency {
            // `google/protobuf/field_mask.proto` declares `FieldMask`, and so on.
            let stem = import
                .rsplit('/')
                .next()
                .unwrap()
                .trim_end_matches(".proto");
            let camel: String = stem.split('_').map(capital).collect();
            let google = format!(".google.protobuf.{camel}");
            let declared = files.iter().find(|file| file.name() == *import);
            let is_used = fields.iter().any(|field| {
                let of_own = |name: &str| field.type_name() == format!(".jobflow.v1.{name}");
                field.type_name() == google
                    || declared.is_some_and(|file| {
                        let messages = file.message_type.iter().map(DescriptorProto::name);
                        let enums = file.enum_type.iter().map(EnumDescriptorProto::name);
                        messages.chain(enums).any(of_own)
                    })
            });
            assert!(is_used, "{}: {import} is not used", file.name());
        }
    }
}

fn capital(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_ascii_uppercase() + rest
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
