//! The stored form of an application.

use records::{
    ApplicationType, Client, ClientId, ClientSecret, GrantType, Lifetime, RotationType, SecretDigest,
    SecretText, SigningAlgorithm, ThirdPartySecurityMode, TokenEndpointAuthMethod, UnixTime,
};
use serde::{Deserialize, Serialize};

use super::{Seals, Stored, Unreadable, decode_digest, encode_digest};
use crate::seal::SealError;
use crate::{Key, Kind};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    v: u32,
    id: String,
    name: String,
    application_type: Type,
    is_first_party: bool,
    third_party_security_mode: Mode,
    grant_types: Vec<String>,
    token_endpoint_auth_method: Method,
    secrets: Vec<Secret>,
    callbacks: Vec<String>,
    web_origins: Vec<String>,
    allowed_logout_urls: Vec<String>,
    refresh_token_rotation: Rotation,
    refresh_token_leeway: u32,
    created_at: u64,
    // Since form 2:
    #[serde(default = "id_token_algorithm")]
    id_token_algorithm: String,
    #[serde(default = "id_token_lifetime")]
    id_token_lifetime: u32,
    /// Sealed.
    #[serde(default)]
    id_token_secret: Option<String>,
    #[serde(default)]
    skip_non_verifiable_callback_uri_confirmation_prompt: Option<bool>,
    #[serde(default)]
    logo_uri: Option<String>,
    #[serde(default)]
    refresh_token_lifetime: Option<u32>,
    #[serde(default)]
    refresh_token_idle_lifetime: Option<u32>,
    #[serde(default)]
    backchannel_logout_uri: Option<String>,
}

fn id_token_algorithm() -> String {
    SigningAlgorithm::Rs256.name().to_owned()
}

/// Auth0's default: ten hours.
fn id_token_lifetime() -> u32 {
    36_000
}

const SECRET: &str = "id_token_secret";

