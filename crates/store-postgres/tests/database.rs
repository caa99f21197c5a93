//! The database itself: first starts, versions, slices, plans, encryption, and limits of what is held.
#![expect(clippy::unwrap_used, reason = "a test that fails stops")]

mod server;

use std::net::TcpListener;

use records::{TenantId, UnixTime};
use server::Server;
use store::{Backend, Becomes, CommitError, Expect, Key, Kind, Operation, RING_PERIOD, Space};
use store_postgres::{IfEmpty, OpenError, Postgres, Settings};

async fn open(address: &str) -> Result<Postgres, OpenError> {
    Postgres::open(&Settings::parse(address).unwrap(), IfEmpty::Make).await
}

fn name_of(address: &str) -> &str {
    address.split(['/', '?']).nth(3).unwrap()
}

fn space() -> Space {
    Space::Tenant(TenantId::parse("acme").unwrap())
}

fn put(kind: Kind, name: &str, end: Option<u64>) -> Operation {
    let becomes = Becomes::Put { body: "{}".to_owned(), index: Vec::new(), drop_at: end.map(UnixTime) };
    Operation { kind, key: Key::of(&[name]), expect: Expect::Absent, becomes }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn servers_that_start_at_once_make_the_tables_once() {
    let server = Server::start();
    for _ in 0..3 {
        let address = server.database();
        let starts = (0..10).map(|_| {
            let address = address.clone();
            tokio::spawn(async move { open(&address).await })
        });
        let started: Vec<_> = starts.collect();
        for start in started {
            start.await.unwrap().unwrap();
        }
        let sql = "SELECT count(*), (SELECT count(*) FROM authd.counter), (SELECT count(*) FROM authd.stripe) FROM authd.migration";
        assert_eq!(server.sql(name_of(&address), sql), "2|2|16384");
    }
}

#[tokio::test]
async fn databases_that_this_version_cannot_work_with_are_refused_in_words() {
    let server = Server::start();
    let address = server.database();
    let name = name_of(&address);
    let settings = Settings::parse(&address).unwrap();
    let empty = Postgres::open(&settings, IfEmpty::Refuse).await.unwrap_err();
    assert!(empty.to_string().contains("no tables of authd's"), "{empty}");
    assert_eq!(server.sql(name, "SELECT count(*) FROM pg_namespace WHERE nspname = 'authd'"), "0");
    drop(open(&address).await.unwrap());

    // A newer version expanded: this one works on.
    server.sql(name, "INSERT INTO authd.migration VALUES (77, 'wider', 'x', 1)");
    drop(open(&address).await.unwrap());
    // It contracted: this one would not know what it does.
    server.sql(name, "INSERT INTO authd.migration VALUES (78, 'narrower', 'x', 77)");
    let newer = open(&address).await.unwrap_err();
    assert!(matches!(newer, OpenError::Newer { needs: 77, known: 2, .. }), "{newer:?}");
    assert!(newer.to_string().contains("newer version of authd"), "{newer}");

    server.sql(
        name,
        "DELETE FROM authd.migration WHERE number > 2; UPDATE authd.migration SET checksum = 'edited' WHERE number = 1",
    );
    let other = open(&address).await.unwrap_err();
    assert!(matches!(other, OpenError::OtherMigration { number: 1, .. }), "{other:?}");

    server.sql(
        "postgres",
        "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0 LOCALE_PROVIDER libc",
    );
    let latin = open(&server.address("latin")).await.unwrap_err();
    assert!(matches!(&latin, OpenError::Encoding { found, .. } if found == "LATIN1"), "{latin:?}");

    let missing = open(&server.address("missing")).await.unwrap_err();
    assert!(missing.to_string().contains("missing"), "{missing}");
}

#[tokio::test]
async fn a_reader_that_keeps_a_table_of_the_ring_delays_nobody_and_its_rows_leave_in_slices() {
    let server = Server::start();
    let address = server.database();
    let database = open(&address).await.unwrap();
    const END: u64 = 10 * RING_PERIOD;
    for number in 0..20 {
        let row = put(Kind::SeenJti, &format!("row{number}"), Some(END));
        database.commit(&space(), vec![row]).await.unwrap();
    }
    let (client, connection) = tokio_postgres::connect(&address, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    // What pg_dump does, for as long as it runs.
    client.batch_execute("BEGIN; LOCK TABLE authd.ring_2 IN ACCESS SHARE MODE").await.unwrap();
    let now = UnixTime(END + 2 * RING_PERIOD);
    assert_eq!(database.sweep(now, 5).await, Ok(5), "a slice, for the table cannot be emptied");
    assert!(database.get(&space(), Kind::SeenJti, &Key::of(&["other"])).await.unwrap().is_none());
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(database.sweep(now, 5).await, Ok(15), "the rest at once");
    assert_eq!(database.sweep(now, 5).await, Ok(0));
    drop(client);
    connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn one_commit_that_postgresql_refuses_fails_alone() {
    let server = Server::start();
    let database = open(&server.database()).await.unwrap();
    // No record of ours has one in its text, and PostgreSQL takes none.
    let mut broken = put(Kind::Session, "broken", None);
    broken.becomes = Becomes::Put { body: "\0".to_owned(), index: Vec::new(), drop_at: None };
    let mut waiting = Vec::new();
    for number in 0..20 {
        let operation =
            if number == 7 { broken.clone() } else { put(Kind::Session, &format!("row{number}"), None) };
        let database = database.clone();
        waiting.push(tokio::spawn(async move { database.commit(&space(), vec![operation]).await }));
    }
    for (number, commit) in waiting.into_iter().enumerate() {
        let outcome = commit.await.unwrap();
        match number {
            7 => assert!(matches!(outcome, Err(CommitError::Unavailable(_))), "{outcome:?}"),
            _ => assert_eq!(outcome, Ok(())),
        }
    }
}

#[tokio::test]
async fn a_closed_database_takes_no_more_and_gives_its_connections_back() {
    let server = Server::start();
    let address = server.database();
    let settings = Settings::parse(&address).unwrap().with_connections(5);
    let database = Postgres::open(&settings, IfEmpty::Make).await.unwrap();
    let mut reads = Vec::new();
    for number in 0..200 {
        let database = database.clone();
        reads.push(tokio::spawn(async move {
            database.commit(&space(), vec![put(Kind::Session, &format!("row{number}"), None)]).await.unwrap();
            database.get(&space(), Kind::Session, &Key::of(&["x"])).await.unwrap();
        }));
    }
    for read in reads {
        read.await.unwrap();
    }
    let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'authd'";
    let used: usize = server.sql("postgres", count).parse().unwrap();
    assert!((2..=5).contains(&used), "{used} connections");
    let statistics = database.statistics();
    assert!(statistics.commits == 200 && statistics.transactions < 200, "{statistics:?}");
    database.close();
    assert!(database.get(&space(), Kind::Session, &Key::of(&["x"])).await.is_err());
    assert!(database.commit(&space(), vec![put(Kind::Session, "late", None)]).await.is_err());
    assert!(database.sweep(UnixTime(1), 1).await.is_err());
    drop(database);
}

#[tokio::test]
async fn a_session_of_ours_makes_its_commits_durable_also_where_the_server_s_default_does_not() {
    let server = Server::start_with(&["-c", "listen_addresses=", "-c", "synchronous_commit=off"]);
    let address = server.database();
    let database = open(&address).await.unwrap();
    // The counter's trigger tells what the committing session has.
    server.sql(
        name_of(&address),
        "CREATE TABLE public.seen (setting TEXT);
         CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN INSERT INTO public.seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
         CREATE TRIGGER note AFTER INSERT ON authd.record FOR EACH STATEMENT EXECUTE FUNCTION public.note()",
    );
    database.commit(&space(), vec![put(Kind::Session, "a", None)]).await.unwrap();
    assert_eq!(server.sql(name_of(&address), "SELECT DISTINCT setting FROM public.seen"), "on");
}

#[tokio::test]
async fn tls_verifies_the_certificate_and_the_name_in_it() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    // Another process may take the port between our looking and PostgreSQL's: then it does not start, and we look again.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let files = tempfile::tempdir().unwrap();
    let (certificate, key) = (files.path().join("cert.pem"), files.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    server::give(files.path(), &[&certificate, &key]);
    let (port_option, certificate, key) = (
        format!("port={port}"),
        format!("ssl_cert_file={}", certificate.display()),
        format!("ssl_key_file={}", key.display()),
    );
    let options = [
        "-c",
        "listen_addresses=127.0.0.1",
        "-c",
        &port_option,
        "-c",
        "ssl=on",
        "-c",
        &certificate,
        "-c",
        &key,
    ];
    let server = Server::start_on(port, &options);
    let database = server.database();
    let name = name_of(&database);
    let trusting = |certificate: &rcgen::CertifiedKey<rcgen::KeyPair>| {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate.cert.der().clone()).unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider);
        builder
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    };
    let settings = |host: &str, certificate| {
        let address = format!("postgres://authd@{host}:{port}/{name}?sslmode=require");
        Settings::parse(&address).unwrap().with_tls(trusting(certificate))
    };
    let open = async |settings: Settings| Postgres::open(&settings, IfEmpty::Make).await;
    let verified = open(settings("localhost", &made)).await.unwrap();
    let hint = tokio::time::timeout(std::time::Duration::from_secs(20), verified.configuration_hint());
    assert!(hint.await.is_ok(), "the connection that listens is encrypted too");
    let plain = "SELECT count(*) FROM pg_stat_activity a JOIN pg_stat_ssl s USING (pid)
        WHERE a.application_name = 'authd' AND NOT s.ssl";
    assert_eq!(server.sql(name, plain), "0");
    let used = "SELECT count(*) FROM pg_stat_ssl WHERE ssl AND version = 'TLSv1.3'";
    assert_ne!(server.sql(name, used), "0");
    assert!(
        matches!(open(settings("localhost", &other)).await, Err(OpenError::Unreachable { .. })),
        "another certificate"
    );
    assert!(
        matches!(open(settings("127.0.0.1", &made)).await, Err(OpenError::Unreachable { .. })),
        "another name"
    );
    let without = Settings::parse(&format!("postgres://authd@localhost:{port}/{name}")).unwrap();
    assert!(matches!(open(without).await, Err(OpenError::Settings(_))), "nothing to verify with");
}

#[tokio::test]
async fn every_statement_goes_by_an_index_also_before_the_first_statistics() {
    let server = Server::start();
    let address = server.database();
    let database = open(&address).await.unwrap();
    let rows = |from: usize| -> Vec<Operation> {
        (from..from + 1000)
            .map(|number| put(Kind::Session, &format!("row{number:06}"), Some(1_000_000)))
            .collect()
    };
    for from in (0..20_000).step_by(1000) {
        database.commit(&space(), rows(from)).await.unwrap();
    }
    let scans = || -> Vec<i64> {
        let sql = "SELECT seq_tup_read, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'record'";
        let text = server.sql(name_of(&address), sql);
        text.split('|').map(|number| number.parse().unwrap()).collect()
    };
    for number in 0..200 {
        let key = Key::of(&[&format!("row{number:06}")]);
        let row = database.get(&space(), Kind::Session, &key).await.unwrap().unwrap();
        let operation = Operation {
            expect: Expect::Version(row.version),
            ..put(Kind::Session, key.as_str(), Some(1_000_000))
        };
        database.commit(&space(), vec![operation]).await.unwrap();
    }
    database.page(&space(), Kind::Session, None, Some(&Key::of(&["row01"])), 10).await.unwrap();
    assert_eq!(database.sweep(UnixTime(1), 10).await, Ok(0));
    drop(database);
    // Sessions report what they did when they end.
    let active = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'authd'";
    while server.sql("postgres", active) != "0" {
        tokio::task::yield_now().await;
    }
    assert_eq!(scans()[0], 0, "no statement read the table from end to end");
}

#[tokio::test]
async fn a_database_that_is_in_use_everywhere_is_waited_for_once_and_takes_no_more_connections() {
    let server = Server::start();
    let address = server.database();
    let settings = Settings::parse(&address).unwrap().with_connections(4);
    let database = Postgres::open(&settings, IfEmpty::Make).await.unwrap();
    let (client, connection) = tokio_postgres::connect(&address, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute("BEGIN; LOCK TABLE authd.record IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let (space, key) = (space(), Key::of(&["x"]));
    let began = std::time::Instant::now();
    let (one, two, three, four) = tokio::join!(
        database.get(&space, Kind::Session, &key),
        database.get(&space, Kind::Session, &key),
        database.get(&space, Kind::Session, &key),
        database.commit(&space, vec![put(Kind::Session, "x", None)]),
    );
    let said: Vec<String> = [one, two, three].into_iter().map(|read| read.unwrap_err().to_string()).collect();
    // The server ends the statement that waits for the lock after 3 seconds, and so is a connection waited for.
    assert!(said.iter().all(|said| said.contains("lock timeout") || said.contains("in use")), "{said:?}");
    assert!(said.iter().any(|said| said.contains("in use")), "{said:?}");
    assert!(four.unwrap_err().to_string().contains("lock timeout"));
    assert!(began.elapsed() < std::time::Duration::from_secs(8), "{:?}", began.elapsed());
    let count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'authd'";
    assert!(server.sql("postgres", count).parse::<usize>().unwrap() <= 4);
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(database.get(&space, Kind::Session, &key).await, Ok(None));
    drop(client);
    connection.await.unwrap().unwrap();
}
