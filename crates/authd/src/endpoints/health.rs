//! `/livez` and `/readyz`: for those who watch the process; they answer at any host.

use http::StatusCode;

use crate::app::{App, Trace};
use crate::http::response::{Answer, Caching, json};

/// The process answers.
pub fn live() -> Answer {
    json(StatusCode::OK, r#"{"status":"ok"}"#, Caching::NoStore)
}

/// The process wants requests: it is not stopping, and its store answers.
pub async fn ready(app: &App, trace: &mut Trace) -> Answer {
    let reason = if app.is_stopping() {
        Some("stopping")
    } else if let Err(failure) = app.refresh().await {
        trace.refused = Some(failure.to_string());
        Some("store")
    } else {
        None
    };
    match reason {
        None => json(StatusCode::OK, r#"{"status":"ok"}"#, Caching::NoStore),
        Some(reason) => json(
            StatusCode::SERVICE_UNAVAILABLE,
            serde_json::json!({ "status": "unavailable", "reason": reason }).to_string(),
            Caching::NoStore,
        ),
    }
}