/// A secret is known by its keyed digest alone, so there is nothing to seal.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    digest: String,
    created_at: u64,
    expires_at: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Type {
    Native,
    SinglePage,
    RegularWeb,
    NonInteractive,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Strict,
    Permissive,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Method {
    None,
    ClientSecretPost,
    ClientSecretBasic,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Rotation {
    Rotating,
    NonRotating,
}

impl Stored for Client {
    const KIND: Kind = Kind::Client;
    const FORM: u32 = 2;
    type Form<'f> = Form;

    fn key(&self) -> Key {
        Key::of(&[self.id.as_str()])
    }

    fn to_form(&self, seals: &Seals<'_>) -> Result<Form, SealError> {
        Ok(Form {
            v: Self::FORM,
            id: self.id.to_string(),
            name: self.name.clone(),
            application_type: match self.application_type {
                ApplicationType::Native => Type::Native,
                ApplicationType::SinglePage => Type::SinglePage,
                ApplicationType::RegularWeb => Type::RegularWeb,
                ApplicationType::NonInteractive => Type::NonInteractive,
            },
            is_first_party: self.is_first_party,
            third_party_security_mode: match self.third_party_security_mode {
                ThirdPartySecurityMode::Strict => Mode::Strict,
                ThirdPartySecurityMode::Permissive => Mode::Permissive,
            },
            grant_types: self.grant_types.iter().map(|grant_type| grant_type.name().to_owned()).collect(),
            token_endpoint_auth_method: match self.token_endpoint_auth_method {
                TokenEndpointAuthMethod::None => Method::None,
                TokenEndpointAuthMethod::ClientSecretPost => Method::ClientSecretPost,
                TokenEndpointAuthMethod::ClientSecretBasic => Method::ClientSecretBasic,
            },
            secrets: self.secrets.iter().map(secret_form).collect(),
            callbacks: self.callbacks.clone(),
            web_origins: self.web_origins.clone(),
            allowed_logout_urls: self.allowed_logout_urls.clone(),
            refresh_token_rotation: match self.refresh_token_rotation {
                RotationType::Rotating => Rotation::Rotating,
                RotationType::NonRotating => Rotation::NonRotating,
            },
            refresh_token_leeway: self.refresh_token_leeway.0,
            created_at: self.created_at.0,
            id_token_algorithm: self.id_token_algorithm.name().to_owned(),
            id_token_lifetime: self.id_token_lifetime.0,
            id_token_secret: self
                .id_token_secret
                .as_ref()
                .map(|secret| seals.seal(SECRET, secret.expose().as_bytes()))
                .transpose()?,
            skip_non_verifiable_callback_uri_confirmation_prompt: self
                .skip_non_verifiable_callback_uri_confirmation_prompt,
            logo_uri: self.logo_uri.clone(),
            refresh_token_lifetime: self.refresh_token_lifetime.map(|lifetime| lifetime.0),
            refresh_token_idle_lifetime: self.refresh_token_idle_lifetime.map(|lifetime| lifetime.0),
            backchannel_logout_uri: self.backchannel_logout_uri.clone(),
        })
    }

    fn from_form(form: Form, seals: &Seals<'_>) -> Result<Self, Unreadable> {
        let grant_type =
            |name: &String| GrantType::from_name(name).ok_or_else(|| Unreadable::member("grant_type"));
        Ok(Self {
            id: ClientId::parse(&form.id)?,
            name: form.name,
            application_type: match form.application_type {
                Type::Native => ApplicationType::Native,
                Type::SinglePage => ApplicationType::SinglePage,
                Type::RegularWeb => ApplicationType::RegularWeb,
                Type::NonInteractive => ApplicationType::NonInteractive,
            },
            is_first_party: form.is_first_party,
            third_party_security_mode: match form.third_party_security_mode {
                Mode::Strict => ThirdPartySecurityMode::Strict,
                Mode::Permissive => ThirdPartySecurityMode::Permissive,
            },
            grant_types: form.grant_types.iter().map(grant_type).collect::<Result<_, _>>()?,
            token_endpoint_auth_method: match form.token_endpoint_auth_method {
                Method::None => TokenEndpointAuthMethod::None,
                Method::ClientSecretPost => TokenEndpointAuthMethod::ClientSecretPost,
                Method::ClientSecretBasic => TokenEndpointAuthMethod::ClientSecretBasic,
            },
            secrets: form.secrets.into_iter().map(secret_record).collect::<Result<_, _>>()?,
            callbacks: form.callbacks,
            web_origins: form.web_origins,
            allowed_logout_urls: form.allowed_logout_urls,
            refresh_token_rotation: match form.refresh_token_rotation {
                Rotation::Rotating => RotationType::Rotating,
                Rotation::NonRotating => RotationType::NonRotating,
            },
            refresh_token_leeway: Lifetime(form.refresh_token_leeway),
            created_at: UnixTime(form.created_at),
            id_token_algorithm: SigningAlgorithm::from_name(&form.id_token_algorithm)
                .ok_or_else(|| Unreadable::member("id_token_algorithm"))?,
            id_token_lifetime: Lifetime(form.id_token_lifetime),
            id_token_secret: form
                .id_token_secret
                .map(|text| -> Result<SecretText, Unreadable> { seals.open_text(SECRET, &text) })
                .transpose()?,
            skip_non_verifiable_callback_uri_confirmation_prompt: form
                .skip_non_verifiable_callback_uri_confirmation_prompt,
            logo_uri: form.logo_uri,
            refresh_token_lifetime: form.refresh_token_lifetime.map(Lifetime),
            refresh_token_idle_lifetime: form.refresh_token_idle_lifetime.map(Lifetime),
            backchannel_logout_uri: form.backchannel_logout_uri,
        })
    }
}

fn secret_form(secret: &ClientSecret) -> Secret {
    Secret {
        digest: encode_digest(&secret.digest.0),
        created_at: secret.created_at.0,
        expires_at: secret.expires_at.map(|time| time.0),
    }
}

fn secret_record(form: Secret) -> Result<ClientSecret, Unreadable> {
    Ok(ClientSecret {
        digest: SecretDigest(
            decode_digest(&form.digest).ok_or_else(|| Unreadable::because("has a bad digest"))?,
        ),
        created_at: UnixTime(form.created_at),
        expires_at: form.expires_at.map(UnixTime),
    })
}
