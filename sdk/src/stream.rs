//! A stream read item by item.
//!
//! The last item may come together with the stream's end, and a stream that has ended may not be read again: the
//! engine traps. So the end is remembered here.

use wit_bindgen::{StreamReader, StreamResult};

/// What is left of a stream.
pub(crate) struct Items<T: 'static>(Option<StreamReader<T>>);

impl<T> Items<T> {
    pub(crate) fn new(stream: StreamReader<T>) -> Self {
        Self(Some(stream))
    }

    /// The next item; nothing at the end, however often it is asked.
    pub(crate) async fn next(&mut self) -> Option<T> {
        loop {
            let (result, mut items) = self.0.as_mut()?.read(Vec::with_capacity(1)).await;
            if !matches!(result, StreamResult::Complete(_)) {
                self.0 = None;
            }
            if let Some(item) = items.pop() {
                return Some(item);
            }
        }
    }
}
