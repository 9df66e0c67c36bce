//! Lists that are shown again and again.

use tokio::time::sleep;

use crate::args::{Form, Refresh};
use crate::error::{Error, Result};
use crate::list::Watched;
use crate::output::Output;
use crate::reader::while_read;
use crate::view::Item;

/// What is remembered of a watched list is bounded by this.
pub(crate) const MOST: usize = 1_000;

/// Shows a list as it changes, until interrupted.
pub(crate) async fn watch<T: Item>(
    refresh: Refresh,
    output: &mut Output,
    read: impl AsyncFn() -> Result<Vec<T>>,
) -> Result<()> {
    if output.form() == Form::Id {
        return Err(Error::usage(
            "--watch shows more than ids; use -o table or jsonl",
        ));
    }
    let mut watched = Watched::default();
    let show = async {
        loop {
            let items = read().await?;
            watched.show(&items, output)?;
            sleep(refresh.interval).await;
        }
    };
    while_read(show).await
}
