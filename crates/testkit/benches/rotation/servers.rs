//! authd, and the bare server beside it (ADR 4).

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use authd::administration::clients::NewClient;
use authd::app::App;
use authd::backend::AnyBackend;
use authd::http::limits::Limits;
use authd::http::listener::{self, Listener};
use authd::http::peer::Peers;
use authd::moment::SystemMoments;
use authd::settings::LogFormat;
use bytes::Bytes;
use http::{Response, header};
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use records::{ApplicationType, KeyState, Scheme, SigningAlgorithm, TenantId, UnixTime};
use serde_json::{Value, json};
use store::{Backend, Becomes, Expect, IndexEntry, Key, Kind, Operation, Space, Stores};
use store_sqlite::Sqlite;
use testkit::{On, World, password_of};
use tokio::net::TcpListener;

use crate::floor::Floor;

pub(crate) const API: &str = "urn:bench";
const PEOPLE: &str = "Username-Password-Authentication";
/// What the bare server takes for the row's key: so many characters of the token.
const KEY: usize = 32;

/// What authd asks and answers, for the others to be like it.
pub(crate) struct Model {
    directory: Arc<tempfile::TempDir>,
    /// Tokens that may be presented.
    pub(crate) tokens: Vec<String>,
    /// A whole answer's body.
    answer: String,
    /// A family's row after a rotation.
    pub(crate) row: String,
    /// The tenant's ES256 key, PKCS #8.
    pub(crate) key: Vec<u8>,
}

fn form(token: &str) -> Vec<(&'static str, String)> {
    let pairs = [
        ("grant_type", "refresh_token".to_owned()),
        ("client_id", "mobile".to_owned()),
        ("client_secret", World::secret("first")),
        ("refresh_token", token.to_owned()),
    ];
    pairs.into()
}

async fn present(world: &World, form: &[(&str, String)]) -> Value {
    let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let reply = world.post("first", "/oauth/token").form(&form).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

async fn model(families: usize) -> Model {
    let world = World::with_people(On::Sqlite).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    world.moments().advance(now - world.moments().now().0);
    world
        .api("first", API, |new| {
            new.allow_offline_access = true;
            new.signing_algorithm = SigningAlgorithm::Es256;
        })
        .await;
    let new = NewClient::of_type(ApplicationType::RegularWeb, "A phone");
    world.application("first", "mobile", new, "password refresh_token").await;
    let mut tokens = Vec::new();
    for number in 0..=families {
        // So many logins of one person in one application are kept, and no more.
        let name = format!("person{}", number / 100);
        if number % 100 == 0 {
            world.person("first", PEOPLE, &name, &password_of("first", &name)).await;
        }
        let log_in = [
            ("grant_type", "password".to_owned()),
            ("client_id", "mobile".to_owned()),
            ("client_secret", World::secret("first")),
            ("password", password_of("first", &name)),
            ("username", name),
            ("audience", API.to_owned()),
            ("scope", "read offline_access".to_owned()),
        ];
        tokens.push(present(&world, &log_in).await["refresh_token"].as_str().unwrap().to_owned());
    }
    let answer = present(&world, &form(&tokens.pop().unwrap())).await;
    let backend = world.app().stores().backend();
    let rows = backend.page(&space(), Kind::RefreshFamily, None, None, 1000).await.unwrap();
    // The one that was rotated is longer: its successor waits in it.
    let row = rows.into_iter().map(|row| row.body).max_by_key(String::len).unwrap();
    let keys = world.store("first").signing_keys().await.unwrap();
    let key = keys
        .iter()
        .find(|key| key.record.algorithm == SigningAlgorithm::Es256 && key.record.state == KeyState::Current);
    let key = key.unwrap().record.private_key.expose().to_vec();
    Model { directory: world.into_directory(), tokens, answer: answer.to_string(), row, key }
}

pub(crate) fn space() -> Space {
    Space::Tenant(TenantId::parse("first").unwrap())
}

/// Serves until it is killed; says on standard output what to ask it.
pub(crate) fn serve(mode: &str, families: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let model = model(families).await;
        let socket = listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let address = socket.local_addr().unwrap();
        let body =
            form("TOKEN").into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
        let length = body.join("&").len() - "TOKEN".len() + model.tokens[0].len();
        let request = format!(
            "POST /oauth/token HTTP/1.1\r\nhost: first.example\r\nuser-agent: bench\r\naccept: */*\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n{}",
            body.join("&")
        );
        let database = Sqlite::open(model.directory.path().join("world.db")).unwrap();
        let say = |tokens: &[String]| {
            println!("{}", json!({ "address": address.to_string(), "request": request, "tokens": tokens }));
        };
        match mode {
            "authd" => {
                say(&model.tokens);
                full(database, socket).await;
            }
            "floor" => {
                let (floor, tokens) = Floor::new(database, &model).await;
                say(&tokens);
                bare(socket, floor, |floor, body| async move { floor.rotate(&body).await }).await;
            }
            _ => {
                let bones = Bare::new(database, &model).await;
                say(&model.tokens);
                bare(socket, bones, |bones, body| async move { bones.rotate(&body).await }).await;
            }
        }
    });
}

