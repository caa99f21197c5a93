//! The backend in memory obeys the laws.

use store::{MemoryBackend, laws};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_backend_in_memory_obeys_every_law() {
    laws::all(async || MemoryBackend::default(), |task| drop(tokio::spawn(task))).await;
}
