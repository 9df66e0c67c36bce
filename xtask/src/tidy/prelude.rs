//! What the parts of the prelude, `src/lua/prelude*.lua`, give to the scripts behind them.

use std::collections::BTreeMap;

use super::lua::Uses;

pub(super) struct Prelude {
    /// The keys by name, in the order in which they are bound.
    pub(super) keys: Vec<String>,
    /// Functions and tables by name, with what they use.
    pieces: BTreeMap<String, Uses>,
}

impl Prelude {
    /// Reads all parts, the one that binds the keys among them.
    pub(super) fn parse(text: &str) -> Self {
        let bound = text
            .split_once("= unpack(KEYS)")
            .and_then(|(before, _)| before.rsplit_once("local "))
            .map_or("", |(_, names)| names);
        let keys = bound.split(',').map(|name| name.trim().to_owned());
        let mut pieces = BTreeMap::new();
        for piece in text.split("\nlocal ").skip(1) {
            let (name, body) = if let Some(function) = piece.strip_prefix("function ") {
                let end = function.find("\nend").unwrap_or(function.len());
                (function.split('(').next(), &function[..end])
            } else {
                let end = piece.find("\n}").or_else(|| piece.find('\n'));
                (
                    piece.split(" = {").next(),
                    &piece[..end.unwrap_or(piece.len())],
                )
            };
            let name = name.unwrap_or_default();
            if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                pieces.insert(name.to_owned(), Uses::of(body));
            }
        }
        Self {
            keys: keys.filter(|name| !name.is_empty()).collect(),
            pieces,
        }
    }

    /// What the script uses itself and through the functions it calls.
    pub(super) fn reach(&self, script: &str) -> Uses {
        let mut reached = Uses::of(script);
        let mut open: Vec<String> = reached.names.iter().cloned().collect();
        while let Some(name) = open.pop() {
            let Some(uses) = self.pieces.get(&name) else {
                continue;
            };
            open.extend(uses.names.difference(&reached.names).cloned());
            reached.add(uses);
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_reaches_what_the_functions_it_calls_use() {
        let prelude = Prelude::parse(
            "local waiting, active,\n  wake = unpack(KEYS)\n\
             local function inner()\n  call('DEL', wake)\nend\n\
             local function outer()\n  inner()\nend\n\
             local function other()\n  call('DEL', active)\nend\n\
             local SETS = {\n  { active },\n}\n",
        );
        assert_eq!(prelude.keys, ["waiting", "active", "wake"]);
        let uses = prelude.reach("outer(waiting)");
        assert!(uses.names.contains("wake") && uses.names.contains("waiting"));
        assert!(!uses.names.contains("active"));
        assert!(prelude.reach("#SETS").names.contains("active"));
    }
}
