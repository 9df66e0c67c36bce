//! What a key means. Pure: keys in, meanings out.

use crate::place::Place;

/// The sheet that `?` shows: keys and what they do.
pub(crate) const SHEET: [(&str, &[(&str, &str)]); 3] = [
    (
        "Everywhere",
        &[
            ("?", "this sheet"),
            ("/", "to the filter"),
            ("t", "the next theme"),
            ("Esc", "close what is open"),
        ],
    ),
    (
        "Go to",
        &[
            ("g o", "Overview"),
            ("g j", "Jobs"),
            ("g q", "Queues"),
            ("g d", "Dead letters"),
            ("g w", "Workers"),
            ("g e", "Events"),
            ("g a", "Audit"),
            ("g s", "Settings"),
        ],
    ),
    (
        "In a list",
        &[
            ("j", "the next row"),
            ("k", "the row before"),
            ("x", "select the row"),
            ("Enter", "open it"),
        ],
    ),
];

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shortcut {
    Help,
    Filter,
    Theme,
    Go(Place),
    Next,
    Previous,
    Select,
}

/// Keys may come in pairs, so the one before counts.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    going: bool,
}

impl Keys {
    /// What this key means after those before it.
    pub(crate) fn press(&mut self, key: &str) -> Option<Shortcut> {
        if std::mem::take(&mut self.going) {
            let place = Place::ALL.into_iter().find(|place| place.key() == key);
            return place.map(Shortcut::Go);
        }
        self.going = key == "g";
        match key {
            "?" => Some(Shortcut::Help),
            "/" => Some(Shortcut::Filter),
            "t" => Some(Shortcut::Theme),
            "j" => Some(Shortcut::Next),
            "k" => Some(Shortcut::Previous),
            "x" => Some(Shortcut::Select),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_after_g_goes_somewhere_and_alone_does_something() {
        let mut keys = Keys::default();
        assert_eq!(keys.press("j"), Some(Shortcut::Next));
        assert_eq!(keys.press("g"), None);
        assert_eq!(keys.press("j"), Some(Shortcut::Go(Place::Jobs)));
        assert_eq!(keys.press("g"), None);
        assert_eq!(keys.press("?"), None, "no page is called so");
        assert_eq!(keys.press("?"), Some(Shortcut::Help));
    }

    #[test]
    fn every_key_of_the_sheet_means_something() {
        for (_, rows) in SHEET {
            for (keys, what) in rows {
                if ["Esc", "Enter"].contains(keys) {
                    continue; // The browser's own.
                }
                let mut state = Keys::default();
                let last = keys.split(' ').map(|key| state.press(key)).last();
                assert!(last.flatten().is_some(), "{keys}: {what}");
            }
        }
    }
}
