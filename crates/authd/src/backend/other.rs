//! A backend whose type this crate does not know, called through a table (docs/adr/0010).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use records::UnixTime;
use store::{Backend, CommitError, IndexEntry, Key, Kind, Operation, Row, Space, Unavailable};

/// A backend of a program that has this crate as a library, such as the simulation, whose disk fails on purpose
/// (docs/adr/0010). Called through a table, which the others are not.
#[derive(Clone)]
pub struct OtherBackend(Arc<dyn Erased>);

impl OtherBackend {
    /// Takes any backend; it should obey [`store::laws`].
    pub fn new(backend: impl Backend) -> Self {
        Self(Arc::new(backend))
    }
}

impl fmt::Debug for OtherBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OtherBackend")
    }
}

type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// [`Backend`] in a form of which there can be a table.
trait Erased: Send + Sync {
    fn get<'a>(
        &'a self,
        space: &'a Space,
        kind: Kind,
        key: &'a Key,
    ) -> Later<'a, Result<Option<Row>, Unavailable>>;

    fn page<'a>(
        &'a self,
        space: &'a Space,
        kind: Kind,
        filter: Option<&'a IndexEntry>,
        after: Option<&'a Key>,
        at_most: usize,
    ) -> Later<'a, Result<Vec<Row>, Unavailable>>;

    fn commit<'a>(
        &'a self,
        space: &'a Space,
        operations: Vec<Operation>,
    ) -> Later<'a, Result<(), CommitError>>;

    fn sweep(&self, now: UnixTime, at_most: usize) -> Later<'_, Result<usize, Unavailable>>;

    fn configuration_version(&self) -> Later<'_, Result<u64, Unavailable>>;

    fn configuration_hint(&self) -> Later<'_, ()>;
}

impl<B: Backend> Erased for B {
    fn get<'a>(
        &'a self,
        space: &'a Space,
        kind: Kind,
        key: &'a Key,
    ) -> Later<'a, Result<Option<Row>, Unavailable>> {
        Box::pin(Backend::get(self, space, kind, key))
    }

    fn page<'a>(
        &'a self,
        space: &'a Space,
        kind: Kind,
        filter: Option<&'a IndexEntry>,
        after: Option<&'a Key>,
        at_most: usize,
    ) -> Later<'a, Result<Vec<Row>, Unavailable>> {
        Box::pin(Backend::page(self, space, kind, filter, after, at_most))
    }

    fn commit<'a>(
        &'a self,
        space: &'a Space,
        operations: Vec<Operation>,
    ) -> Later<'a, Result<(), CommitError>> {
        Box::pin(Backend::commit(self, space, operations))
    }

    fn sweep(&self, now: UnixTime, at_most: usize) -> Later<'_, Result<usize, Unavailable>> {
        Box::pin(Backend::sweep(self, now, at_most))
    }

    fn configuration_version(&self) -> Later<'_, Result<u64, Unavailable>> {
        Box::pin(Backend::configuration_version(self))
    }

    fn configuration_hint(&self) -> Later<'_, ()> {
        Box::pin(Backend::configuration_hint(self))
    }
}

impl Backend for OtherBackend {
    async fn get(&self, space: &Space, kind: Kind, key: &Key) -> Result<Option<Row>, Unavailable> {
        Erased::get(&*self.0, space, kind, key).await
    }

    async fn page(
        &self,
        space: &Space,
        kind: Kind,
        filter: Option<&IndexEntry>,
        after: Option<&Key>,
        at_most: usize,
    ) -> Result<Vec<Row>, Unavailable> {
        Erased::page(&*self.0, space, kind, filter, after, at_most).await
    }

    async fn commit(&self, space: &Space, operations: Vec<Operation>) -> Result<(), CommitError> {
        Erased::commit(&*self.0, space, operations).await
    }

    async fn sweep(&self, now: UnixTime, at_most: usize) -> Result<usize, Unavailable> {
        Erased::sweep(&*self.0, now, at_most).await
    }

    async fn configuration_version(&self) -> Result<u64, Unavailable> {
        Erased::configuration_version(&*self.0).await
    }

    async fn configuration_hint(&self) {
        Erased::configuration_hint(&*self.0).await;
    }
}
