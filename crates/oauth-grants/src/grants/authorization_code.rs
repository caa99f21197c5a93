//! A code becomes tokens, once, for whom it was issued (RFC 6749 §4.1.3; RFC 7636 §4.6; OpenID Connect Core 1.0 §3.1.3).

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use policy::GrantTypeRefusal;
use policy::lifetime::Channel;
use records::{
    AuthorizationCode, AuthorizationCodeId, CodeState, GrantType, Invalid, Origin, RefreshFamily, SecretText,
    TenantSettings, UserGrant, Versioned, Write,
};

use crate::client_auth::AuthenticatedClient;
use crate::crypto;
use crate::grants::refresh_token::{Login, NewFamily, begin};
use crate::grants::still_allowed::{Given, Left, StillFacts, Withdrawn, check};
use crate::issue::{UserTokenFacts, user_access_token};
use crate::oidc::claims::{ClaimsRequest, UserClaims, has_scope};
use crate::oidc::id_token::IdToken;
use crate::pkce::Challenge;
use crate::response::Tokens;
use crate::{Decision, Moment, Outcome, Params, TokenError, TokenRequest};

/// What the request says, apart from who sends it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Request<'p> {
    /// `code`
    pub code: &'p str,
    /// `redirect_uri`: where the code was sent.
    pub redirect_uri: Option<&'p str>,
    /// `code_verifier`: what the challenge was made from.
    pub code_verifier: Option<&'p str>,
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("redirect_uri", &self.redirect_uri).finish_non_exhaustive()
    }
}

/// Reads the request.
///
/// # Errors
/// [`TokenError::MissingParameter`]
pub fn parse(params: &Params) -> Result<TokenRequest<'_>, TokenError> {
    Ok(TokenRequest::AuthorizationCode(Request {
        code: params.text("code").ok_or(TokenError::MissingParameter("code"))?,
        redirect_uri: params.text("redirect_uri"),
        code_verifier: params.text("code_verifier"),
    }))
}

/// A new code for a client to redeem, and the id under which it is kept: 256 random bits, of which the store has but a
/// hash (RFC 6749 §10.10).
///
/// # Errors
/// None in practice: a hash in base64url is an id.
pub fn new_code(moment: &Moment) -> Result<(SecretText, AuthorizationCodeId), Invalid> {
    let code = URL_SAFE_NO_PAD.encode(moment.bytes::<32>("authorization code"));
    let id = id_of(&code)?;
    Ok((SecretText::new(code), id))
}

/// The id under which a presented code is kept; `None` for text that no code is.
pub fn code_id(code: &str) -> Option<AuthorizationCodeId> {
    // One text for each code: a code that was re-encoded is another one, and nobody's.
    let is_code = URL_SAFE_NO_PAD.decode(code).is_ok_and(|bytes| bytes.len() == 32);
    if is_code { id_of(code).ok() } else { None }
}

fn id_of(code: &str) -> Result<AuthorizationCodeId, Invalid> {
    let hash = crypto::sha256(&[b"authd code 1\0", code.as_bytes()]);
    AuthorizationCodeId::parse(&URL_SAFE_NO_PAD.encode(hash))
}

/// Why a code gives nothing. The log keeps what the answer merges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeRefusal {
    /// Nobody was given such a code, or it is long forgotten.
    Unknown,
    /// Another client was given it.
    OfAnotherClient,
    /// It was given at another of the tenant's origins.
    OfAnotherOrigin,
    /// It is too old.
    Expired,
    /// It was redeemed before.
    Used,
    /// `redirect_uri` is missing where the authorization request named it.
    RedirectUriMissing,
    /// `redirect_uri` is not where the code was sent.
    RedirectUriDiffers,
    /// A public client's code without a challenge: nothing ties it to whoever asked for it.
    NoChallenge,
    /// `code_verifier` is missing.
    VerifierMissing,
    /// `code_verifier` does not belong to the challenge.
    VerifierWrong,
    /// `code_verifier` for a code that has no challenge: somebody took it away (RFC 9700 §4.8.2).
    VerifierUnexpected,
    /// What the code carries may not be given any more.
    Withdrawn(Withdrawn),
}

