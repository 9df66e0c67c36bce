//! Answers of the server as a component holds them.

use std::rc::Rc;

use yew::{Reducible, UseReducerHandle, hook, use_effect_with, use_reducer};

use crate::{
    api::{Answered, Problem},
    browser, follow,
};

/// What is known of a question: the last answer stays while it is asked anew.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer<T> {
    pub(crate) value: Option<Rc<T>>,
    pub(crate) problem: Option<Problem>,
    pub(crate) loading: bool,
    /// When the value came, by the clock of this machine.
    pub(crate) at: u64,
}

impl<T> Default for Answer<T> {
    fn default() -> Self {
        Self {
            value: None,
            problem: None,
            loading: true,
            at: 0,
        }
    }
}

/// What happens to an answer.
#[derive(Debug)]
pub(crate) enum Asked<T> {
    /// It is asked again, of the same thing or of another.
    Again {
        same: bool,
    },
    Answered(Answered<T>),
}

impl<T> Reducible for Answer<T> {
    type Action = Asked<T>;

    fn reduce(self: Rc<Self>, action: Asked<T>) -> Rc<Self> {
        let value = self.value.clone();
        Rc::new(match action {
            Asked::Again { same } => Self {
                value: value.filter(|_| same),
                problem: self.problem.clone().filter(|_| same),
                loading: true,
                at: self.at,
            },
            Asked::Answered(Ok(value)) => Self {
                value: Some(Rc::new(value)),
                problem: None,
                loading: false,
                at: browser::now(),
            },
            Asked::Answered(Err(problem)) => Self {
                value,
                problem: Some(problem),
                loading: false,
                at: self.at,
            },
        })
    }
}

/// Asks whenever the question is another, or `turn` has moved on; a late
/// answer to an earlier question is dropped.
#[hook]
pub(crate) fn use_answer<Q, T, F>(
    question: Q,
    turn: u64,
    ask: impl FnOnce(Q) -> F + 'static,
) -> UseReducerHandle<Answer<T>>
where
    Q: PartialEq + Clone + 'static,
    T: 'static,
    F: Future<Output = Answered<T>> + 'static,
{
    let answer = use_reducer(Answer::<T>::default);
    let asked = yew::use_mut_ref(|| None::<Q>);
    let dispatcher = answer.dispatcher();
    use_effect_with((question, turn), move |(question, _)| {
        let same = asked.borrow().as_ref() == Some(question);
        *asked.borrow_mut() = Some(question.clone());
        dispatcher.dispatch(Asked::Again { same });
        let asking = ask(question.clone());
        let task = follow::spawn(async move {
            dispatcher.dispatch(Asked::Answered(asking.await));
        });
        move || drop(task)
    });
    answer
}
