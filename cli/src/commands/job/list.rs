use std::cell::RefCell;
use std::collections::BTreeSet;

use jobflow::proto::{self, ListJobsRequest};

use crate::args::{Listing, Refresh};
use crate::client::Client;
use crate::commands::paging::{self, Page};
use crate::commands::watching::{self, MOST};
use crate::error::{Error, Result};
use crate::output::Output;
use crate::view::Item;

/// The most that a server puts on one page.
const PAGE: i32 = 500;

/// Lists jobs, each in the form in which it is shown.
pub(crate) async fn list<T: Item>(
    client: &Client,
    listing: &Listing,
    refresh: Refresh,
    output: &mut Output,
    shown: impl Fn(proto::Job) -> T,
) -> Result<()> {
    let unreachable = RefCell::new(BTreeSet::new());
    let page = async |size, token| -> Result<Page<T>> {
        let request = ListJobsRequest {
            filter: listing.filter.clone(),
            order_by: listing.order_by.clone(),
            page_size: size,
            page_token: token,
        };
        let answer = client.list_jobs(&request).await?;
        unreachable.borrow_mut().extend(answer.unreachable);
        let jobs = answer.jobs.into_iter().map(&shown).collect();
        Ok((jobs, answer.next_page_token))
    };
    if !refresh.watch {
        paging::print(listing.limit, PAGE, output, page).await?;
        let missing: Vec<_> = unreachable.into_inner().into_iter().collect();
        if !missing.is_empty() {
            output.message(&format!(
                "jobs of {} are missing: it can not be reached",
                missing.join(", ")
            ));
        }
        return Ok(());
    }
    if listing.limit == 0 || listing.limit > MOST {
        return Err(Error::usage(format!(
            "--watch shows at most {MOST}; --limit says how many"
        )));
    }
    watching::watch(refresh, output, async || {
        let mut jobs = Vec::new();
        let mut token = String::new();
        while jobs.len() < listing.limit {
            let rest = i32::try_from(listing.limit - jobs.len()).unwrap_or(PAGE);
            let (part, next) = page(rest.min(PAGE), token).await?;
            jobs.extend(part);
            if next.is_empty() {
                break;
            }
            token = next;
        }
        jobs.truncate(listing.limit);
        Ok(jobs)
    })
    .await
}
