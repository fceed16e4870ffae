//! Single flight: one task per key, however many wait for it.
//!
//! The task is nobody's: it goes on when those who wait give up, and whoever comes while it runs joins it.
//! It may tell its result before it ends (a fill tells its readers where the bytes will be, then fills).

use std::{
    collections::{HashMap, hash_map::Entry},
    future::Future,
    hash::Hash,
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::{
    sync::watch,
    time::{Duration, Instant, timeout_at},
};

/// The flights of one kind. `V` is what those who wait are told.
pub(super) struct Flights<K, V>(Arc<Mutex<HashMap<K, Flight<V>>>>);

impl<K, V> Default for Flights<K, V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

/// A flight, as one who waits for it sees it.
pub(super) struct Flight<V> {
    started: Instant,
    told: watch::Receiver<Option<V>>,
}

impl<V> Clone for Flight<V> {
    fn clone(&self) -> Self {
        Self {
            started: self.started,
            told: self.told.clone(),
        }
    }
}

/// The task's end of a flight.
pub(super) struct Teller<V>(watch::Sender<Option<V>>);

impl<V> Teller<V> {
    /// Tells all who wait now or join later. The first telling counts.
    pub(super) fn tell(&self, value: V) {
        self.0.send_if_modified(|told| {
            let first = told.is_none();
            if first {
                *told = Some(value);
            }
            first
        });
    }
}

impl<K, V> Flights<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Joins the flight of `key`, or starts it as a task of its own.
    pub(super) fn join<F>(&self, key: K, task: impl FnOnce(Teller<V>) -> F) -> Flight<V>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut flights = self.0.lock();
        let vacant = match flights.entry(key.clone()) {
            Entry::Occupied(running) => return running.get().clone(),
            Entry::Vacant(vacant) => vacant,
        };
        let (teller, told) = watch::channel(None);
        let flight = vacant
            .insert(Flight {
                started: Instant::now(),
                told,
            })
            .clone();
        drop(flights);
        let task = task(Teller(teller));
        // The entry goes when the task ends, also when it panics or the runtime stops.
        let landed = Landed {
            flights: self.0.clone(),
            key,
        };
        tokio::spawn(async move {
            let _landed = landed;
            task.await;
        });
        flight
    }

    /// The flight of `key`, if there is one.
    pub(super) fn running(&self, key: &K) -> Option<Flight<V>> {
        self.0.lock().get(key).cloned()
    }
}

struct Landed<K: Eq + Hash, V> {
    flights: Arc<Mutex<HashMap<K, Flight<V>>>>,
    key: K,
}

impl<K: Eq + Hash, V> Drop for Landed<K, V> {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.key);
    }
}

impl<V: Clone> Flight<V> {
    /// What the flight tells, if it does so by `deadline`.
    pub(super) async fn told(mut self, deadline: Instant) -> Option<V> {
        // A timer fires up to a millisecond late, and who may not wait does not.
        if deadline <= Instant::now() {
            return self.told.borrow().clone();
        }
        match timeout_at(deadline, self.told.wait_for(Option::is_some)).await {
            Ok(Ok(told)) => told.clone(),
            // Out of time, or the task ended without a word: it panicked.
            Ok(Err(_)) | Err(_) => None,
        }
    }

    /// When one who may wait for `patience` *after the flight's start* gives up: who joins a flight that
    /// has been silent for long does not wait at all.
    pub(super) fn patience(&self, patience: Duration) -> Instant {
        self.started + patience
    }

    /// Waits until the flight has ended.
    pub(super) async fn landed(mut self) {
        while self.told.changed().await.is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[tokio::test(start_paused = true)]
    async fn many_ask_and_one_works() {
        let flights = Flights::<u8, usize>::default();
        let runs = Arc::new(AtomicUsize::new(0));
        let ask = || {
            let runs = runs.clone();
            flights.join(7, |teller| async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                teller.tell(runs.fetch_add(1, Relaxed));
            })
        };
        let (one, two) = tokio::join!(ask().told(soon()), ask().told(soon()));
        assert_eq!((one, two, runs.load(Relaxed)), (Some(0), Some(0), 1));
        tokio::task::yield_now().await;
        assert!(flights.running(&7).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_does_not_stop_it() {
        let flights = Flights::<u8, u8>::default();
        let (done, wait) = tokio::sync::oneshot::channel::<()>();
        let flight = flights.join(1, |teller| async move {
            let _ = wait.await;
            teller.tell(9);
        });
        assert_eq!(flight.told(Instant::now()).await, None);
        let late = flights.join(1, |_| async { unreachable!("still in flight") });
        done.send(()).expect("the task waits");
        assert_eq!(late.told(soon()).await, Some(9));
    }

    #[tokio::test]
    async fn a_panic_is_an_end() {
        let flights = Flights::<u8, u8>::default();
        let flight = flights.join(1, |_teller| async { panic!("on purpose") });
        assert_eq!(flight.told(soon()).await, None);
        tokio::task::yield_now().await;
        assert!(flights.running(&1).is_none());
    }
}
