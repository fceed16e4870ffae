//! Runs many plays at once and tells every one that failed, not only the first.

use std::future::Future;

use futures_util::{StreamExt, stream};

/// How many plays run at once: they wait, mostly.
const AT_ONCE: usize = 6;

/// Runs all plays to their end; panics with the list of those that panicked.
pub(crate) async fn run<F: Future<Output = ()> + Send + 'static>(plays: impl IntoIterator<Item = F>) {
    let ends = stream::iter(plays)
        .map(|play| async { tokio::spawn(play).await })
        .buffer_unordered(AT_ONCE);
    let failures: Vec<String> = ends
        .filter_map(async |end| end.err().map(message))
        .collect()
        .await;
    assert!(
        failures.is_empty(),
        "{} plays failed:\n- {}",
        failures.len(),
        failures.join("\n- ")
    );
}

fn message(error: tokio::task::JoinError) -> String {
    let panic = error.into_panic();
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|t| (*t).to_owned()))
        .unwrap_or_default()
}
