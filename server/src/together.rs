//! One answer for all who ask while it is being found out.

use std::time::Instant;

use tokio::sync::Mutex;

/// The last answer, and when finding it out began.
pub(crate) struct Together<T>(Mutex<Option<(Instant, T)>>);

impl<T: Clone> Together<T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// An answer that is not older than this call. However many ask at the same
    /// time, one of them at a time finds out, for all who waited.
    pub(crate) async fn ask(&self, find_out: impl Future<Output = T>) -> T {
        let asked = Instant::now();
        let mut last = self.0.lock().await;
        match &*last {
            Some((began, answer)) if *began >= asked => answer.clone(),
            _ => {
                let began = Instant::now();
                let answer = find_out.await;
                *last = Some((began, answer.clone()));
                answer
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn who_waits_gets_what_was_found_out_since_and_who_comes_later_asks_anew() {
        let (together, found) = (Together::new(), AtomicUsize::new(0));
        let go_on = Semaphore::new(0);
        let find_out = || async {
            go_on.acquire().await.unwrap().forget();
            found.fetch_add(1, Relaxed)
        };
        let all = async {
            tokio::join!(
                together.ask(find_out()),
                together.ask(find_out()),
                together.ask(find_out()),
            )
        };
        // All three have asked when the first one goes on.
        let (answers, ()) = tokio::join!(all, async { go_on.add_permits(2) });
        assert_eq!(answers, (0, 1, 1));
        go_on.add_permits(1);
        assert_eq!(together.ask(find_out()).await, 2);
    }
}
