//! What may come next in a filter that is being typed. Pure.

use jobflow::{FilterField, JobState};

/// More than this is no help.
const MOST: usize = 8;

/// Something that can stand at the end of the text instead of its last word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Suggestion {
    /// The whole text with it.
    pub(crate) text: String,
    /// The part that is new.
    pub(crate) label: String,
}

/// Values that are known besides the states.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Known {
    pub(crate) queues: Vec<String>,
    pub(crate) kinds: Vec<String>,
}

/// Suggestions for the end of `text`.
pub(crate) fn suggestions(text: &str, known: &Known) -> Vec<Suggestion> {
    let begin = text.rfind([' ', '(', '\t', '\n']).map_or(0, |at| at + 1);
    let (before, word) = text.split_at(begin);
    let (not, word) = match word.strip_prefix('-') {
        Some(word) => ("-", word),
        None => ("", word),
    };
    let operator = word.find(['=', ':', '<', '>', '!']);
    let (field, value) = match operator {
        Some(at) => (
            &word[..at],
            word[at..].trim_start_matches(['=', ':', '<', '>', '!']),
        ),
        None => match value_of(before) {
            Some(field) => (field, word),
            None => return fields(before, not, word),
        },
    };
    let keep = &text[..text.len() - value.len()];
    let values = match FilterField::ALL.iter().find(|known| known.name() == field) {
        Some(FilterField::State) => JobState::ALL
            .iter()
            .map(|state| state.to_string())
            .collect(),
        Some(FilterField::Queue) => known.queues.clone(),
        Some(FilterField::Kind) => known.kinds.clone(),
        Some(FilterField::Priority) => (0..10).map(|band: u8| band.to_string()).collect(),
        _ => Vec::new(),
    };
    pick(values.into_iter(), value, |choice| Suggestion {
        text: format!("{keep}{choice} "),
        label: choice,
    })
}

/// The field whose value is to come, when the text ends with `field operator `.
fn value_of(before: &str) -> Option<&str> {
    let trimmed = before.trim_end();
    let field = trimmed.trim_end_matches(['=', ':', '<', '>', '!']);
    if field.len() == trimmed.len() {
        return None;
    }
    field
        .split_whitespace()
        .last()
        .map(|field| field.trim_start_matches(['(', '-']))
}

fn fields(before: &str, not: &str, word: &str) -> Vec<Suggestion> {
    let names = FilterField::ALL.iter().map(|field| {
        let operator = match field {
            FilterField::Tags => ":",
            FilterField::CreateTime | FilterField::FinishTime => " > ",
            _ => " = ",
        };
        format!("{}{operator}", field.name())
    });
    pick(names, word, |choice| Suggestion {
        text: format!("{before}{not}{choice}"),
        label: choice.trim_end().to_owned(),
    })
}

fn pick(
    choices: impl Iterator<Item = String>,
    begun: &str,
    make: impl Fn(String) -> Suggestion,
) -> Vec<Suggestion> {
    let fit = choices.filter(|choice| choice.starts_with(begun) && choice.trim_end() != begun);
    fit.take(MOST).map(make).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        let known = Known {
            queues: vec!["mail".into(), "media".into(), "images".into()],
            kinds: vec!["send".into()],
        };
        let found = suggestions(text, &known).into_iter();
        found.map(|suggestion| suggestion.text).collect()
    }

    #[test]
    fn fields_come_first_and_then_their_values() {
        assert_eq!(texts("qu"), ["queue = "]);
        assert_eq!(texts("queue = m"), ["queue = mail ", "queue = media "]);
        assert_eq!(texts("queue=im"), ["queue=images "]);
        assert_eq!(texts("state = fa"), ["state = failed "]);
        assert_eq!(texts("(a = b) AND -ta"), ["(a = b) AND -tags:"]);
        assert_eq!(texts("kind = send (sta"), ["kind = send (state = "]);
        assert_eq!(texts("(kind = "), ["(kind = send "]);
        assert_eq!(texts("worker = x"), Vec::<String>::new());
        assert_eq!(texts("").len(), MOST);
    }

    #[test]
    fn what_is_there_already_is_not_suggested() {
        assert_eq!(texts("queue = mail"), Vec::<String>::new());
        assert_eq!(texts("ä€"), Vec::<String>::new());
    }
}
