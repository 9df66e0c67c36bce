//! Each Lua script states its contract in its header; here the two are
//! compared.

use std::collections::BTreeSet;

use super::lua::Uses;
use super::prelude::Prelude;
use super::{File, Problem, Tree, docs};

const FOLDER: &str = "src/lua/";
const PRELUDE: &str = "src/lua/prelude";
const DECLARATIONS: &str = "src/lua/mod.rs";
const MOST_LINES: usize = 80;
const FIELDS: [&str; 6] = ["KEYS", "ARGV", "RETURNS", "ERRORS", "EVENTS", "COST"];

/// The letters under which `publish` packs the states, and what is no state.
const LETTERS: [(&str, &str); 9] = [
    ("s", "scheduled"),
    ("b", "blocked"),
    ("w", "waiting"),
    ("a", "active"),
    ("r", "retrying"),
    ("c", "completed"),
    ("f", "failed"),
    ("x", "cancelled"),
    ("p", "reported"),
];

/// Where scripts may be called.
const CALLERS: [&str; 4] = [
    "src/queue/",
    "src/maintenance/",
    "src/stats.rs",
    "src/events.rs",
];

pub(super) fn problems(tree: &Tree) -> Vec<Problem> {
    let parts: Vec<&str> = tree
        .ending(".lua")
        .filter(|file| file.path.starts_with(PRELUDE))
        .map(|file| file.text.as_str())
        .collect();
    let prelude = Prelude::parse(&parts.join("\n"));
    let codes = docs::codes(tree);
    let mut problems = Vec::new();
    for file in tree.ending(".lua") {
        if !file.path.starts_with(FOLDER) || file.path.starts_with(PRELUDE) {
            continue;
        }
        let tell = |what: String| format!("{}: {what}", file.path);
        match Header::parse(file) {
            Err(what) => problems.push(tell(what)),
            Ok(header) => {
                let found = contradictions(&header, &file.text, &prelude, &codes);
                problems.extend(found.into_iter().map(tell));
            }
        }
        problems.extend(caller_problem(tree, file).map(tell));
        let lines = file.text.lines().count();
        if lines > MOST_LINES {
            problems.push(tell(format!(
                "{lines} lines; a script has at most {MOST_LINES}"
            )));
        }
    }
    problems
}

struct Header<'a> {
    /// What follows each of [`FIELDS`], further lines joined.
    fields: Vec<(&'a str, String)>,
}

impl<'a> Header<'a> {
    fn parse(file: &'a File) -> Result<Self, String> {
        let stem = stem(&file.path);
        let mut lines = file.text.lines().map_while(|line| line.strip_prefix("-- "));
        let first = lines.next().unwrap_or_default();
        let purpose = first
            .strip_prefix(stem)
            .and_then(|rest| rest.strip_prefix(": "));
        if purpose.is_none_or(str::is_empty) {
            return Err(format!(
                "the header does not begin with `-- {stem}: purpose`"
            ));
        }
        let mut fields: Vec<(&str, String)> = Vec::new();
        for line in lines {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            if FIELDS.contains(&word) {
                fields.push((word, rest.trim().to_owned()));
            } else if let Some((_, value)) = fields.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        }
        let found: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
        if found != FIELDS {
            return Err(format!(
                "the header has {}; it must have {}, in this order",
                found.join(" "),
                FIELDS.join(" ")
            ));
        }
        match fields.iter().find(|(_, value)| value.is_empty()) {
            Some((name, _)) => Err(format!("{name} of the header is empty; write - for none")),
            None => Ok(Self { fields }),
        }
    }

    fn get(&self, field: &str) -> &str {
        let found = self.fields.iter().find(|(name, _)| *name == field);
        found.map_or("", |(_, value)| value)
    }
}

fn contradictions(
    header: &Header<'_>,
    text: &str,
    prelude: &Prelude,
    codes: &BTreeSet<String>,
) -> Vec<String> {
    let uses = prelude.reach(text);
    let mut found = Vec::new();
    let mut compare = |field: &str, says: Vec<String>, does: Vec<String>| {
        if says != does {
            found.push(format!(
                "{field} of the header says `{}`, the script has `{}`",
                says.join(" "),
                does.join(" ")
            ));
        }
    };
    compare("KEYS", keys_said(header), keys_used(text, &uses, prelude));
    compare(
        "ERRORS",
        error_words([header.get("ERRORS")], codes),
        error_words(uses.strings.iter().map(String::as_str), codes),
    );
    compare("EVENTS", states_said(header), states_published(&uses));
    found.extend(argument_problem(header.get("ARGV"), text, &uses));
    found
}

