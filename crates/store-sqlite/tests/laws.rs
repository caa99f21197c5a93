//! The backend on SQLite obeys the laws, also across two handles on one file.

use std::sync::atomic::{AtomicUsize, Ordering};

use store::laws;
use store_sqlite::Sqlite;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_backend_on_sqlite_obeys_every_law() {
    let directory = tempfile::tempdir().unwrap();
    let made = AtomicUsize::new(0);
    let make = async || {
        let number = made.fetch_add(1, Ordering::Relaxed);
        Sqlite::open(directory.path().join(format!("{number}.db"))).unwrap()
    };
    laws::all(make, |task| drop(tokio::spawn(task))).await;
    assert!(made.into_inner() > 20);
}
