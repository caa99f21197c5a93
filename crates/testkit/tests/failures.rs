//! What is answered when we are at fault: 503 or 500, no reason, nothing issued, and the process goes on (threats TK-13).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use authd::app::App;
use authd::http::limits::Limits;
use authd::moment::Moments;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use oauth_grants::Moment;
use records::{Scheme, UnixTime};
use serde_json::json;
use testkit::{On, World};

fn token_request() -> serde_json::Value {
    json!({
        "grant_type": "client_credentials",
        "client_id": "worker",
        "client_secret": World::secret("first"),
        "audience": "https://api.example/",
    })
}

#[tokio::test]
async fn tk_13_a_store_that_fails_is_503_and_gives_no_reason_away() {
    let world = World::new(On::Sqlite).await;
    world.app().close();
    // A client that is not in the cache has to be read; whatever is asked for, nobody can say whether it may.
    let unknown =
        json!({ "client_id": "nobody", "client_secret": "wrong", "grant_type": "client_credentials" });
    let reply = world.post("first", "/oauth/token").json(&unknown).send().await;
    let (status, error, description) = reply.error();
    assert_eq!((status, error.as_str()), (503, "temporarily_unavailable"));
    assert_eq!(reply.header(header::RETRY_AFTER), "1");
    assert_eq!(reply.header(header::CACHE_CONTROL), "no-store");
    for word in ["sqlite", "database", "closed", "/tmp", ".rs"] {
        assert!(!description.to_lowercase().contains(word), "{description}");
    }
    let ready = world.get("first", "/readyz").send().await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ready.json()["reason"], "store");
    assert_eq!(world.get("first", "/livez").send().await.status, StatusCode::OK);
}

#[tokio::test]
async fn readiness_ends_when_the_server_is_told_to_stop() {
    let world = World::new(On::Memory).await;
    assert_eq!(world.get("first", "/readyz").send().await.status, StatusCode::OK);
    world.app().stop();
    assert_eq!(world.get("first", "/readyz").send().await.status, StatusCode::SERVICE_UNAVAILABLE);
    let reply = world.post("first", "/oauth/token").json(&token_request()).send().await;
    assert_eq!(reply.status, StatusCode::OK, "who is still connected is still served");
}

/// Moments that panic once they are told to: a stand-in for a bug in a handler.
#[derive(Default)]
struct Panicking(AtomicBool);

impl Moments for Panicking {
    fn draw(&self) -> Moment {
        assert!(!self.0.load(Ordering::SeqCst), "the test's own bug");
        Moment::new(UnixTime(1_767_225_600), [7; 32])
    }
}

#[tokio::test]
async fn ht_13_a_panic_in_a_handler_is_500_and_the_next_request_is_served() {
    let world = World::new(On::Memory).await;
    let moments = Arc::new(Panicking::default());
    let app = App::new(world.app().stores().clone(), Arc::clone(&moments) as Arc<_>, Limits::default());
    let ask = || async {
        let request = Request::post("/oauth/token")
            .header(header::HOST, "first.example")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(token_request().to_string())))
            .unwrap();
        app.respond(request, Scheme::Https).await.status()
    };
    assert_eq!(ask().await, StatusCode::OK);
    moments.0.store(true, Ordering::SeqCst);
    assert_eq!(ask().await, StatusCode::INTERNAL_SERVER_ERROR);
    moments.0.store(false, Ordering::SeqCst);
    assert_eq!(ask().await, StatusCode::OK);
}
