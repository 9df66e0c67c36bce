//! What the page has to say once: done, or not done and why.

use std::rc::Rc;

use gloo_timers::callback::Timeout;
use yew::{
    Callback, Html, Properties, Reducible, classes, function_component, html, use_effect_with,
};

use crate::session::Notice;

/// Long enough to read two lines.
const SHOWN_MS: u32 = 7_000;
/// Older ones make way.
const MOST: usize = 4;

/// The notices in sight, each with a number of its own.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Notices {
    shown: Vec<(u64, Notice)>,
    next: u64,
}

/// What happens to notices.
#[derive(Debug)]
pub(crate) enum Change {
    Say(Notice),
    PutAway(u64),
}

impl Reducible for Notices {
    type Action = Change;

    fn reduce(self: Rc<Self>, change: Change) -> Rc<Self> {
        let mut shown = self.shown.clone();
        let mut next = self.next;
        match change {
            Change::Say(notice) => {
                shown.push((next, notice));
                next += 1;
                if shown.len() > MOST {
                    shown.remove(0);
                }
            }
            Change::PutAway(number) => shown.retain(|(other, _)| *other != number),
        }
        Rc::new(Self { shown, next })
    }
}

#[derive(Debug, Properties, PartialEq)]
pub(crate) struct NoticesProps {
    pub(crate) notices: Rc<Notices>,
    pub(crate) put_away: Callback<u64>,
}

#[function_component]
pub(crate) fn NoticeList(props: &NoticesProps) -> Html {
    html! {
        <ol class="notices" aria-live="polite" aria-label="Notices">
            {for props.notices.shown.iter().map(|(number, notice)| html! {
                <One key={*number} number={*number} notice={notice.clone()} put_away={props.put_away.clone()} />
            })}
        </ol>
    }
}

#[derive(Debug, Properties, PartialEq)]
struct OneProps {
    number: u64,
    notice: Notice,
    put_away: Callback<u64>,
}

#[function_component]
fn One(props: &OneProps) -> Html {
    let number = props.number;
    {
        let put_away = props.put_away.clone();
        let failed = props.notice.failed;
        use_effect_with((), move |()| {
            let timer = (!failed).then(|| Timeout::new(SHOWN_MS, move || put_away.emit(number)));
            move || drop(timer)
        });
    }
    let notice = &props.notice;
    let kind = if notice.failed { "failed" } else { "done" };
    html! {
        <li class={classes!("notice", kind)} data-testid="notice" data-kind={kind}>
            <span>{&notice.text}</span>
            <button type="button" class="button quiet" aria-label="Put this notice away" onclick={props.put_away.reform(move |_| number)}>{"✕"}</button>
        </li>
    }
}
