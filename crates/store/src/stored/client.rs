//! The stored form of an application.

use records::{
    ApplicationType, Client, ClientId, ClientSecret, GrantType, Lifetime, RotationType, SecretDigest,
    ThirdPartySecurityMode, TokenEndpointAuthMethod, UnixTime,
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
}

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
    type Form = Form;

    fn key(&self) -> Key {
        Key::of(&[self.id.as_str()])
    }

    fn to_form(&self, _: &Seals<'_>) -> Result<Form, SealError> {
        Ok(Form {
            v: super::FORM,
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
        })
    }

    fn from_form(form: Form, _: &Seals<'_>) -> Result<Self, Unreadable> {
        let grant_type = |name: &String| GrantType::from_name(name).ok_or(Unreadable::member("grant_type"));
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
        digest: SecretDigest(decode_digest(&form.digest).ok_or(Unreadable::because("has a bad digest"))?),
        created_at: UnixTime(form.created_at),
        expires_at: form.expires_at.map(UnixTime),
    })
}
