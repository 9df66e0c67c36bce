//! What a filter needs to be read, and what it says of where jobs are.

use crate::job::{JobId, QueueName};
use crate::state::JobState;

use super::Filter;
use super::eval::Expr;
use super::lexer::Op;
use super::term::{Field, Operand, Term};

impl Filter {
    /// The fields that it looks at.
    pub fn fields(&self) -> impl Iterator<Item = Field> {
        let terms = self.0.terms();
        terms.into_iter().map(|term| term.field)
    }

    /// Whether it can mean a job in this place, as far as queue and state tell:
    /// `None` when that takes more of the job.
    #[must_use]
    pub fn means_place(&self, queue: &QueueName, state: JobState) -> Option<bool> {
        self.0.eval(&|term| term.of_place(queue, state))
    }

    /// Whether any job of the queue can be meant.
    #[must_use]
    pub fn may_mean_queue(&self, queue: &QueueName) -> bool {
        let possible = |state| self.means_place(queue, state) != Some(false);
        JobState::ALL.into_iter().any(possible)
    }

    /// The one state that it leaves, if it is one, whatever the queue.
    #[must_use]
    pub fn only_state(&self) -> Option<JobState> {
        let possible = |state: &JobState| {
            let known = |term: &Term| match term.field {
                Field::Queue => None,
                _ => term.of_place(&QueueName::default(), *state),
            };
            self.0.eval(&known) != Some(false)
        };
        let mut states = JobState::ALL.into_iter().filter(possible);
        states.next().filter(|_| states.next().is_none())
    }

    /// The ids of which it leaves some at the most; `None` when it names none.
    #[must_use]
    pub fn only_ids(&self) -> Option<Vec<JobId>> {
        self.parts().iter().find_map(|part| {
            let mut ids = match part {
                Expr::Or(choices) => choices.iter().map(id_of).collect(),
                other => id_of(other).map(|id| vec![id]),
            }?;
            ids.sort_unstable();
            ids.dedup();
            Some(ids)
        })
    }

    /// A tag that each job it means must have.
    #[must_use]
    pub fn needed_tag(&self) -> Option<&str> {
        self.parts().iter().find_map(|part| match part {
            Expr::Term(Term {
                field: Field::Tags,
                operand: Operand::Text(tag),
                ..
            }) => Some(tag.as_str()),
            _ => None,
        })
    }

    /// What must all hold.
    fn parts(&self) -> &[Expr] {
        match &self.0 {
            Expr::And(parts) => parts,
            other => std::slice::from_ref(other),
        }
    }
}

fn id_of(part: &Expr) -> Option<JobId> {
    match part {
        Expr::Term(Term {
            op: Op::Equal,
            operand: Operand::Id(id),
            ..
        }) => Some(*id),
        _ => None,
    }
}
