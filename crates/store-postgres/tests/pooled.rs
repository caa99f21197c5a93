//! Through a pooler that gives each transaction another session; and sessions whose defaults somebody chose badly.
#![expect(clippy::unwrap_used, reason = "a test that fails stops")]

mod pooler;
mod server;
mod two;

use std::time::Duration;

use pooler::Pooler;
use records::{TenantId, UnixTime};
use server::Server;
use store::{Backend, Becomes, Expect, IndexEntry, Key, Kind, Operation, Space, laws};
use store_postgres::{IfEmpty, Postgres, Settings};
use tokio_postgres::NoTls;
use two::Two;

async fn open(address: &str) -> Postgres {
    Postgres::open(&Settings::parse(address).unwrap(), IfEmpty::Make).await.unwrap()
}

fn name_of(address: &str) -> &str {
    address.split(['/', '?']).nth(3).unwrap()
}

fn space() -> Space {
    Space::Tenant(TenantId::parse("acme").unwrap())
}

fn put(kind: Kind, name: &str) -> Operation {
    let drop_at = (kind == Kind::SeenJti).then_some(UnixTime(7200));
    let index = match kind {
        Kind::Session => vec![IndexEntry::of("colour", &["red"])],
        _ => Vec::new(),
    };
    let becomes = Becomes::Put { body: "{}".to_owned(), index, drop_at };
    Operation { kind, key: Key::of(&[name]), expect: Expect::Covered, becomes }
}

const KINDS: [Kind; 3] = [Kind::SeenJti, Kind::Session, Kind::Client];

/// Everything that is done to a database.
async fn use_all(database: &Postgres) {
    for number in 0..10 {
        let rows = KINDS.map(|kind| put(kind, &format!("row{number}")));
        database.commit(&space(), rows.into()).await.unwrap();
    }
    let red = IndexEntry::of("colour", &["red"]);
    let after = Key::of(&["row3"]);
    for filter in [None, Some(&red)] {
        for (after, found) in [(None, 10), (Some(&after), 6)] {
            let rows = database.page(&space(), Kind::Session, filter, after, 20).await.unwrap();
            assert_eq!(rows.len(), found);
        }
    }
    for kind in KINDS {
        assert!(database.get(&space(), kind, &Key::of(&["row7"])).await.unwrap().is_some());
        assert!(database.get(&space(), kind, &Key::of(&["none"])).await.unwrap().is_none());
    }
    assert_eq!(database.sweep(UnixTime(7199), 100).await, Ok(0));
    assert_eq!(database.sweep(UnixTime(5 * 7200), 100).await, Ok(10));
    assert!(database.configuration_version().await.unwrap() > 1);
}

