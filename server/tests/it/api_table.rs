//! The table of calls in `docs/api.md` has every call, with its command and its tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use prost::Message;
use prost_types::FileDescriptorSet;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The cells behind each call: what it does, its command, its tests.
fn table() -> BTreeMap<String, Vec<String>> {
    let text = fs::read_to_string(root().join("docs/api.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let row = |row: &str| {
        let (call, rest) = row.split_once('`')?;
        let cells: Vec<_> = rest.split('|').skip(1).map(str::trim).collect();
        let is_call = call.contains("Service.");
        is_call.then(|| {
            (
                call.to_owned(),
                cells.into_iter().map(str::to_owned).collect(),
            )
        })
    };
    rows.filter_map(row).collect()
}

fn calls() -> BTreeSet<String> {
    let set = FileDescriptorSet::decode(jobflow::FILE_DESCRIPTOR_SET).unwrap();
    let own = set
        .file
        .iter()
        .filter(|file| file.package() == "jobflow.v1");
    own.flat_map(|file| &file.service)
        // Which users implement.
        .filter(|service| service.name() != "HandlerService")
        .flat_map(|service| {
            let call = |method: &str| format!("{}.{method}", service.name());
            service.method.iter().map(move |method| call(method.name()))
        })
        .collect()
}

/// All test functions of the workspace, by name.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut folders: Vec<_> = ["tests", "server", "worker", "cli"]
        .map(|folder| root().join(folder))
        .into();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = fs::read_to_string(path).unwrap();
                let after_test = text.split("test]").skip(1);
                let functions =
                    after_test.filter_map(|text| text.split_once("fn ")?.1.split_once('('));
                names.extend(functions.map(|(name, _)| name.to_owned()));
            }
        }
    }
    names
}

#[test]
fn every_call_has_its_command_and_its_test() {
    let (table, tests) = (table(), tests());
    let listed: BTreeSet<_> = table.keys().cloned().collect();
    assert_eq!(listed, calls());
    for (call, cells) in &table {
        let [does, command, named, ..] = &cells[..] else {
            panic!("{call} has too few cells: {cells:?}");
        };
        assert!(!does.is_empty(), "{call} does nothing");
        assert!(
            command.starts_with("`jobflow-cli "),
            "{call} has no command"
        );
        let named: Vec<_> = named.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "{call} has no test");
        for name in named {
            assert!(tests.contains(name), "{call}: there is no test {name}");
        }
    }
}
