//! Flows as the browser carries them: sealed here, opened here, believed nowhere else (docs/adr/0007).

use oauth_grants::authorize::Flow;
use oauth_grants::{HandleKind, Moment};
use records::UnixTime;

use crate::app::Called;
use crate::failure::Failure;
use crate::keys::TenantKeys;

/// Seals a flow for the origin that was called.
pub fn seal(keys: &TenantKeys, called: &Called, flow: &Flow, moment: &Moment) -> Result<String, Failure> {
    let bytes = flow.to_bytes();
    keys.handle_key()
        .seal(HandleKind::Flow, &called.origin, moment, "flow", bytes.expose())
        .map_err(|failure| Failure::Unsigned(failure.to_string()))
}

/// Opens a flow that was sealed at the origin that was called and is not over; `None` for anything else.
pub fn open(keys: &TenantKeys, called: &Called, text: &str, now: UnixTime) -> Option<Flow> {
    let opened = keys.handle_key().open(HandleKind::Flow, &called.origin, text)?;
    Flow::from_bytes(opened.expose()).filter(|flow| !flow.is_over(now))
}
