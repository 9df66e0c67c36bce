//! Which jobs are picked, and what can be done with them.

use std::{collections::BTreeSet, rc::Rc};

use jobflow::proto::BulkAction;
use yew::{Callback, Html, Properties, function_component, html, use_state};

use crate::{
    api::Target,
    components::{
        bulk::{BulkDialog, title},
        sign_in::Rights,
    },
    format,
    route::JobsView,
};

/// As many as a bulk operation takes by id.
pub(crate) const MOST: usize = 1_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection {
    /// Of those listed; the default is none.
    Some(Rc<BTreeSet<String>>),
    /// All that match, listed or not.
    All,
}

impl Default for Selection {
    fn default() -> Self {
        Self::Some(Rc::default())
    }
}

impl Selection {
    pub(crate) fn has(&self, id: &str) -> bool {
        match self {
            Self::Some(ids) => ids.contains(id),
            Self::All => true,
        }
    }

    /// With this job, or without it if it was picked.
    pub(crate) fn toggled(&self, id: &str) -> Self {
        let mut ids = match self {
            Self::Some(ids) => (**ids).clone(),
            Self::All => BTreeSet::new(),
        };
        if !ids.remove(id) && ids.len() < MOST {
            ids.insert(id.to_owned());
        }
        Self::Some(Rc::new(ids))
    }
}

#[derive(Debug, PartialEq, Properties)]
pub(crate) struct SelectionBarProps {
    pub(crate) selection: Selection,
    pub(crate) view: JobsView,
    pub(crate) select: Callback<Selection>,
    /// Something was started: what is listed is to be read anew.
    pub(crate) done: Callback<()>,
}

const ACTIONS: [BulkAction; 4] = [
    BulkAction::Retry,
    BulkAction::Promote,
    BulkAction::Cancel,
    BulkAction::Delete,
];

#[function_component]
pub(crate) fn SelectionBar(props: &SelectionBarProps) -> Html {
    let asking = use_state(|| None::<BulkAction>);
    let target = match &props.selection {
        Selection::Some(ids) => Target::Ids(ids.iter().cloned().collect()),
        Selection::All => Target::Filter(props.view.whole_filter().into()),
    };
    let close = {
        let asking = asking.clone();
        Callback::from(move |()| asking.set(None))
    };
    let started = {
        let (asking, done, select) = (asking.clone(), props.done.clone(), props.select.clone());
        Callback::from(move |()| {
            asking.set(None);
            select.emit(Selection::default());
            done.emit(());
        })
    };
    html! {
        <div class="selection" role="region" aria-label="Selection" data-testid="selection">
            <b role="status">{match &props.selection {
                Selection::Some(ids) => format!("{} selected", format::plural(ids.len() as u64, "job")),
                Selection::All => "All matching jobs selected".to_owned(),
            }}</b>
            if props.selection != Selection::All {
                <button type="button" class="button" data-testid="select-all" onclick={props.select.reform(|_| Selection::All)}>
                    {"Select all that match"}
                </button>
            }
            <button type="button" class="button" onclick={props.select.reform(|_| Selection::default())}>{"Clear"}</button>
            <span class="controls"><Rights>
                {for ACTIONS.iter().map(|action| {
                    let (asking, action) = (asking.clone(), *action);
                    let danger = matches!(action, BulkAction::Delete | BulkAction::Cancel);
                    html! {
                        <button type="button" class={if danger { "button danger-text" } else { "button" }}
                            data-testid={format!("bulk-{}", title(action).to_lowercase())}
                            onclick={Callback::from(move |_| asking.set(Some(action)))}>
                            {title(action)}{"…"}
                        </button>
                    }
                })}</Rights>
            </span>
            if let Some(action) = *asking {
                <BulkDialog {action} {target} on_close={close} on_started={started} />
            }
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_picked_and_put_back() {
        let none = Selection::default();
        let one = none.toggled("a");
        assert!(one.has("a") && !one.has("b"));
        assert_eq!(one.toggled("a"), none);
        assert!(Selection::All.has("x"));
        assert_eq!(Selection::All.toggled("x"), none.toggled("x"));
    }

    #[test]
    fn no_more_are_picked_than_an_operation_takes() {
        let mut many = Selection::default();
        for n in 0..=MOST {
            many = many.toggled(&n.to_string());
        }
        assert!(!many.has(&MOST.to_string()));
    }
}
