//! What a refresh rotation costs without I/O and without the signature (RFC 6749 §6), step by step and as a whole.

use std::hint::black_box;

use criterion::Criterion;
use oauth_grants::still_allowed::StillFacts;
use oauth_grants::{
    Decision, Moment, Outcome, Params, Presented, RefreshKeys, RefreshToken, TokenRequest, TokenResponse,
    Tokens, authenticate, refresh_token,
};
use records::{
    ApiIdentifier, ApiScope, Audience, AuthenticationMethod, Client, Connection, ConnectionName,
    EnabledClients, GrantType, Lifetime, PreviousToken, Profile, RefreshFamily, ResourceServer, ScopeSet,
    ScopeToken, SigningAlgorithm, TokenEndpointAuthMethod, UnixTime, User, UserId, Version, Versioned, Write,
};

use super::{Loaded, NOW, SECRET, loaded};

/// As long as an ES256 token of an API.
const SIGNED: [u8; 480] = [b'e'; 480];

/// What a server would have loaded, and what it would have been sent.
struct Rotation {
    loaded: Loaded,
    family: Versioned<RefreshFamily>,
    user: Versioned<User>,
    home: Connection,
    keys: RefreshKeys,
    form: String,
}

impl Rotation {
    /// A family that was rotated before, of a person who logged in to a confidential client.
    fn new() -> Self {
        let Loaded { client, resource_server, .. } = loaded(SigningAlgorithm::Es256);
        let keys = RefreshKeys::new(&[1; 32], &[2; 32]);
        let scope = |value: &str| ApiScope {
            value: ScopeToken::parse(value).expect("a scope"),
            description: String::new(),
            is_optional: false,
        };
        let loaded = Loaded {
            client: Client {
                grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
                token_endpoint_auth_method: TokenEndpointAuthMethod::ClientSecretPost,
                refresh_token_lifetime: Some(Lifetime(2_592_000)),
                refresh_token_idle_lifetime: Some(Lifetime(1_296_000)),
                ..client
            },
            resource_server: ResourceServer {
                identifier: ApiIdentifier::parse("https://api.example.com/").expect("an identifier"),
                scopes: vec![scope("read"), scope("write")],
                allow_offline_access: true,
                ..resource_server
            },
            ..loaded(SigningAlgorithm::Es256)
        };
        let home = ConnectionName::parse("Username-Password-Authentication").expect("a name");
        let user = User {
            id: UserId::parse("auth0|0123456789abcdef01234567").expect("an id"),
            connection: home.clone(),
            email: None,
            email_verified: false,
            username: None,
            password_hash: None,
            profile: Profile::default(),
            credentials_changed_at: NOW,
            is_blocked: false,
            created_at: NOW,
            updated_at: NOW,
        };
        let first = RefreshToken::first(&Moment::new(NOW, [1; 32]));
        let at_rotation = Moment::new(NOW, [2; 32]);
        let token = first.successor(&at_rotation);
        let sealed = token.seal_after(&first, NOW, &keys, &at_rotation).expect("a sealed token");
        let family = RefreshFamily {
            id: token.family().expect("an id"),
            user: user.id.clone(),
            client: loaded.client.id.clone(),
            audience: Audience::Api(loaded.resource_server.id.clone()),
            scopes: ScopeSet::parse("read offline_access").expect("scopes"),
            redirect_uri: Some("https://app.example.com/callback".to_owned()),
            origin: loaded.origin.clone(),
            session: None,
            authenticated_at: NOW,
            methods: vec![AuthenticationMethod::Password],
            names_auth_time: false,
            claims: None,
            generation: token.generation(),
            current: token.digest(),
            previous: Some(PreviousToken { digest: first.digest(), rotated_at: NOW, successor: sealed }),
            created_at: NOW,
            last_used_at: NOW,
            expires_at: Some(NOW.after(Lifetime(2_592_000))),
            idle_expires_at: Some(NOW.after(Lifetime(1_296_000))),
        };
        let form = format!(
            "grant_type=refresh_token&client_id={}&client_secret={SECRET}&refresh_token={}",
            loaded.client.id,
            token.to_text(&keys).expose()
        );
        Self {
            loaded,
            family: Versioned { record: family, version: Version(1) },
            user: Versioned { record: user, version: Version(2) },
            home: Connection { name: home, enabled_clients: EnabledClients::All, created_at: NOW },
            keys,
            form,
        }
    }