async fn full(database: Sqlite, socket: TcpListener) {
    let _logging = authd::log::start(Some(LogFormat::Json));
    let stores = Stores::open(AnyBackend::Sqlite(database), World::sealer()).await.unwrap();
    let app = Arc::new(App::new(stores, Arc::new(SystemMoments), Limits::default()));
    let listener = Listener { socket, scheme: Scheme::Https, tls: None, peers: Peers::Proxy };
    authd::running::until_stopped(app, vec![listener], authd::running::Signals::taken().unwrap())
        .await
        .unwrap();
}

/// What the bare server knows.
struct Bare {
    database: Sqlite,
    row: String,
    index: Vec<IndexEntry>,
    /// What stands around the token in an answer.
    before: String,
    after: String,
}

/// Serves with hyper alone.
async fn bare<S, F, R>(socket: TcpListener, state: Arc<S>, rotate: F)
where
    S: Send + Sync + 'static,
    F: Fn(Arc<S>, Bytes) -> R + Copy + Send + 'static,
    R: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    loop {
        let (stream, _) = socket.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let state = Arc::clone(&state);
                async move {
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    Ok::<_, Infallible>(rotate(state, body).await)
                }
            });
            let mut builder = hyper::server::conn::http1::Builder::new();
            let _ = builder.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// What a family's row is listed by.
pub(crate) fn index() -> Vec<IndexEntry> {
    vec![
        IndexEntry::of("user", &["auth0|ada"]),
        IndexEntry::of("client", &["mobile"]),
        IndexEntry::of("user_client", &["auth0|ada", "mobile"]),
        IndexEntry::of("resource_server", &["0123456789abcdef01234567"]),
    ]
}

pub(crate) fn answer(body: Vec<u8>) -> Response<Full<Bytes>> {
    Response::builder()
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CACHE_CONTROL, "no-store")
        .body(Full::new(Bytes::from(body)))
        .unwrap()
}

impl Bare {
    async fn new(database: Sqlite, model: &Model) -> Arc<Self> {
        let answer: Value = serde_json::from_str(&model.answer).unwrap();
        let refresh = answer["refresh_token"].as_str().unwrap();
        let (before, after) = model.answer.split_once(refresh).unwrap();
        let (before, after) = (before.to_owned(), after.to_owned());
        let bare = Arc::new(Self { database, row: model.row.clone(), index: index(), before, after });
        for token in &model.tokens {
            let operation = bare.put(&token.as_bytes()[token.len() - KEY..], Expect::Absent);
            bare.database.commit(&space(), vec![operation]).await.unwrap();
        }
        bare
    }

    fn put(&self, key: &[u8], expect: Expect) -> Operation {
        let drop_at = Some(UnixTime(2_000_000_000));
        let becomes = Becomes::Put { body: self.row.clone(), index: self.index.clone(), drop_at };
        Operation {
            kind: Kind::RefreshFamily,
            key: Key::of(&[std::str::from_utf8(key).unwrap()]),
            expect,
            becomes,
        }
    }

    /// The token is the form's end, and the row's key the token's.
    async fn rotate(&self, body: &[u8]) -> Response<Full<Bytes>> {
        let key = &body[body.len() - KEY..];
        let place = Key::of(&[std::str::from_utf8(key).unwrap()]);
        let row = self.database.get(&space(), Kind::RefreshFamily, &place).await.unwrap().unwrap();
        self.database.commit(&space(), vec![self.put(key, Expect::Version(row.version))]).await.unwrap();
        let token = body.rsplit(|byte| *byte == b'=').next().unwrap();
        let mut text = Vec::with_capacity(self.before.len() + token.len() + self.after.len());
        text.extend_from_slice(self.before.as_bytes());
        text.extend_from_slice(token);
        text.extend_from_slice(self.after.as_bytes());
        answer(text)
    }
}