/// What must be known to decide.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'f> {
    /// Who asks.
    pub client: AuthenticatedClient<'f>,
    /// The code that [`code_id`] names, if there is one.
    pub code: Option<&'f Versioned<AuthorizationCode>>,
    /// What is to be known of the present.
    pub still: StillFacts<'f>,
    /// What holds for the tenant.
    pub settings: &'f TenantSettings,
    /// The origin that the request came in on; the issuer.
    pub origin: &'f Origin,
    /// The refresh family that came of the code when it was used before, if there still is one.
    pub family: Option<&'f Versioned<RefreshFamily>>,
    /// What a new refresh family needs.
    pub new_family: NewFamily<'f>,
}

/// Redeems a code or says why not.
///
/// Only a success uses the code up, and relies on the person and on the person's grant being as they were read. Whatever
/// is refused leaves the code as it was, so that nobody can spoil another's (CG-12). A second use by the same client ends
/// the refresh family that came of the first; access tokens cannot be called back.
pub fn decide<'f>(request: &Request<'_>, facts: Facts<'f>, moment: &Moment) -> Decision<Tokens<'f>> {
    match redeem(request, facts, moment) {
        Ok((writes, tokens)) => Decision { writes, outcome: Outcome::Granted(tokens) },
        //= RFC 6749 §4.1.2
        // "SHOULD revoke (when possible) all tokens previously issued based on that authorization code"
        Err(TokenError::Code(CodeRefusal::Used)) => Decision {
            writes: facts
                .family
                .map(|family| Write::EndRefreshFamily(family.record.id.clone()))
                .into_iter()
                .collect(),
            outcome: Outcome::Refused(CodeRefusal::Used.into()),
        },
        Err(error) => Decision { writes: Vec::new(), outcome: Outcome::Refused(error) },
    }
}

