//! The stored form of a person, and of the names they log in with. The password's hash is sealed.

use records::{ConnectionName, Email, LoginName, Profile, SecretText, UnixTime, User, UserId, Username};
use serde::{Deserialize, Serialize};

use super::{Seals, Stored, Unreadable};
use crate::seal::SealError;
use crate::{IndexEntry, Key, Kind};

/// The index by connection.
pub(crate) const BY_CONNECTION: &str = "connection";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    v: u32,
    id: String,
    connection: String,
    email: Option<String>,
    email_verified: bool,
    username: Option<String>,
    /// Sealed.
    password_hash: Option<String>,
    profile: ProfileForm,
    credentials_changed_at: u64,
    is_blocked: bool,
    created_at: u64,
    updated_at: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileForm {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    given_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    family_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    middle_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nickname: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    preferred_username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    picture: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    website: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gender: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    birthdate: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zoneinfo: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    locale: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phone_number: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    phone_number_verified: bool,
}

const HASH: &str = "password_hash";

impl Stored for User {
    const KIND: Kind = Kind::User;
    type Form = Form;

    fn key(&self) -> Key {
        Key::of(&[self.id.as_str()])
    }

    fn index(&self) -> Vec<IndexEntry> {
        vec![IndexEntry::of(BY_CONNECTION, &[self.connection.as_str()])]
    }

    fn to_form(&self, seals: &Seals<'_>) -> Result<Form, SealError> {
        let seal = |hash: &SecretText| seals.seal(HASH, hash.expose().as_bytes());
        Ok(Form {
            v: Self::FORM,
            id: self.id.to_string(),
            connection: self.connection.to_string(),
            email: self.email.as_ref().map(|email| email.as_str().to_owned()),
            email_verified: self.email_verified,
            username: self.username.as_ref().map(|username| username.as_str().to_owned()),
            password_hash: self.password_hash.as_ref().map(seal).transpose()?,
            profile: profile_form(&self.profile),
            credentials_changed_at: self.credentials_changed_at.0,
            is_blocked: self.is_blocked,
            created_at: self.created_at.0,
            updated_at: self.updated_at.0,
        })
    }

    fn from_form(form: Form, seals: &Seals<'_>) -> Result<Self, Unreadable> {
        Ok(Self {
            id: UserId::parse(&form.id)?,
            connection: ConnectionName::parse(&form.connection)?,
            email: form.email.as_deref().map(Email::parse).transpose()?,
            email_verified: form.email_verified,
            username: form.username.as_deref().map(Username::parse).transpose()?,
            password_hash: form.password_hash.map(|text| seals.open_text(HASH, &text)).transpose()?,
            profile: profile_record(form.profile),
            credentials_changed_at: UnixTime(form.credentials_changed_at),
            is_blocked: form.is_blocked,
            created_at: UnixTime(form.created_at),
            updated_at: UnixTime(form.updated_at),
        })
    }
}

fn profile_form(profile: &Profile) -> ProfileForm {
    ProfileForm {
        name: profile.name.clone(),
        given_name: profile.given_name.clone(),
        family_name: profile.family_name.clone(),
        middle_name: profile.middle_name.clone(),
        nickname: profile.nickname.clone(),
        preferred_username: profile.preferred_username.clone(),
        profile: profile.profile.clone(),
        picture: profile.picture.clone(),
        website: profile.website.clone(),
        gender: profile.gender.clone(),
        birthdate: profile.birthdate.clone(),
        zoneinfo: profile.zoneinfo.clone(),
        locale: profile.locale.clone(),
        phone_number: profile.phone_number.clone(),
        address: profile.address.clone(),
        phone_number_verified: profile.phone_number_verified,
    }
}

fn profile_record(form: ProfileForm) -> Profile {
    Profile {
        name: form.name,
        given_name: form.given_name,
        family_name: form.family_name,
        middle_name: form.middle_name,
        nickname: form.nickname,
        preferred_username: form.preferred_username,
        profile: form.profile,
        picture: form.picture,
        website: form.website,
        gender: form.gender,
        birthdate: form.birthdate,
        zoneinfo: form.zoneinfo,
        locale: form.locale,
        phone_number: form.phone_number,
        address: form.address,
        phone_number_verified: form.phone_number_verified,
    }
}

/// The key of the row of a name that somebody logs in with.
pub(crate) fn login_key(connection: &ConnectionName, name: &LoginName) -> Key {
    Key::of(&[connection.as_str(), name.as_str()])
}

/// Who logs in with a name. Its absence is the claim.
pub(crate) struct LoginOwner {
    pub(crate) connection: ConnectionName,
    pub(crate) name: String,
    pub(crate) user: UserId,
}

impl LoginOwner {
    pub(crate) fn new(user: &User, name: &LoginName) -> Self {
        let (connection, id) = (user.connection.clone(), user.id.clone());
        Self { connection, name: name.as_str().to_owned(), user: id }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoginForm {
    v: u32,
    connection: String,
    name: String,
    user: String,
}

impl Stored for LoginOwner {
    const KIND: Kind = Kind::UserLogin;
    type Form = LoginForm;

    fn key(&self) -> Key {
        Key::of(&[self.connection.as_str(), &self.name])
    }

    fn to_form(&self, _: &Seals<'_>) -> Result<LoginForm, SealError> {
        let (connection, user) = (self.connection.to_string(), self.user.to_string());
        Ok(LoginForm { v: Self::FORM, connection, name: self.name.clone(), user })
    }

    fn from_form(form: LoginForm, _: &Seals<'_>) -> Result<Self, Unreadable> {
        let connection = ConnectionName::parse(&form.connection)?;
        Ok(Self { connection, name: form.name, user: UserId::parse(&form.user)? })
    }
}
