//! Lists of many pages.

use crate::error::Result;
use crate::list::List;
use crate::output::Output;
use crate::view::Item;

/// A part of a list, and the token of the next; empty on the last page.
pub(crate) type Page<T> = (Vec<T>, String);

/// Prints up to `limit` things (0: all) of pages of `largest` at the most, and
/// says so when there are more.
pub(crate) async fn print<T: Item>(
    limit: usize,
    largest: i32,
    output: &mut Output,
    page: impl AsyncFnMut(i32, String) -> Result<Page<T>>,
) -> Result<()> {
    let mut list = List::new(output);
    let more = read(limit, largest, page, |items| Ok(list.add(items)?)).await?;
    list.close()?;
    if more {
        output.message(&format!(
            "the first {limit} are listed; --limit shows more, 0 all"
        ));
    }
    Ok(())
}

/// Reads up to `limit` things; returns whether there are more.
pub(crate) async fn read<T>(
    limit: usize,
    largest: i32,
    mut page: impl AsyncFnMut(i32, String) -> Result<Page<T>>,
    mut take: impl FnMut(&[T]) -> Result<()>,
) -> Result<bool> {
    let mut rest = if limit == 0 { usize::MAX } else { limit };
    let mut token = String::new();
    loop {
        let size = i32::try_from(rest).unwrap_or(largest).min(largest);
        let (items, next) = page(size, token).await?;
        let taken = items.len().min(rest);
        take(&items[..taken])?;
        rest -= taken;
        if rest == 0 {
            return Ok(taken < items.len() || !next.is_empty());
        }
        if next.is_empty() {
            return Ok(false);
        }
        token = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seven things on pages of three.
    async fn seven(size: i32, token: String) -> Result<Page<usize>> {
        let from: usize = token.parse().unwrap_or(0);
        let to = (from + usize::try_from(size).unwrap().min(3)).min(7);
        let next = if to == 7 {
            String::new()
        } else {
            to.to_string()
        };
        Ok(((from..to).collect(), next))
    }

    #[tokio::test]
    async fn pages_are_read_up_to_the_limit() {
        for (limit, expected, more) in [(0, 7, false), (7, 7, false), (6, 6, true), (2, 2, true)] {
            let mut seen = Vec::new();
            let cut = read(limit, 500, seven, |items| {
                seen.extend_from_slice(items);
                Ok(())
            });
            assert_eq!(cut.await.unwrap(), more, "{limit}");
            assert_eq!(seen, (0..expected).collect::<Vec<_>>());
        }
    }
}
