//! Reads jobs page by page.

use std::{collections::BTreeSet, ops::Range, rc::Rc};

use jobflow::{Filter, proto::Job};
use yew::{
    Callback, Reducible, UseReducerDispatcher, UseReducerHandle, hook, use_callback,
    use_effect_with, use_mut_ref, use_reducer,
};

use crate::{
    api::{Api, Page, Problem},
    browser,
    follow::{self, Work},
    route::JobsView,
};

/// Jobs of one call.
const PAGE: i32 = 200;
/// A page looks at a bounded number of jobs, so it may find none: so many are
/// read on before what was found is shown.
const EMPTY_PAGES: usize = 20;
/// Rows that are kept: more than anybody scrolls through.
const MOST: usize = 200_000;

/// Jobs in their order, page by page, so that one more page moves none of those
/// before. The same only where they are this very list: to compare a hundred
/// thousand takes longer than to draw those in sight.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    pages: Rc<Vec<Rc<[Rc<Job>]>>>,
    len: usize,
}

impl PartialEq for Rows {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.pages, &other.pages)
    }
}

impl Rows {
    fn of(jobs: Vec<Job>) -> Self {
        Self::default().with(jobs)
    }

    fn with(&self, jobs: Vec<Job>) -> Self {
        let room = MOST.saturating_sub(self.len);
        let more: Rc<[_]> = jobs.into_iter().take(room).map(Rc::new).collect();
        let len = self.len + more.len();
        let pages = self.pages.iter().cloned().chain([more]).collect();
        Self {
            pages: Rc::new(pages),
            len,
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Rc<Job>> {
        self.within(0..self.len)
    }

    /// The rows of a window.
    pub(crate) fn within(&self, window: Range<usize>) -> impl Iterator<Item = &Rc<Job>> {
        let mut next = 0;
        self.pages.iter().flat_map(move |page| {
            let first = next;
            next += page.len();
            let place = |row: usize| row.saturating_sub(first).min(page.len());
            &page[place(window.start)..place(window.end)]
        })
    }
}

/// What has been read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Listing {
    pub(crate) rows: Rows,
    /// Leads on; `None` when all has been read.
    pub(crate) next: Option<String>,
    pub(crate) pages: usize,
    pub(crate) loading: bool,
    pub(crate) problem: Option<Problem>,
    /// Partitions of which it lacks the jobs.
    pub(crate) unreachable: BTreeSet<String>,
    /// When the first page came, by the clock of this machine.
    pub(crate) at: u64,
    /// How often somebody asked for other jobs.
    pub(crate) asked: u64,
}

impl Default for Listing {
    fn default() -> Self {
        Self {
            rows: Rows::default(),
            next: None,
            pages: 0,
            loading: true,
            problem: None,
            unreachable: BTreeSet::new(),
            at: 0,
            asked: 0,
        }
    }
}

impl Listing {
    /// Whether there is more, room for it, and nothing that keeps it away.
    pub(crate) fn leads_on(&self) -> bool {
        self.next.is_some() && !self.is_full() && self.problem.is_none()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.rows.len() >= MOST
    }

    /// The kinds in sight, for suggestions.
    pub(crate) fn kinds(&self) -> Vec<String> {
        const LOOKED_AT: usize = 500;
        let kinds: BTreeSet<_> = self
            .rows
            .iter()
            .take(LOOKED_AT)
            .map(|job| &job.kind)
            .collect();
        kinds.into_iter().cloned().collect()
    }
}

/// What happens to a listing.
#[derive(Debug)]
pub(crate) enum Read {
    /// Jobs of another view.
    Other,
    Going,
    /// The first page, and when it came.
    First(Page, u64),
    More(Page),
    Failed(Problem),
}

impl Reducible for Listing {
    type Action = Read;