/// The names of the KEYS line, without their numbers.
fn keys_said(header: &Header<'_>) -> Vec<String> {
    let words = header.get("KEYS").split_whitespace();
    let names = words.filter(|word| *word != "-" && word.parse::<u32>().is_err());
    names.map(str::to_owned).collect()
}

/// The keys a script touches: those that the prelude binds, in its order, or
/// those that it binds itself.
fn keys_used(text: &str, uses: &Uses, prelude: &Prelude) -> Vec<String> {
    if !text.contains("KEYS[") {
        let used = prelude.keys.iter().filter(|key| uses.names.contains(*key));
        return used.cloned().collect();
    }
    let bindings = text.lines().filter_map(|line| {
        let (names, values) = line.strip_prefix("local ")?.split_once(" = ")?;
        values.starts_with("KEYS[").then_some(names)
    });
    let names = bindings.flat_map(|names| names.split(','));
    names.map(|name| name.trim().to_owned()).collect()
}

/// Words in capitals that are a `Code` or have the form of one. Redis has no
/// command with an underscore.
fn error_words<'a>(
    texts: impl IntoIterator<Item = &'a str>,
    codes: &BTreeSet<String>,
) -> Vec<String> {
    let mut words = BTreeSet::new();
    for text in texts {
        for word in text.split(|c: char| !c.is_ascii_uppercase() && c != '_') {
            if codes.contains(word) || (word.len() > 3 && word.contains('_')) {
                words.insert(word.to_owned());
            }
        }
    }
    words.into_iter().collect()
}

fn states_said(header: &Header<'_>) -> Vec<String> {
    let words = header.get("EVENTS").split([',', ' ']);
    let states = words.filter(|word| !word.is_empty() && *word != "-");
    let states: BTreeSet<&str> = states.collect();
    states.into_iter().map(str::to_owned).collect()
}

fn states_published(uses: &Uses) -> Vec<String> {
    if !uses.names.contains("publish") {
        return Vec::new();
    }
    let letters = LETTERS
        .iter()
        .filter(|(letter, _)| uses.strings.contains(*letter));
    let states: BTreeSet<&str> = letters.map(|(_, state)| *state).collect();
    states.into_iter().map(str::to_owned).collect()
}

/// Each `ARGV[n]` with a number must be listed under that number.
fn argument_problem(said: &str, text: &str, uses: &Uses) -> Option<String> {
    let numbers = text.split("ARGV[").skip(1).filter_map(|rest| {
        let (number, _) = rest.split_once(']')?;
        number.parse::<u32>().ok()
    });
    let listed: BTreeSet<u32> = said
        .split([' ', ','])
        .filter_map(|word| word.parse().ok())
        .collect();
    if (said == "-") == uses.names.contains("ARGV") {
        return Some(format!("ARGV of the header says `{said}`"));
    }
    let unlisted = numbers.into_iter().find(|number| !listed.contains(number));
    unlisted.map(|number| format!("ARGV[{number}] is not in the header"))
}

/// A script has a declaration of its name, and is called where scripts may be.
fn caller_problem(tree: &Tree, script: &File) -> Option<String> {
    let stem = stem(&script.path);
    let declarations = tree.get(DECLARATIONS).unwrap_or_default();
    if !declarations.contains(&format!("\"{stem}.lua\"")) {
        return Some(format!("{DECLARATIONS} does not declare it"));
    }
    let name = format!("lua::{}", stem.to_uppercase());
    let callers: Vec<&str> = tree
        .ending(".rs")
        .filter(|file| {
            let lines = file.lines_before_tests();
            lines.into_iter().any(|(_, line)| mentions(line, &name))
        })
        .map(|file| file.path.as_str())
        .collect();
    if callers.is_empty() {
        return Some(format!("no Rust file calls it: nothing says `{name}`"));
    }
    let is_allowed = |path: &str| CALLERS.iter().any(|start| path.starts_with(start));
    let other = callers.into_iter().find(|path| !is_allowed(path))?;
    Some(format!(
        "{other} calls it, but only {} may",
        CALLERS.join(", ")
    ))
}

fn mentions(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let after = line[at + name.len()..].chars().next();
        after.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '_')
    })
}