    fn moment() -> Moment {
        Moment::new(UnixTime(NOW.0 + 3600), [7; 32])
    }

    fn parse(&self) -> (Params, Presented) {
        Params::refuse_in_query(None).expect("no query");
        let params = Params::parse(Some("application/x-www-form-urlencoded"), self.form.as_bytes());
        let params = params.expect("a form");
        let presented = Presented::parse([], &params).expect("credentials");
        (params, presented)
    }

    fn decide<'r>(
        &'r self,
        request: &refresh_token::Request<'_>,
        presented: &Presented,
        token: &'r RefreshToken,
        moment: &Moment,
    ) -> (Vec<Write>, Tokens<'r>) {
        let Loaded { client, digest_key, resource_server, settings, origin, .. } = &self.loaded;
        let facts = refresh_token::Facts {
            client: authenticate(presented, Some(client), digest_key, moment.now).expect("the secret"),
            token: Some(token),
            family: Some(&self.family),
            still: StillFacts {
                user: Some(&self.user),
                api: Some(resource_server),
                client_grant: None,
                home: Some(&self.home),
                user_grant: None,
                consent_still_holds: true,
            },
            settings,
            origin,
            keys: &self.keys,
        };
        let Decision { writes, outcome } = refresh_token::decide(request, facts, moment);
        let Outcome::Granted(tokens) = outcome else { panic!("refused") };
        (writes, tokens)
    }

    /// From the bytes of a request to what is written and the bytes of the answer, without the signature.
    fn whole(&self) -> (Vec<Write>, String) {
        let (params, presented) = self.parse();
        let TokenRequest::RefreshToken(request) = TokenRequest::parse(&params).expect("a request") else {
            panic!("another grant")
        };
        let token = RefreshToken::parse(request.refresh_token, &self.keys).expect("a token of ours");
        // What the store is asked for.
        black_box(token.family().expect("an id"));
        let (writes, tokens) = self.decide(&request, &presented, &token, &Self::moment());
        let signed = String::from_utf8(SIGNED.to_vec()).expect("text");
        (writes, TokenResponse::of_tokens(&tokens, signed, None).to_json())
    }
}

/// The steps of a rotation and all of them.
pub(crate) fn rotations(c: &mut Criterion) {
    let rotation = Rotation::new();
    c.bench_function("rotation/parse", |b| b.iter(|| black_box(&rotation).parse()));
    let (params, presented) = rotation.parse();
    let TokenRequest::RefreshToken(request) = TokenRequest::parse(&params).expect("a request") else {
        panic!("another grant")
    };
    let text = request.refresh_token;
    c.bench_function("rotation/token", |b| {
        b.iter(|| RefreshToken::parse(black_box(text), &rotation.keys).map(|token| token.family()));
    });
    let token = RefreshToken::parse(text, &rotation.keys).expect("a token of ours");
    let moment = Rotation::moment();
    c.bench_function("rotation/authenticate_and_decide", |b| {
        b.iter(|| rotation.decide(black_box(&request), &presented, &token, &moment));
    });
    let (_, tokens) = rotation.decide(&request, &presented, &token, &moment);
    let signed = String::from_utf8(SIGNED.to_vec()).expect("text");
    c.bench_function("rotation/answer", |b| {
        b.iter(|| TokenResponse::of_tokens(black_box(&tokens), signed.clone(), None).to_json());
    });
    c.bench_function("rotation/whole", |b| b.iter(|| black_box(&rotation).whole()));
}
