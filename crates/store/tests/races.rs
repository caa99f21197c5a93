//! Single use in memory (threat R1).

mod single_use;

use store::MemoryBackend;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r1_of_a_hundred_that_use_a_credential_in_memory_at_once_one_does() {
    let stores = single_use::stores(MemoryBackend::default()).await;
    let count = single_use::races(100);
    assert_eq!(single_use::one_of_a_hundred_uses_each(&stores, count).await, count * 4);
}
