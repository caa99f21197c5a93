//! Tokens as an application or an API would check them: against the published keys.

use jwt_core::{Algorithm, JwkSet};
use resource_server::Expectations;
use serde_json::Value;

use crate::World;

impl World {
    /// The claims of an access token for an API of this tenant, verified.
    pub async fn verified(&self, tenant: &str, token: &str, audience: &str) -> Value {
        let keys = self.published_keys(tenant).await;
        let expected = Expectations::new(Self::origin(tenant), audience, &[Algorithm::Rs256]);
        let verifier = expected.with_keys(&keys).expect("the published keys serve");
        let verified = verifier.verify(token, self.moments().now().0);
        verified.unwrap_or_else(|refusal| panic!("the API refuses the token: {refusal:?}"));
        self.claims(token)
    }

    /// The claims of an ID token for an application of this tenant, verified. `secret`: of an application whose ID tokens
    /// are signed with HS256.
    pub async fn identified(
        &self,
        tenant: &str,
        token: &str,
        client_id: &str,
        secret: Option<&str>,
    ) -> Value {
        let keys: jwt_core::KeySet = match secret {
            Some(secret) => {
                jwt_core::VerifyingKey::dangerous_from_short_secret(Algorithm::Hs256, secret.as_bytes())
                    .expect("the secret serves")
                    .into()
            }
            None => (&self.published_keys(tenant).await).into(),
        };
        let verifier = jwt_core::Verifier::builder(keys)
            .issuer(Self::origin(tenant))
            .audience(client_id)
            .token_type(jwt_core::TokenType::Jwt)
            .build();
        let mut scratch = jwt_core::Scratch::default();
        let verified = verifier.verify::<()>(token, self.moments().now().0, &mut scratch);
        assert!(verified.is_ok(), "the application refuses the ID token: {:?}", verified.err());
        self.claims(token)
    }

    async fn published_keys(&self, tenant: &str) -> JwkSet {
        let reply = self.get(tenant, "/.well-known/jwks.json").send().await;
        JwkSet::parse(&reply.text()).expect("the published keys are a key set")
    }

    /// What a token says, verified or not.
    pub fn claims(&self, token: &str) -> Value {
        let (_, claims) = jwt_core::dangerous_inspect(token).expect("the token is a JWT");
        serde_json::from_str(&claims).expect("the claims are JSON")
    }
}
