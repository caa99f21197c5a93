//! Who is the client? (RFC 6749 §2.3; RFC 7617 Basic.)
//!
//! Mutual TLS and `private_key_jwt` are not built: an assertion is refused by name, a certificate is never asked for.

mod basic;
mod none;
mod secret;

use std::fmt;

use records::{Client, ClientId, SecretText, UnixTime};

use crate::Params;

pub use secret::SecretDigestKey;

/// The names of the methods that authenticate a client here (RFC 8414 §2, `token_endpoint_auth_methods_supported`).
///
/// `none` authenticates nobody: it is for public clients, and each grant says whether it takes them.
pub const METHODS_SUPPORTED: &[&str] = &["client_secret_basic", "client_secret_post", "none"];

/// Why the client is not authenticated. The log keeps what the answer merges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientRefusal {
    /// More than one of Basic, a secret in the body and an assertion; or several `Authorization` headers.
    SeveralMethods,
    /// An `Authorization` header of another scheme than Basic.
    UnsupportedScheme,
    /// A Basic header that is not base64 of `id:secret`, each form-encoded, without control characters.
    MalformedBasic,
    /// A client assertion.
    AssertionNotBuilt,
    /// Nothing says which client it is.
    MissingClientId,
    /// `client_id` in the body is another than Basic's.
    ClientIdMismatch,
    /// No such client.
    UnknownClient,
    /// A confidential client that sent no secret.
    MissingSecret,
    /// Not one of the client's secrets.
    WrongSecret,
    /// A secret that the client had until it was rotated out.
    ExpiredSecret,
    /// A public client that sent a secret: it has none, so somebody is mistaken about which client it is.
    PublicClientSentSecret,
}

/// How the client showed who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Its secret by HTTP Basic.
    ClientSecretBasic,
    /// Its secret in the body.
    ClientSecretPost,
    /// Not at all: it is public.
    None,
}

/// What a request presents as its client, before anything about it is believed.
pub struct Presented {
    client_id: ClientId,
    credential: Option<(Method, SecretText)>,
}

impl Presented {
    /// Reads the `Authorization` headers (all of them: a second one is refused, not overlooked) and the parameters.
    ///
    /// # Errors
    /// [`ClientRefusal`]; it depends on the request alone, so it tells nothing about clients that exist.
    pub fn parse<'h>(
        authorization: impl IntoIterator<Item = &'h [u8]>,
        params: &Params,
    ) -> Result<Self, ClientRefusal> {
        let mut headers = authorization.into_iter();
        let header = headers.next();
        let assertion = params.has("client_assertion") || params.has("client_assertion_type");
        let in_body = params.text("client_secret");
        //= RFC 6749 §2.3
        // "The client MUST NOT use more than one authentication method in each request."
        let methods = usize::from(header.is_some()) + usize::from(assertion) + usize::from(in_body.is_some());
        if methods > 1 || headers.next().is_some() {
            return Err(ClientRefusal::SeveralMethods);
        }
        if assertion {
            return Err(ClientRefusal::AssertionNotBuilt);
        }
        let named = params.text("client_id");
        if let Some(header) = header {
            let credentials = basic::parse(header)?;
            let client_id = credentials.client_id.expose();
            if named.is_some_and(|named| named != client_id) {
                return Err(ClientRefusal::ClientIdMismatch);
            }
            let secret = Some(credentials.secret).filter(|secret| !secret.expose().is_empty());
            return Ok(Self {
                client_id: parse_client_id(client_id)?,
                credential: secret.map(|secret| (Method::ClientSecretBasic, secret)),
            });
        }
        Ok(Self {
            client_id: parse_client_id(named.unwrap_or_default())?,
            credential: in_body.map(|secret| (Method::ClientSecretPost, SecretText::new(secret.to_owned()))),
        })
    }

    /// Which client to load.
    pub fn client_id(&self) -> &ClientId {
        &self.client_id
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented")
            .field("client_id", &self.client_id)
            .field("method", &self.credential.as_ref().map_or(Method::None, |(method, _)| *method))
            .finish_non_exhaustive()
    }
}

/// An id that no client can have is answered like one that no client has.
fn parse_client_id(text: &str) -> Result<ClientId, ClientRefusal> {
    if text.is_empty() {
        return Err(ClientRefusal::MissingClientId);
    }
    ClientId::parse(text).map_err(|_| ClientRefusal::UnknownClient)
}

/// A client that showed who it is, or a public one that cannot. The only way to a grant.
#[derive(Clone, Copy, Debug)]
pub struct AuthenticatedClient<'c> {
    client: &'c Client,
    method: Method,
}

impl<'c> AuthenticatedClient<'c> {
    /// The client's record.
    pub fn client(&self) -> &'c Client {
        self.client
    }

    /// How it authenticated.
    pub fn method(&self) -> Method {
        self.method
    }
}

/// Holds what was presented against the client that was loaded for it.
///
/// An unknown client and a wrong secret take the same work and get the same answer. As at Auth0, a confidential client
/// may send its secret in the body or by Basic, whichever is registered.
///
/// # Errors
/// [`ClientRefusal`]
pub fn authenticate<'c>(
    presented: &Presented,
    client: Option<&'c Client>,
    key: &SecretDigestKey,
    now: UnixTime,
) -> Result<AuthenticatedClient<'c>, ClientRefusal> {
    // Another client than the one presented would be a mistake of the caller; it must not open a door.
    let client = client.filter(|client| client.id == presented.client_id);
    match &presented.credential {
        Some((method, secret)) => secret::authenticate(&presented.client_id, secret, client, key, now)
            .map(|client| AuthenticatedClient { client, method: *method }),
        None => none::authenticate(client).map(|client| AuthenticatedClient { client, method: Method::None }),
    }
}

#[cfg(test)]
mod tests;
