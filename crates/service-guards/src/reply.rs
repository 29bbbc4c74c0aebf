//! [`Reply`]: a stream of events that carries the guards which must outlive its head.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use futures::stream::{BoxStream, Fuse, FusedStream, StreamExt};

/// Answers that can carry a guard until they have been consumed or dropped.
pub trait Hold: Sized {
    /// Keeps `guard` alive until this answer ends (its last item was taken, or it failed) or is dropped, whichever
    /// comes first. Guards are released in the reverse order of being added, after the answer's source.
    fn hold<G: Send + 'static>(self, guard: G) -> Self;
}

/// A stream of events `T` that fails at most once with `E`, and holds guards until then.
///
/// - After `None` or the first `Err` it is terminated: it yields nothing more, and its guards have been dropped.
/// - Dropping it is cancellation: first the source is dropped (down to the socket), then the guards.
pub struct Reply<T, E> {
    source: Option<Source<T, E>>,
    guards: Vec<Box<dyn Any + Send>>,
}

impl<T, E> Reply<T, E> {
    /// A reply that yields what `source` yields, up to its first error.
    pub fn new(source: impl Stream<Item = Result<T, E>> + Send + 'static) -> Self {
        Self { source: Some(Source::new(source)), guards: Vec::new() }
    }

    /// A reply of exactly one item: an answer in one piece. Costs no allocation.
    pub fn one(item: T) -> Self
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        Self::new(futures::stream::empty()).unread(item)
    }

    /// Puts an item back, to be yielded next: the way to look at the first item before handing the reply on. Nothing
    /// can be put back into a terminated reply. The first item put back costs no allocation.
    pub fn unread(mut self, item: T) -> Self {
        if let Some(source) = self.source.as_mut() {
            source.put_back(item);
        }
        self
    }

    /// The items that have been put back, in the order in which they will be yielded.
    pub fn at_hand(&self) -> impl Iterator<Item = &T> {
        let source = self.source.iter();
        source.flat_map(|source| source.next.iter().chain(&source.after_next))
    }

    /// Reads until `enough` accepts an item, the reply ends, or `most` items have been read, and puts them all back: the
    /// reply yields what it would have, and is known to have come so far.
    ///
    /// # Errors
    /// The failure that came before; the items read until then are gone with the reply.
    pub async fn read_ahead(
        mut self,
        most: usize,
        mut enough: impl FnMut(&T) -> bool,
    ) -> Result<Self, E> {
        let Some(source) = self.source.as_mut() else {
            return Ok(self);
        };
        let mut read = Vec::new();
        while read.len() < most
            && let Some(item) = source.next().await
        {
            let item = item?;
            let is_enough = enough(&item);
            read.push(item);
            if is_enough {
                break;
            }
        }
        read.into_iter().rev().for_each(|item| source.put_back(item));
        Ok(self)
    }

    /// Replaces the source by `change(source)`; the guards stay.
    pub fn map_source<U, F, S, V>(mut self, change: F) -> Reply<U, V>
    where
        F: FnOnce(Source<T, E>) -> S,
        S: Stream<Item = Result<U, V>> + Send + 'static,
    {
        let source = self.source.take().map(|source| Source::new(change(source)));
        Reply { source, guards: std::mem::take(&mut self.guards) }
    }

    fn release(&mut self) {
        self.source = None;
        while self.guards.pop().is_some() {}
    }
}

impl<T, E> Hold for Reply<T, E> {
    fn hold<G: Send + 'static>(mut self, guard: G) -> Self {
        self.guards.push(Box::new(guard));
        self
    }
}

impl<T, E> Stream for Reply<T, E> {
    type Item = Result<T, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(source) = self.source.as_mut() else {
            return Poll::Ready(None);
        };
        let item = std::task::ready!(source.poll_next_unpin(cx));
        if !matches!(item, Some(Ok(_))) {
            self.release();
        }
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.source.as_ref().map_or((0, Some(0)), |source| source.size_hint())
    }
}

impl<T, E> FusedStream for Reply<T, E> {
    fn is_terminated(&self) -> bool {
        self.source.is_none()
    }
}

impl<T, E> Drop for Reply<T, E> {
    fn drop(&mut self) {
        self.release();
    }
}

impl<T, E> Unpin for Reply<T, E> {}

impl<T, E> fmt::Debug for Reply<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("live", &self.source.is_some())
            .field("guards", &self.guards.len())
            .finish()
    }
}

/// The stream inside a [`Reply`], as [`Reply::map_source`] gives it out.
pub struct Source<T, E> {
    /// The item that was put back last.
    next: Option<T>,
    /// Those that were put back before.
    after_next: VecDeque<T>,
    rest: Fuse<BoxStream<'static, Result<T, E>>>,
}

