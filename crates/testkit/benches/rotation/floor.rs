//! The floor: what any server must do that rotates refresh tokens durably and signs, and nothing else (ADR 4).
//!
//! Parse the form; check the client's secret and the token by their digests; read the family's row, check its generation and
//! digest; make the successor; sign; commit the row's next state, relying on the person's row as authd does; answer in
//! JSON. No host, tenant, policy, consent, cache, sealed successor, limit or log. One client, one person, one key, known
//! beforehand.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use authd::moment::{Moments, SystemMoments};
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use jwt_core::{Algorithm, Signer, SigningKey, TokenType};
use oauth_grants::{Moment, RefreshKeys, RefreshToken, SecretDigestKey};
use records::{ClientId, SecretDigest, SecretText, UnixTime, Version};
use serde::{Deserialize, Serialize};
use store::{Backend, Becomes, Expect, IndexEntry, Key, Kind, Operation};
use store_sqlite::Sqlite;
use testkit::World;

use crate::servers::{API, Model, answer, index, space};

/// A family's row, in the order in which authd writes it.
#[derive(Serialize, Deserialize)]
struct Row<'r> {
    v: u32,
    id: Cow<'r, str>,
    user: &'r str,
    client: &'r str,
    #[serde(borrow)]
    audience: BTreeMap<&'r str, &'r str>,
    scopes: &'r str,
    redirect_uri: Option<&'r str>,
    origin: &'r str,
    session: Option<&'r str>,
    authenticated_at: u64,
    #[serde(borrow)]
    methods: Vec<&'r str>,
    names_auth_time: bool,
    claims: Option<&'r str>,
    generation: u64,
    current: Cow<'r, str>,
    #[serde(borrow)]
    previous: Option<Previous<'r>>,
    created_at: u64,
    last_used_at: u64,
    expires_at: Option<u64>,
    idle_expires_at: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct Previous<'r> {
    digest: &'r str,
    rotated_at: u64,
    successor: &'r str,
}

#[derive(Serialize)]
struct Claims<'c> {
    iss: &'c str,
    sub: &'c str,
    aud: &'c str,
    iat: u64,
    exp: u64,
    scope: &'c str,
    azp: &'c str,
    jti: &'c str,
}

#[derive(Serialize)]
struct Answer<'a> {
    access_token: &'a str,
    token_type: &'a str,
    expires_in: u32,
    scope: &'a str,
    refresh_token: &'a str,
}

pub(crate) struct Floor {
    database: Sqlite,
    keys: RefreshKeys,
    digests: SecretDigestKey,
    client: ClientId,
    secret: SecretDigest,
    index: Vec<IndexEntry>,
    person: (Key, Version),
    signer: Signer,
}

fn digest_text(digest: SecretDigest) -> String {
    oauth_grants::generate::hexadecimal(&digest.0)
}

impl Floor {
    /// The server, and its tokens: as many as the model has.
    pub(crate) async fn new(database: Sqlite, model: &Model) -> (Arc<Self>, Vec<String>) {
        let people = database.page(&space(), Kind::User, None, None, 1).await.unwrap();
        let client = ClientId::parse("mobile").unwrap();
        let digests = SecretDigestKey::new(&[3; 32]);
        let key = SigningKey::from_pkcs8_der(Algorithm::Es256, &model.key).unwrap();
        let floor = Self {
            keys: RefreshKeys::new(&[1; 32], &[2; 32]),
            secret: digests.digest(&client, &SecretText::new(World::secret("first"))),
            digests,
            client,
            index: index(),
            person: (people[0].key.clone(), people[0].version),
            signer: Signer::new(key, TokenType::Jwt, Some("bench")).unwrap(),
            database,
        };
        let mut tokens = Vec::new();
        for _ in &model.tokens {
            let token = RefreshToken::first(&SystemMoments.draw());
            let id = token.family().unwrap();
            let row: Row<'_> = serde_json::from_str(&model.row).unwrap();
            let current = digest_text(token.digest()).into();
            let row = Row { id: id.as_str().into(), generation: 0, current, ..row };
            let put = floor.put(&Key::of(&[id.as_str()]), &row, Expect::Absent);
            floor.database.commit(&space(), vec![put]).await.unwrap();
            tokens.push(token.to_text(&floor.keys).expose().to_owned());
        }
        (Arc::new(floor), tokens)
    }

    fn put(&self, key: &Key, row: &Row<'_>, expect: Expect) -> Operation {
        let becomes = Becomes::Put {
            body: serde_json::to_string(row).unwrap(),
            index: self.index.clone(),
            drop_at: Some(UnixTime(2_000_000_000)),
        };
        Operation { kind: Kind::RefreshFamily, key: key.clone(), expect, becomes }
    }

    pub(crate) async fn rotate(&self, body: &[u8]) -> Response<Full<Bytes>> {
        let moment: Moment = SystemMoments.draw();
        let (mut presented, mut secret) = (None, None);
        for (name, value) in url::form_urlencoded::parse(body) {
            match &*name {
                "refresh_token" => presented = Some(value),
                "client_secret" => secret = Some(value),
                "grant_type" => assert_eq!(value, "refresh_token"),
                "client_id" => assert_eq!(value, self.client.as_str()),
                other => panic!("{other}"),
            }
        }
        let secret = SecretText::new(secret.unwrap().into_owned());
        assert!(self.digests.digest(&self.client, &secret) == self.secret);
        let token = RefreshToken::parse(&presented.unwrap(), &self.keys).unwrap();
        let key = Key::of(&[token.family().unwrap().as_str()]);
        let found = self.database.get(&space(), Kind::RefreshFamily, &key).await.unwrap().unwrap();
        let row: Row<'_> = serde_json::from_str(&found.body).unwrap();
        assert!(row.generation == token.generation() && row.current == digest_text(token.digest()));

        let successor = token.successor(&moment);
        let id = oauth_grants::generate::hexadecimal(&moment.bytes::<11>("jti"));
        let access_token = self.signer.sign(&Claims {
            iss: row.origin,
            sub: row.user,
            aud: API,
            iat: moment.now.0,
            exp: moment.now.0 + 86_400,
            scope: row.scopes,
            azp: row.client,
            jti: &id,
        });
        let next = Row {
            generation: successor.generation(),
            current: digest_text(successor.digest()).into(),
            last_used_at: moment.now.0,
            ..row
        };
        let (person, version) = &self.person;
        let relied = Operation {
            kind: Kind::User,
            key: person.clone(),
            expect: Expect::Version(*version),
            becomes: Becomes::Keep,
        };
        let put = self.put(&key, &next, Expect::Version(found.version));
        self.database.commit(&space(), vec![put, relied]).await.unwrap();
        let refresh_token = successor.to_text(&self.keys);
        let text = Answer {
            access_token: &access_token.unwrap(),
            token_type: "Bearer",
            expires_in: 86_400,
            scope: next.scopes,
            refresh_token: refresh_token.expose(),
        };
        answer(serde_json::to_vec(&text).unwrap())
    }
}