fn stem(path: &str) -> &str {
    path.trim_start_matches(FOLDER).trim_end_matches(".lua")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRELUDE_TEXT: &str = "local meta, waiting, active, events = unpack(KEYS)\n\
         local function publish(records)\n  call('XADD', events, '*', 'e', records)\nend\n";
    const TAKE: &str = "\
-- take: moves one job
-- KEYS     waiting active events
-- ARGV     1 id
-- RETURNS  nothing, or the word
--          LEASE_LOST
-- ERRORS   LEASE_LOST (somebody else has it)
-- EVENTS   active
-- COST     O(log n)
local id = ARGV[1]
if call('ZREM', waiting, id) == 0 then return 'LEASE_LOST' end
call('ZADD', active, 1, id)
publish('a' .. id)
";
    const DECLARATION: &str = "queue_script!(TAKE, \"take.lua\");";

    fn found(script: &str, files: &[(&str, &str)]) -> Vec<Problem> {
        let mut all = vec![
            ("src/lua/prelude.lua", PRELUDE_TEXT),
            ("src/lua/take.lua", script),
        ];
        all.extend(files);
        problems(&Tree::of(&all))
    }

    fn found_in(script: &str) -> Vec<Problem> {
        let caller = ("src/queue/take.rs", "Call::new(&lua::TAKE, keys)");
        found(script, &[(DECLARATIONS, DECLARATION), caller])
    }

    fn assert_one(script: &str, part: &str) {
        let found = found_in(script);
        assert!(found.len() == 1 && found[0].contains(part), "{found:?}");
    }

    #[test]
    fn a_script_that_keeps_its_word_is_accepted() {
        assert_eq!(found_in(TAKE), Vec::<Problem>::new());
    }

    #[test]
    fn a_key_that_the_header_lacks_is_found() {
        assert_one(
            &TAKE.replace("KEYS     waiting active", "KEYS     waiting"),
            "KEYS",
        );
        // Also where a function of the prelude touches it.
        assert_one(&TAKE.replace("active events", "active"), "KEYS");
    }

    #[test]
    fn a_key_that_the_script_does_not_touch_is_found() {
        assert_one(
            &TAKE.replace("KEYS     waiting", "KEYS     meta waiting"),
            "KEYS",
        );
    }

    #[test]
    fn an_error_word_on_one_side_only_is_found() {
        assert_one(
            &TAKE.replace("ERRORS   LEASE_LOST (somebody", "ERRORS   - (somebody"),
            "ERRORS",
        );
        assert_one(&TAKE.replace("return 'LEASE_LOST'", "return 0"), "ERRORS");
        assert_one(
            &TAKE.replace("return 'LEASE_LOST'", "return 'QUEUE_FULL'"),
            "ERRORS",
        );
    }

    #[test]
    fn an_event_on_one_side_only_is_found() {
        assert_one(
            &TAKE.replace("EVENTS   active", "EVENTS   active, failed"),
            "EVENTS",
        );
        assert_one(&TAKE.replace("publish('a'", "publish('w'"), "EVENTS");
    }

    #[test]
    fn an_argument_that_the_header_lacks_is_found() {
        assert_one(&TAKE.replace("1, id)\n", "ARGV[2], id)\n"), "ARGV[2]");
        assert_one(&TAKE.replace("ARGV     1 id", "ARGV     -"), "ARGV");
    }

    #[test]
    fn a_header_without_a_field_or_out_of_order_is_found() {
        assert_one(&TAKE.replace("-- COST     O(log n)\n", ""), "in this order");
        assert_one(&TAKE.replace("-- COST     O(log n)\n", "-- COST\n"), "COST");
        assert_one(&TAKE.replace("-- take:", "-- grab:"), "does not begin");
    }

    #[test]
    fn a_script_binds_its_own_keys_where_it_stands_alone() {
        let alone = TAKE.replace(
            "local id =",
            "local waiting, active, events = KEYS[1], KEYS[2], KEYS[3]\nlocal id =",
        );
        assert_eq!(found_in(&alone), Vec::<Problem>::new());
        assert_one(
            &alone.replace("waiting active events\n", "waiting active\n"),
            "KEYS",
        );
    }

    #[test]
    fn a_script_that_nobody_calls_or_declares_is_found() {
        let caller = ("src/queue/take.rs", "Call::new(&lua::TAKE, keys)");
        let undeclared = found(TAKE, &[caller]);
        assert!(undeclared[0].contains("does not declare"), "{undeclared:?}");
        let uncalled = found(TAKE, &[(DECLARATIONS, DECLARATION)]);
        assert!(uncalled[0].contains("no Rust file"), "{uncalled:?}");
        let wrong = ("server/src/rest.rs", "lua::TAKE");
        let misplaced = found(TAKE, &[(DECLARATIONS, DECLARATION), wrong]);
        assert!(misplaced[0].contains("server/src/rest.rs"), "{misplaced:?}");
    }

    #[test]
    fn a_script_that_is_too_long_is_found() {
        let long = format!("{TAKE}{}", "call('PING')\n".repeat(MOST_LINES));
        assert_one(&long, "at most 80");
    }
}