    fn reduce(self: Rc<Self>, read: Read) -> Rc<Self> {
        let mut listing = (*self).clone();
        match read {
            Read::Other => {
                let asked = listing.asked + 1;
                listing = Self {
                    asked,
                    ..Self::default()
                };
            }
            Read::Going => listing.loading = true,
            Read::First(page, now) => {
                // The reader finds each job where it was, unless it has changed.
                listing.rows = Rows::of(page.jobs);
                listing.unreachable = page.unreachable.into_iter().collect();
                listing.next = Some(page.next).filter(|next| !next.is_empty());
                listing.pages = 1;
                listing.loading = false;
                listing.problem = None;
                listing.at = now;
            }
            Read::More(page) => {
                listing.rows = listing.rows.with(page.jobs);
                listing.unreachable.extend(page.unreachable);
                listing.next = Some(page.next).filter(|next| !next.is_empty());
                listing.pages += 1;
                listing.loading = false;
                listing.problem = None;
            }
            Read::Failed(problem) => {
                listing.loading = false;
                listing.problem = Some(problem);
            }
        }
        Rc::new(listing)
    }
}

/// The jobs of a view, read anew with every turn, and a way to read on.
#[hook]
pub(crate) fn use_listing(view: JobsView, turn: u64) -> (UseReducerHandle<Listing>, Callback<()>) {
    let listing = use_reducer(Listing::default);
    let task = use_mut_ref(|| None::<Work>);
    let shown = use_mut_ref(|| None::<JobsView>);
    {
        let dispatcher = listing.dispatcher();
        let task = Rc::clone(&task);
        use_effect_with((view.clone(), turn), move |(view, _)| {
            if shown.borrow().as_ref() != Some(view) {
                *shown.borrow_mut() = Some(view.clone());
                dispatcher.dispatch(Read::Other);
            }
            let first = |page| Read::First(page, browser::now());
            let reading = read(view.clone(), String::new(), dispatcher, first);
            *task.borrow_mut() = Some(follow::spawn(reading));
        });
    }
    let token = listing.next.clone().filter(|_| !listing.loading);
    let dispatcher = listing.dispatcher();
    let more = use_callback((view, token), move |(), (view, token)| {
        let Some(token) = token.clone() else {
            return;
        };
        dispatcher.dispatch(Read::Going);
        let reading = read(view.clone(), token, dispatcher.clone(), Read::More);
        *task.borrow_mut() = Some(follow::spawn(reading));
    });
    (listing, more)
}

/// Reads a page that has jobs, or the last one.
async fn read(
    view: JobsView,
    mut token: String,
    dispatcher: UseReducerDispatcher<Listing>,
    then: fn(Page) -> Read,
) {
    let filter = view.whole_filter();
    // The same code as in the server says it at once.
    if let Err(problem) = check(&view.filter) {
        dispatcher.dispatch(Read::Failed(problem));
        return;
    }
    let mut unreachable = Vec::new();
    for _ in 0..EMPTY_PAGES {
        let listed = Api::list_jobs(filter.clone(), view.order().into(), PAGE, token).await;
        match listed {
            Ok(page) if page.jobs.is_empty() && !page.next.is_empty() => {
                token = page.next;
                unreachable.extend(page.unreachable);
            }
            Ok(mut page) => {
                page.unreachable.extend(unreachable);
                return dispatcher.dispatch(then(page));
            }
            Err(problem) => return dispatcher.dispatch(Read::Failed(problem)),
        }
    }
    let page = Page {
        jobs: Vec::new(),
        next: token,
        unreachable,
    };
    dispatcher.dispatch(then(page));
}

/// What is wrong with a filter, and where.
pub(super) fn check(filter: &str) -> Result<(), Problem> {
    match Filter::parse(filter) {
        Ok(_) => Ok(()),
        Err(error) => {
            let position = match &error {
                jobflow::Error::InvalidFilter { position, .. } => Some(*position),
                _ => None,
            };
            Err(Problem {
                reason: error.code().as_str().into(),
                message: error.to_string().into(),
                position,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(jobs: usize) -> Page {
        Page {
            jobs: vec![Job::default(); jobs],
            next: "on".to_owned(),
            unreachable: vec![format!("mail/{jobs}")],
        }
    }

    #[test]
    fn pages_come_one_behind_the_other_and_end_at_the_limit() {
        let listing = Rc::new(Listing::default()).reduce(Read::First(page(3), 0));
        let listing = listing.reduce(Read::More(page(2)));
        assert_eq!((listing.rows.len(), listing.leads_on()), (5, true));
        assert_eq!(listing.unreachable.len(), 2);
        let listing = listing.reduce(Read::More(page(MOST)));
        assert_eq!((listing.rows.len(), listing.leads_on()), (MOST, false));
    }

    #[test]
    fn what_was_read_before_is_not_read_again_nor_compared() {
        let listing = Rc::new(Listing::default()).reduce(Read::First(page(1), 0));
        let longer = listing.clone().reduce(Read::More(page(1)));
        let first = |listing: &Listing| listing.rows.iter().next().cloned();
        let (before, after) = (first(&listing), first(&longer));
        assert!(before.zip(after).is_some_and(|(a, b)| Rc::ptr_eq(&a, &b)));
        assert_eq!(listing.rows, listing.rows.clone());
        assert_ne!(listing.rows, longer.rows);
    }

    #[test]
    fn a_window_goes_over_the_edges_of_pages() {
        let jobs = |ids: Range<usize>| {
            let job = |id: usize| Job {
                id: id.to_string(),
                ..Job::default()
            };
            ids.map(job).collect()
        };
        let rows = Rows::of(jobs(0..3)).with(Vec::new()).with(jobs(3..7));
        for begin in 0..=7 {
            for end in begin..=9 {
                let seen: Vec<_> = rows.within(begin..end).map(|job| job.id.clone()).collect();
                let ids = (begin..end.min(7)).map(|id| id.to_string());
                assert_eq!(seen, ids.collect::<Vec<_>>());
            }
        }
        assert_eq!((rows.len(), rows.iter().count()), (7, 7));
    }
}
