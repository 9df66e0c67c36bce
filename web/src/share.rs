//! One stream of numbers for all tabs of a browser that are in sight.
//!
//! A browser opens six connections to a server that speaks HTTP/1.1, and each
//! stream holds one. So a tab leads, which is to say that it has the stream and
//! passes on what comes, until it hears of a tab that began earlier; then it
//! listens, until that one leaves or falls silent.

use std::{cell::RefCell, rc::Rc};

use futures_util::future::{Either, select};
use gloo_timers::{callback::Interval, future::TimeoutFuture};
use yew::{AttrValue, Callback};

use crate::{
    api::{Api, Metrics},
    browser,
    channel::{self, Ear, Rank, Said, Voice},
    follow::{self, Work},
    format::whole,
    link::{self, News},
    model::Snapshot,
    store::{Event, Refusal},
};

/// How often a leader says that it is there.
const BEAT_MS: u32 = 500;
/// Silence that means that a leader is gone: its numbers are not yet old then.
const SILENCE_MS: u64 = 2_000;
/// Left to chance before the next leads, so that not all begin at once.
const CHANCE_MS: f64 = 150.0;

/// Runs until the task is dropped, which also ends the stream.
pub(crate) fn start(emit: Callback<Event>) -> Work {
    follow::spawn(async move {
        let page = Page::new(emit);
        let Some((voice, mut ear)) = channel::open(&name()) else {
            let refusal = link::keep(&|news| page.tell(news)).await;
            return page.emit.emit(Event::Refused(refusal));
        };
        let voice = Rc::new(voice);
        loop {
            match lead(&page, &voice, &mut ear).await {
                Led::Refused(refusal) => return page.emit.emit(Event::Refused(refusal)),
                Led::Yielded(leader) => listen(&page, leader, &mut ear).await,
            }
        }
    })
}

/// Tabs with another token see other numbers. The name says nothing of it: all
/// that can read it can read the token as well.
fn name() -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    browser::token().hash(&mut hasher);
    format!("jobflow-numbers-1-{:016x}", hasher.finish())
}

/// How it ended that a tab led.
enum Led {
    /// The server wants a token, or another one.
    Refused(Refusal),
    /// There is an older leader.
    Yielded(Rank),
}

/// Has the stream, and passes on what comes.
async fn lead(page: &Page, voice: &Rc<Voice>, ear: &mut Ear) -> Led {
    let leader = Leader::begin(voice);
    let tell = |news| {
        leader.pass_on(&news);
        page.tell(news);
    };
    let stream = link::keep(&tell);
    let older = async {
        loop {
            let heard = ear.next().await;
            match heard.said {
                // A younger one; it follows that there is none of it any more.
                Said::Leaves => {}
                _ if heard.from < leader.rank => return heard.from,
                _ => leader.repeat(),
            }
        }
    };
    match select(std::pin::pin!(stream), std::pin::pin!(older)).await {
        Either::Left((refusal, _)) => Led::Refused(refusal),
        Either::Right((rank, _)) => Led::Yielded(rank),
    }
}

/// A tab that leads; the others hear it when it ends.
struct Leader {
    voice: Rc<Voice>,
    rank: Rank,
    last: RefCell<Said>,
    _beats: Interval,
}

impl Leader {
    fn begin(voice: &Rc<Voice>) -> Self {
        let rank = Rank::now();
        let beats = {
            let voice = Rc::clone(voice);
            Interval::new(BEAT_MS, move || voice.say(rank, &Said::Leads))
        };
        let leader = Self {
            voice: Rc::clone(voice),
            rank,
            last: RefCell::new(Said::Leads),
            _beats: beats,
        };
        leader.repeat();
        leader
    }

    fn pass_on(&self, news: &News) {
        *self.last.borrow_mut() = match news {
            News::Came(_, message) => Said::Numbers(message.clone()),
            News::Broke(reason) => Said::Lost(reason.to_string()),
        };
        self.repeat();
    }

    /// What was said last, for one who was not there.
    fn repeat(&self) {
        self.voice.say(self.rank, &self.last.borrow());
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.voice.say(self.rank, &Said::Leaves);
    }
}

/// Takes what a leader passes on, until there is none any more.
async fn listen(page: &Page, mut leader: Rank, ear: &mut Ear) {
    let mut heard_at = browser::now();
    loop {
        let left = SILENCE_MS.saturating_sub(browser::now().saturating_sub(heard_at));
        let silence = TimeoutFuture::new(u32::try_from(left).unwrap_or(0));
        let heard = match select(std::pin::pin!(ear.next()), silence).await {
            Either::Left((heard, _)) => heard,
            Either::Right(((), _)) => break,
        };
        if heard.from > leader {
            // It will hear of the older one as well.
            continue;
        }
        if heard.said == Said::Leaves {
            if heard.from == leader {
                break;
            }
            continue;
        }
        leader = heard.from;
        heard_at = browser::now();
        match heard.said {
            Said::Numbers(message) => match Metrics::read(message) {
                Ok(snapshot) => page.came(Box::new(snapshot)),
                Err(problem) => page.lost(problem.message),
            },
            Said::Lost(reason) => page.lost(reason.into()),
            Said::Leads | Said::Leaves => {}
        }
    }
    TimeoutFuture::new(u32::try_from(whole(browser::random() * CHANCE_MS)).unwrap_or(0)).await;
}

/// The page of this tab.
struct Page {
    emit: Callback<Event>,
    /// What is asked beside the stream, since the server has been there.
    introduction: RefCell<Option<(Work, Option<Work>)>>,
}

impl Page {
    fn new(emit: Callback<Event>) -> Self {
        Self {
            emit,
            introduction: RefCell::default(),
        }
    }

    fn tell(&self, news: News) {
        match news {
            News::Came(snapshot, _) => self.came(snapshot),
            News::Broke(reason) => self.lost(reason),
        }
    }

    fn came(&self, snapshot: Box<Snapshot>) {
        let time = snapshot.time;
        self.emit.emit(Event::Received(snapshot));
        let mut introduction = self.introduction.borrow_mut();
        introduction.get_or_insert_with(|| {
            let memory = time.map(|time| remember(self.emit.clone(), time));
            (introduce(self.emit.clone()), memory)
        });
    }

    fn lost(&self, reason: AttrValue) {
        self.emit.emit(Event::Lost(reason));
        *self.introduction.borrow_mut() = None;
    }
}

/// Asks what happened while nobody looked.
fn remember(emit: Callback<Event>, now: u64) -> Work {
    follow::spawn(async move {
        // Without it the line begins where this tab began to look.
        if let Ok(seconds) = Api::last_seconds(now).await {
            emit.emit(Event::Remembered(seconds));
        }
    })
}

/// Who the server is: the numbers do not wait for its name.
fn introduce(emit: Callback<Event>) -> Work {
    follow::spawn(async move {
        // The name is an ornament: without it the page is complete.
        if let Ok(server) = Api::server_info().await {
            emit.emit(Event::Introduced(server));
        }
        // A server that was restarted may have brought another page.
        if let Some(outdated) = browser::is_outdated().await {
            emit.emit(Event::Compared { outdated });
        }
    })
}