impl<T, E> Source<T, E> {
    fn new(rest: impl Stream<Item = Result<T, E>> + Send + 'static) -> Self {
        Self { next: None, after_next: VecDeque::new(), rest: rest.boxed().fuse() }
    }

    fn put_back(&mut self, item: T) {
        if let Some(later) = self.next.replace(item) {
            self.after_next.push_front(later);
        }
    }
}

impl<T, E> Stream for Source<T, E> {
    type Item = Result<T, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(item) = self.next.take() {
            self.next = self.after_next.pop_front();
            return Poll::Ready(Some(Ok(item)));
        }
        self.rest.poll_next_unpin(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let ahead = usize::from(self.next.is_some()) + self.after_next.len();
        let (low, high) = self.rest.size_hint();
        (low.saturating_add(ahead), high.and_then(|high| high.checked_add(ahead)))
    }
}

impl<T, E> Unpin for Source<T, E> {}

impl<T, E> fmt::Debug for Source<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("ahead", &self.next.is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use futures::executor::block_on;
    use futures::stream;

    use super::*;

    /// Appends its name to a log when dropped.
    struct Trace(&'static str, Arc<Mutex<Vec<&'static str>>>);

    impl Drop for Trace {
        fn drop(&mut self) {
            self.1.lock().unwrap().push(self.0);
        }
    }

    #[test]
    fn releases_after_the_source_and_in_reverse_order() {
        let log = Arc::new(Mutex::new(Vec::new()));
        let source = Trace("source", log.clone());
        let reply = Reply::new(stream::iter([Ok::<_, ()>(1)]).inspect(move |_| {
            let _keep = &source;
        }))
        .hold(Trace("inner", log.clone()))
        .hold(Trace("outer", log.clone()));
        drop(reply);
        assert_eq!(*log.lock().unwrap(), ["source", "outer", "inner"]);
    }

    #[test]
    fn an_error_ends_it_once_and_releases() {
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut reply = Reply::new(stream::iter([Ok(1), Err("broken"), Ok(2)]))
            .hold(Trace("guard", log.clone()));
        let seen: Vec<_> = block_on(reply.by_ref().collect());
        assert_eq!(seen, [Ok(1), Err("broken")]);
        assert_eq!(*log.lock().unwrap(), ["guard"]);
        assert!(reply.is_terminated());
    }

    #[test]
    fn an_item_put_back_comes_first_and_survives_a_change_of_source() {
        let reply = Reply::new(stream::iter([Ok::<_, ()>(2), Ok(3)])).unread(1);
        assert_eq!(reply.size_hint(), (3, Some(3)));
        let doubled = reply.map_source(|source| source.map(|item| item.map(|n| n * 2)));
        assert_eq!(block_on(doubled.collect::<Vec<_>>()), [Ok(2), Ok(4), Ok(6)]);

        let both = Reply::new(stream::iter([Ok::<_, ()>(3)])).unread(2).unread(1);
        assert_eq!(both.at_hand().collect::<Vec<_>>(), [&1, &2]);
        assert_eq!(block_on(both.collect::<Vec<_>>()), [Ok(1), Ok(2), Ok(3)]);

        let one = Reply::<_, ()>::one("whole");
        assert_eq!(block_on(one.collect::<Vec<_>>()), [Ok("whole")]);
    }

    #[test]
    fn reading_ahead_changes_nothing_but_what_is_at_hand() {
        for (items, most, at_hand, expected) in [
            (vec![Ok(1), Ok(2), Ok(3), Ok(4)], 9, 3, vec![Ok(1), Ok(2), Ok(3), Ok(4)]),
            (vec![Ok(1), Ok(2), Ok(3), Ok(4)], 2, 2, vec![Ok(1), Ok(2), Ok(3), Ok(4)]),
            (vec![Ok(1), Ok(2)], 9, 2, vec![Ok(1), Ok(2)]),
            (vec![Ok(3), Err("broken")], 9, 1, vec![Ok(3), Err("broken")]),
            (vec![], 9, 0, vec![]),
        ] {
            let reply = Reply::new(stream::iter(items)).read_ahead(most, |item| *item == 3);
            let reply = block_on(reply).unwrap();
            assert_eq!(reply.at_hand().count(), at_hand);
            assert_eq!(block_on(reply.collect::<Vec<_>>()), expected);
        }
        let broken = Reply::new(stream::iter([Ok(1), Err("broken")])).read_ahead(9, |_| false);
        assert_eq!(block_on(broken).err(), Some("broken"));
    }
}
