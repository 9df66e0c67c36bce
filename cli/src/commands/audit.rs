use crate::args::Audit;
use crate::client::{Client, PAGE_SIZE};
use crate::commands::paging;
use crate::error::Result;
use crate::output::Output;

pub(crate) async fn run(client: &Client, audit: &Audit, output: &mut Output) -> Result<()> {
    paging::print(audit.limit, PAGE_SIZE, output, async |size, token| {
        let page = client.list_audit(size, token).await?;
        Ok((page.events, page.next_page_token))
    })
    .await
}