fn redeem<'f>(
    request: &Request<'_>,
    facts: Facts<'f>,
    moment: &Moment,
) -> Result<(Vec<Write>, Tokens<'f>), TokenError> {
    let client = facts.client.client();
    let grant_type = GrantType::AuthorizationCode;
    policy::client_rules::may_use(client, grant_type).map_err(|refusal| match refusal {
        GrantTypeRefusal::NotListed => TokenError::GrantTypeNotAllowed(grant_type.name()),
        GrantTypeRefusal::ClientIsPublic => TokenError::ClientIsPublic(grant_type.name()),
    })?;
    let versioned = facts.code.ok_or(CodeRefusal::Unknown)?;
    let code = &versioned.record;
    check_code(request, code, &facts, moment)?;
    check_verifier(request.code_verifier, code, client.is_public())?;

    let given = Given {
        user: &code.user,
        audience: &code.audience,
        scopes: &code.scopes,
        authenticated_at: code.authenticated_at,
        issued_at: code.issued_at,
    };
    let Left { user, api, scopes } =
        check(given, client, &facts.still).map_err(|withdrawn| match withdrawn {
            Withdrawn::UserBlocked => TokenError::UserBlocked,
            other => CodeRefusal::Withdrawn(other).into(),
        })?;
    let login = Login {
        client,
        user: &code.user,
        audience: &code.audience,
        scopes: &scopes,
        redirect_uri: Some(&code.redirect_uri),
        origin: &code.origin,
        session: Some(&code.session),
        authenticated_at: code.authenticated_at,
        methods: &code.methods,
        names_auth_time: code.names_auth_time,
        claims: code.claims.as_deref(),
    };
    let begun = begin(&login, facts.new_family, moment).map_err(|_| CodeRefusal::Unknown)?;
    let state = CodeState::Used { at: moment.now, family: begun.as_ref().map(|begun| begun.id.clone()) };
    let mut writes = vec![
        Write::RedeemCode(versioned.clone(), AuthorizationCode { state, ..code.clone() }),
        Write::RelyOnUser(user.map(|user| user.id.clone())),
    ];
    let refresh_token = begun.map(|begun| {
        writes.extend(begun.writes);
        begun.text
    });
    writes.extend(facts.still.user_grant.map(|grant| Write::RelyOnUserGrant(grant.map(UserGrant::key))));

    // It was validated when the code was issued; were it unreadable all the same, nobody would be told anything by it.
    let claims = code.claims.as_deref().and_then(|json| ClaimsRequest::parse(json).ok());
    let id_token = has_scope(&scopes, "openid").then(|| IdToken {
        issuer: facts.origin.issuer(),
        user: &user.record.id,
        client: &client.id,
        issued_at: moment.now,
        lifetime: client.id_token_lifetime,
        nonce: code.nonce.as_deref(),
        at_hash: None,
        c_hash: None,
        auth_time: code.names_auth_time.then_some(code.authenticated_at),
        session: Some(&code.session),
        methods: &code.methods,
        claims: UserClaims::of_id_token(&user.record, &scopes, claims.as_ref(), facts.settings.updated_at),
        signing_algorithm: client.id_token_algorithm,
    });
    let access_token = user_access_token(
        UserTokenFacts {
            client,
            user: &user.record.id,
            api,
            scope: scopes.clone(),
            channel: Channel::TokenEndpoint,
            grant_type: None,
            session: Some(&code.session),
            claims: claims.as_ref().map(ClaimsRequest::of_user_info).unwrap_or_default(),
            origin: facts.origin,
        },
        moment,
    );
    let is_as_requested = code.is_as_requested && scopes == code.scopes;
    let mut tokens = Tokens::new(access_token, id_token, is_as_requested, facts.settings);
    tokens.refresh_token = refresh_token;
    Ok((writes, tokens))
}

/// Whether the code is this client's to redeem, here and now.
fn check_code(
    request: &Request<'_>,
    code: &AuthorizationCode,
    facts: &Facts<'_>,
    moment: &Moment,
) -> Result<(), CodeRefusal> {
    // Another code than the one presented would be a mistake of the caller; it is not redeemed.
    if code_id(request.code).as_ref() != Some(&code.id) {
        return Err(CodeRefusal::Unknown);
    }
    //= RFC 6749 §4.1.3
    if code.client != facts.client.client().id {
        return Err(CodeRefusal::OfAnotherClient);
    }
    if code.origin != *facts.origin {
        return Err(CodeRefusal::OfAnotherOrigin);
    }
    //= RFC 6749 §4.1.2
    if code.state != CodeState::Unused {
        return Err(CodeRefusal::Used);
    }
    if moment.now >= code.expires_at {
        return Err(CodeRefusal::Expired);
    }
    match request.redirect_uri {
        None if code.redirect_uri_was_sent => Err(CodeRefusal::RedirectUriMissing),
        Some(uri) if uri != code.redirect_uri => Err(CodeRefusal::RedirectUriDiffers),
        None | Some(_) => Ok(()),
    }
}

fn check_verifier(
    verifier: Option<&str>,
    code: &AuthorizationCode,
    is_public: bool,
) -> Result<(), CodeRefusal> {
    //= RFC 7636 §4.6
    match (code.code_challenge.map(Challenge::from), verifier) {
        (Some(challenge), Some(verifier)) if challenge.verify(verifier) => Ok(()),
        (Some(_), Some(_)) => Err(CodeRefusal::VerifierWrong),
        (Some(_), None) => Err(CodeRefusal::VerifierMissing),
        //= RFC 9700 §2.1.1
        (None, Some(_)) => Err(CodeRefusal::VerifierUnexpected),
        (None, None) if is_public => Err(CodeRefusal::NoChallenge),
        (None, None) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
