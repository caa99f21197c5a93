//! The stored form of a person, and of the names they log in with. The password's hash is sealed, and read so.

use records::{
    ConnectionName, Email, LoginName, PasswordHash, Profile, SealedHash, SecretText, UnixTime, User, UserId,
    Username,
};
use serde::{Deserialize, Serialize};

use super::text::Text;
use super::{Seals, Stored, Unreadable};
use crate::seal::{SealError, Sealer};
use crate::{IndexEntry, Key, Kind, Space, Unavailable};

/// The index by connection.
pub(crate) const BY_CONNECTION: &str = "connection";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form<'f> {
    v: u32,
    #[serde(borrow)]
    id: Text<'f>,
    connection: Text<'f>,
    email: Option<Text<'f>>,
    email_verified: bool,
    username: Option<Text<'f>>,
    /// Sealed.
    password_hash: Option<Text<'f>>,
    profile: ProfileForm<'f>,
    credentials_changed_at: u64,
    is_blocked: bool,
    created_at: u64,
    updated_at: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileForm<'f> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    name: Option<Text<'f>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    given_name: Option<Text<'f>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    family_name: Option<Text<'f>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    middle_name: Option<Text<'f>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nickname: Option<Text<'f>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    preferred_username: Option<Text<'f>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    profile: Option<Text<'f>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    picture: Option<Text<'f>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    website: Option<Text<'f>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gender: Option<Text<'f>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    birthdate: Option<Text<'f>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zoneinfo: Option<Text<'f>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    locale: Option<Text<'f>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phone_number: Option<Text<'f>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<Text<'f>>,
    phone_number_verified: bool,
}

const HASH: &str = "password_hash";

impl Stored for User {
    const KIND: Kind = Kind::User;
    type Form<'f> = Form<'f>;

    fn key(&self) -> Key {
        Key::of(&[self.id.as_str()])
    }

    fn index(&self) -> Vec<IndexEntry> {
        vec![IndexEntry::of(BY_CONNECTION, &[self.connection.as_str()])]
    }

    fn to_form<'f>(&'f self, seals: &Seals<'_>) -> Result<Form<'f>, SealError> {
        let sealed = |hash: &'f PasswordHash| match hash {
            PasswordHash::New(hash) => seals.seal(HASH, hash.expose().as_bytes()).map(Text::from),
            PasswordHash::Sealed(hash) => match seals.space {
                Space::Tenant(tenant) if hash.is_of(tenant, &self.id) => {
                    seals.sealed_again(HASH, hash.text())
                }
                Space::Tenant(_) | Space::Directory => Err(SealError::NotAuthentic),
            },
        };
        Ok(Form {
            v: Self::FORM,
            id: self.id.as_str().into(),
            connection: self.connection.as_str().into(),
            email: self.email.as_ref().map(|email| email.as_str().into()),
            email_verified: self.email_verified,
            username: self.username.as_ref().map(|username| username.as_str().into()),
            password_hash: self.password_hash.as_ref().map(sealed).transpose()?,
            profile: profile_form(&self.profile),
            credentials_changed_at: self.credentials_changed_at.0,
            is_blocked: self.is_blocked,
            created_at: self.created_at.0,
            updated_at: self.updated_at.0,
        })
    }

    fn from_form(form: Form<'_>, seals: &Seals<'_>) -> Result<Self, Unreadable> {
        let id = UserId::parse(&form.id)?;
        let sealed = |text: Text<'_>| match seals.space {
            Space::Tenant(tenant) => Ok(SealedHash::new(tenant.clone(), id.clone(), text.into_owned())),
            Space::Directory => Err(Unreadable::because("stands in a space that is no tenant's")),
        };
        Ok(Self {
            connection: ConnectionName::parse(&form.connection)?,
            email: form.email.as_deref().map(Email::parse).transpose()?,
            email_verified: form.email_verified,
            username: form.username.as_deref().map(Username::parse).transpose()?,
            password_hash: form.password_hash.map(sealed).transpose()?.map(PasswordHash::Sealed),
            profile: profile_record(form.profile),
            credentials_changed_at: UnixTime(form.credentials_changed_at),
            is_blocked: form.is_blocked,
            created_at: UnixTime(form.created_at),
            updated_at: UnixTime(form.updated_at),
            id,
        })
    }

    fn open_sealed(&self, seals: &Seals<'_>) -> Result<(), Unreadable> {
        opened(self, seals).map(drop)
    }
}

