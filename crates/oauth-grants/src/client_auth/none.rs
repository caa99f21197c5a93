//! Clients that authenticate by nothing (RFC 6749 §2.1; RFC 7591 §2, `none`).

use records::Client;

use super::ClientRefusal;

/// A public client is whom it says it is, as far as anybody can know; a confidential one must prove it.
pub(super) fn authenticate(client: Option<&Client>) -> Result<&Client, ClientRefusal> {
    match client {
        Some(client) if client.is_public() => Ok(client),
        Some(_) => Err(ClientRefusal::MissingSecret),
        None => Err(ClientRefusal::UnknownClient),
    }
}