/// One server has a pooler before it, and the other has not.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_behind_a_pooler_and_one_beside_it_obey_every_law() {
    let server = Server::start();
    let pooler = Pooler::before(&server, 12);
    let make = async || {
        let address = server.database();
        Two::of([open(&pooler.transactions(name_of(&address))).await, open(&address).await])
    };
    laws::all(make, |task| drop(tokio::spawn(task))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_of_a_pooler_keeps_nothing_of_ours_and_gives_us_nothing_of_others() {
    let server = Server::start_with(&["-c", "listen_addresses=", "-c", "synchronous_commit=off"]);
    let address = server.database();
    let name = name_of(&address);
    let pooler = Pooler::before(&server, 1);
    // Whoever has the one session before us leaves this.
    let (client, connection) = tokio_postgres::connect(&pooler.address(name), NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute("SET search_path = public, pg_catalog; SET work_mem = '7MB'").await.unwrap();
    let database = open(&pooler.transactions(name)).await;
    note_what_commits_have(&server, name);
    make_traps(&server, name, "public");
    use_all(&database).await;
    assert_eq!(server.sql(name, "SELECT DISTINCT sync, path FROM seen.setting"), "on|pg_catalog, pg_temp");
    let left = ["work_mem", "search_path", "statement_timeout", "synchronous_commit"]
        .map(|name| format!("pg_catalog.current_setting('{name}')"));
    let statements = "(SELECT pg_catalog.count(*) FROM pg_catalog.pg_prepared_statements)";
    let left = format!("SELECT {}, {statements}", left.join(", "));
    let rows = client.simple_query(&left).await.unwrap();
    let row = rows
        .iter()
        .find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        })
        .unwrap();
    let left: Vec<&str> = (0..5).filter_map(|column| row.get(column)).collect();
    assert_eq!(left, ["7MB", "public, pg_catalog", "0", "off", "0"], "it is the same session, as it was");
    // It does not listen: a hint never comes, and the timer is what there is.
    let hint = tokio::time::timeout(Duration::from_millis(500), database.configuration_hint()).await;
    assert!(hint.is_err());
    // It says what it changes all the same, and one without a pooler hears it.
    let direct = open(&address).await;
    for _ in 0..2 {
        let hint = tokio::time::timeout(Duration::from_secs(20), direct.configuration_hint()).await;
        assert!(hint.is_ok());
        database.commit(&space(), vec![put(Kind::Client, "said")]).await.unwrap();
    }
    drop(client);
    connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_pooler_that_nobody_told_us_of_is_named_in_the_error() {
    let server = Server::start();
    let address = server.database();
    let pooler = Pooler::before(&server, 5);
    let database = open(&pooler.address(name_of(&address))).await;
    let get = async || database.get(&space(), Kind::Client, &Key::of(&["a"])).await;
    let mut failure = get().await.err();
    // Others come and go: some time a statement is looked for where it was not prepared.
    let (client, connection) =
        tokio_postgres::connect(&pooler.address(name_of(&address)), NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    for _ in 0..5 {
        client.batch_execute("BEGIN").await.unwrap();
        failure = failure.or(get().await.err());
        client.batch_execute("COMMIT").await.unwrap();
    }
    let said = failure.unwrap().to_string();
    assert!(said.contains("pooler=transaction"), "{said}");
    drop(client);
    connection.await.unwrap().unwrap();
}

/// Notes what every commit of a record has as its session's settings.
fn note_what_commits_have(server: &Server, name: &str) {
    server.sql(
        name,
        "CREATE SCHEMA seen;
         CREATE TABLE seen.setting (sync TEXT, path TEXT);
         CREATE FUNCTION seen.note() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN INSERT INTO seen.setting VALUES (pg_catalog.current_setting('synchronous_commit'), pg_catalog.current_setting('search_path'));
            RETURN NULL; END $$;
         CREATE TRIGGER note AFTER INSERT ON authd.record FOR EACH STATEMENT EXECUTE FUNCTION seen.note()",
    );
}

/// Functions and operators that go before PostgreSQL's own for whoever has this schema first in its path.
fn make_traps(server: &Server, name: &str, schema: &str) {
    server.sql(
        name,
        &format!(
            "CREATE FUNCTION {schema}.trap(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$;
             CREATE OPERATOR {schema}.= (LEFTARG = text, RIGHTARG = text, FUNCTION = {schema}.trap);
             CREATE OPERATOR {schema}.> (LEFTARG = text, RIGHTARG = text, FUNCTION = {schema}.trap);
             CREATE FUNCTION {schema}.set_config(text, text, boolean) RETURNS text LANGUAGE plpgsql AS
             $$ BEGIN RAISE 'trapped'; END $$;
             CREATE FUNCTION {schema}.current_setting(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$"
        ),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_a_search_path_nor_an_isolation_that_somebody_chose_for_us_changes_what_statements_mean() {
    let server = Server::start();
    let address = server.database();
    let name = name_of(&address);
    server.sql(name, "CREATE SCHEMA evil");
    make_traps(&server, name, "evil");
    for change in [
        "SET search_path = evil, pg_catalog",
        "SET default_transaction_isolation = 'serializable'",
        "SET default_transaction_deferrable = on",
        "SET synchronous_commit = off",
        "SET standard_conforming_strings = off",
        "SET datestyle = 'SQL, DMY'",
    ] {
        server.sql("postgres", &format!("ALTER ROLE authd IN DATABASE {name} {change}"));
    }
    let (client, connection) = tokio_postgres::connect(&address, NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    assert!(client.simple_query("SELECT 'a'::text = 'b'::text").await.is_err(), "the trap is one");
    drop(client);
    connection.await.unwrap().unwrap();
    let database = open(&address).await;
    note_what_commits_have(&server, name);
    server.sql(
        name,
        "ALTER TABLE seen.setting ADD level TEXT;
         CREATE OR REPLACE FUNCTION seen.note() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN INSERT INTO seen.setting VALUES (current_setting('synchronous_commit'), current_setting('search_path'),
            current_setting('transaction_isolation')); RETURN NULL; END $$",
    );
    use_all(&database).await;
    assert_eq!(
        server.sql(name, "SELECT DISTINCT sync, path, level FROM seen.setting"),
        "on|pg_catalog, pg_temp|read committed"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_owns_nothing_is_enough_once_the_tables_are_there() {
    let server = Server::start();
    let address = server.database();
    let name = name_of(&address);
    drop(open(&address).await);
    server.sql(
        name,
        "CREATE ROLE serving LOGIN; GRANT USAGE ON SCHEMA authd TO serving;
         GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA authd TO serving;
         REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON authd.migration FROM serving",
    );
    let serving = address.replace("authd@", "serving@");
    use_all(&open(&serving).await).await;
}