fn opened(user: &User, seals: &Seals<'_>) -> Result<Option<SecretText>, Unreadable> {
    match &user.password_hash {
        None => Ok(None),
        Some(PasswordHash::New(hash)) => Ok(Some(hash.clone())),
        Some(PasswordHash::Sealed(hash)) => seals.open_text(HASH, hash.text()).map(Some),
    }
}

/// The hash of a person's password, opened in the person's own row of this space: another's does not.
pub(crate) fn password_hash(
    sealer: &Sealer,
    space: &Space,
    user: &User,
) -> Result<Option<SecretText>, Unavailable> {
    let key = user.key();
    let opened = opened(user, &Seals { sealer, space, kind: User::KIND, key: &key });
    opened.map_err(|unreadable| unreadable.of::<User>(key))
}

/// Whether two states of a person have one password hash. They are opened only where they do not say so themselves: a
/// hash is sealed again when a key is replaced.
pub(crate) fn has_same_password(
    sealer: &Sealer,
    space: &Space,
    one: &User,
    other: &User,
) -> Result<bool, Unavailable> {
    if one.id != other.id || one.password_hash.is_some() != other.password_hash.is_some() {
        return Ok(false);
    }
    Ok(one.password_hash == other.password_hash
        || password_hash(sealer, space, one)? == password_hash(sealer, space, other)?)
}

fn profile_form(profile: &Profile) -> ProfileForm<'_> {
    fn text(text: &Option<String>) -> Option<Text<'_>> {
        text.as_deref().map(Text::from)
    }
    ProfileForm {
        name: text(&profile.name),
        given_name: text(&profile.given_name),
        family_name: text(&profile.family_name),
        middle_name: text(&profile.middle_name),
        nickname: text(&profile.nickname),
        preferred_username: text(&profile.preferred_username),
        profile: text(&profile.profile),
        picture: text(&profile.picture),
        website: text(&profile.website),
        gender: text(&profile.gender),
        birthdate: text(&profile.birthdate),
        zoneinfo: text(&profile.zoneinfo),
        locale: text(&profile.locale),
        phone_number: text(&profile.phone_number),
        address: text(&profile.address),
        phone_number_verified: profile.phone_number_verified,
    }
}

fn profile_record(form: ProfileForm<'_>) -> Profile {
    let text = |text: Option<Text<'_>>| text.map(Text::into_owned);
    Profile {
        name: text(form.name),
        given_name: text(form.given_name),
        family_name: text(form.family_name),
        middle_name: text(form.middle_name),
        nickname: text(form.nickname),
        preferred_username: text(form.preferred_username),
        profile: text(form.profile),
        picture: text(form.picture),
        website: text(form.website),
        gender: text(form.gender),
        birthdate: text(form.birthdate),
        zoneinfo: text(form.zoneinfo),
        locale: text(form.locale),
        phone_number: text(form.phone_number),
        address: text(form.address),
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
pub(crate) struct LoginForm<'f> {
    v: u32,
    #[serde(borrow)]
    connection: Text<'f>,
    name: Text<'f>,
    user: Text<'f>,
}

impl Stored for LoginOwner {
    const KIND: Kind = Kind::UserLogin;
    type Form<'f> = LoginForm<'f>;

    fn key(&self) -> Key {
        Key::of(&[self.connection.as_str(), &self.name])
    }

    fn to_form<'f>(&'f self, _: &Seals<'_>) -> Result<LoginForm<'f>, SealError> {
        let (connection, user) = (self.connection.as_str().into(), self.user.as_str().into());
        Ok(LoginForm { v: Self::FORM, connection, name: self.name.as_str().into(), user })
    }

    fn from_form(form: LoginForm<'_>, _: &Seals<'_>) -> Result<Self, Unreadable> {
        let connection = ConnectionName::parse(&form.connection)?;
        Ok(Self { connection, name: form.name.into_owned(), user: UserId::parse(&form.user)? })
    }
}
