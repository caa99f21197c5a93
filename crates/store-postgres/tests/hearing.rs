//! What is heard of other servers' changes, without it, and what an operator is warned of.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails stops")]

mod proxy;
mod server;

use std::future::poll_fn;
use std::time::Duration;

use proxy::Proxy;
use records::{TenantId, UnixTime};
use server::Server;
use store::{Backend, Becomes, Expect, Key, Kind, Operation, Space};
use store_postgres::{IfEmpty, Postgres, Settings, Warning};
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, NoTls};

async fn open(address: &str) -> Postgres {
    Postgres::open(&Settings::parse(address).unwrap(), IfEmpty::Make).await.unwrap()
}

fn put(kind: Kind, name: &str) -> Operation {
    let drop_at = (kind == Kind::SeenJti).then_some(UnixTime(7200));
    let becomes = Becomes::Put { body: "{}".to_owned(), index: Vec::new(), drop_at };
    Operation { kind, key: Key::of(&[name]), expect: Expect::Covered, becomes }
}

async fn write(database: &Postgres, operations: impl Into<Vec<Operation>>) {
    let space = Space::Tenant(TenantId::parse("acme").unwrap());
    database.commit(&space, operations.into()).await.unwrap();
}

/// Waits for a hint, for long enough that its absence is a fault and not a busy machine.
async fn heard(database: &Postgres) {
    let hint = tokio::time::timeout(Duration::from_secs(20), database.configuration_hint());
    hint.await.expect("it is heard");
}

async fn is_silent(database: &Postgres) -> bool {
    tokio::time::timeout(Duration::from_millis(700), database.configuration_hint()).await.is_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_configuration_is_heard_once_it_can_be_read_and_nothing_else_is_said() {
    let server = Server::start();
    let address = server.database();
    let (one, two) = (open(&address).await, open(&address).await);
    heard(&two).await;

    let (client, mut connection) = tokio_postgres::connect(&address, NoTls).await.unwrap();
    let (said, mut listened) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(notification) = message {
                let _ = said.send(notification.channel().to_owned());
            }
        }
    });
    client.batch_execute("LISTEN authd_configuration").await.unwrap();

    // What is on the path of tokens, many at once.
    let writes = (0..200).map(|number| {
        let one = one.clone();
        tokio::spawn(async move {
            let kinds = [Kind::SeenJti, Kind::RefreshFamily, Kind::Session, Kind::User];
            write(&one, kinds.map(|kind| put(kind, &format!("row{number}")))).await;
        })
    });
    for write in writes.collect::<Vec<_>>() {
        write.await.unwrap();
    }
    assert!(is_silent(&two).await);
    let before = two.configuration_version().await.unwrap();
    write(&one, [put(Kind::Client, "a"), put(Kind::ClientGrant, "a")]).await;
    heard(&two).await;
    assert_ne!(two.configuration_version().await.unwrap(), before, "who hears it can read it");
    write(&two, [put(Kind::Client, "b")]).await;
    for _ in 0..2 {
        assert_eq!(listened.recv().await.unwrap(), "authd_configuration");
    }
    assert!(listened.is_empty(), "once for each change of configuration");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_while_nobody_waits_is_kept_and_a_wait_that_is_given_up_loses_nothing() {
    let server = Server::start();
    let address = server.database();
    let (one, two) = (open(&address).await, open(&address).await);
    heard(&two).await;
    write(&one, [put(Kind::Client, "a")]).await;
    heard(&two).await;
    for _ in 0..100 {
        // As a timer that ticks while somebody waits.
        let _ = tokio::time::timeout(Duration::from_micros(50), two.configuration_hint()).await;
    }
    write(&one, [put(Kind::Client, "b")]).await;
    heard(&two).await;
    assert!(is_silent(&two).await);
    drop(two);
    let listening = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'";
    while server.sql("postgres", listening) != "0" {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_listens_and_is_lost_is_made_again_and_says_so() {
    let mut server = Server::start();
    let address = server.database();
    let (one, two) = (open(&address).await, open(&address).await);
    heard(&two).await;
    for round in 0..3 {
        // One query that ends every listening session: what was changed meanwhile is not said again, so a hint comes.
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'";
        assert_eq!(server.sql("postgres", end), "1");
        heard(&two).await;
        write(&one, [put(Kind::Client, &format!("a{round}"))]).await;
        heard(&two).await;
    }
    server.crash();
    server.resume();
    heard(&two).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_has_no_listen_is_asked_once_and_worked_with_all_the_same() {
    let server = Server::start();
    let address = server.database();
    let name = address.split(['/', '?']).nth(3).unwrap();
    let socket = server.directory().join(".s.PGSQL.5432");
    let proxy = Proxy::before(&socket, &[("NOTIFY ", "NOTICE "), ("LISTEN ", "LIZTEN ")]);
    let (one, two) = (open(&proxy.address(name)).await, open(&proxy.address(name)).await);
    assert_eq!(one.warnings(), [Warning::NoNotify]);
    assert!(is_silent(&two).await);
    let before = two.configuration_version().await.unwrap();
    write(&one, [put(Kind::Client, "a")]).await;
    assert_ne!(two.configuration_version().await.unwrap(), before, "whoever looks sees it");
    let accepted = proxy.accepted();
    assert!(is_silent(&two).await && proxy.accepted() == accepted, "it is not asked again and again");
}

#[tokio::test]
async fn a_server_that_may_lose_what_it_acknowledged_is_warned_of() {
    let careful = Server::start();
    assert_eq!(open(&careful.database()).await.warnings(), []);
    let off = |names: &[&str]| -> Vec<String> {
        let off = names.iter().flat_map(|name| ["-c".to_owned(), format!("{name}=off")]);
        ["-c".to_owned(), "listen_addresses=".to_owned()].into_iter().chain(off).collect()
    };
    let warnings = async |names: &[&str]| {
        let options = off(names);
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let careless = Server::start_with(&options);
        open(&careless.database()).await.warnings().to_vec()
    };
    let all = warnings(&["fsync", "full_page_writes", "synchronous_commit"]).await;
    assert_eq!(all, [Warning::Unsynced, Warning::TornPages, Warning::Unwaited]);
    assert!(all.iter().all(|warning| warning.to_string().contains("= off")));
    assert_eq!(warnings(&["synchronous_commit"]).await, [Warning::Unwaited]);
}
