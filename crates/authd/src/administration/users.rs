//! People: who they are, their passwords, keeping them out, removing them (OpenID Connect Core 1.0 §5.1).

use oauth_grants::Moment;
use oauth_grants::generate::hexadecimal;
use records::{
    ConnectionName, Email, LoginName, PasswordHash, Profile, SecretText, User, UserId, Username, Versioned,
    Write,
};
use store::UserGrantsOf;

use super::{Refusal, connections, revocations, settle};
use crate::backend::AnyStore;
use crate::moment::Moments;
use crate::passwords::{Busy, Passwords};

/// How many rows one commit removes: a person with very many sessions must not hold up everybody else's commits.
pub(super) const SLICE: usize = 100;

/// What a new person is made from.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Where the person logs in.
    pub connection: ConnectionName,
    /// Their address; it, or a username, there must be.
    pub email: Option<Email>,
    /// Whether somebody made sure that the address is theirs.
    pub email_verified: bool,
    /// What they may log in with instead.
    pub username: Option<Username>,
    /// Their password; without one they cannot log in by password.
    pub password: Option<SecretText>,
    /// What applications may be told. Name and nickname follow from the address, as at Auth0, where nothing is said.
    pub profile: Profile,
}

impl NewUser {
    /// Somebody of whom nothing is known but the address.
    pub fn with_email(connection: ConnectionName, email: Email) -> Self {
        Self {
            connection,
            email: Some(email),
            email_verified: false,
            username: None,
            password: None,
            profile: Profile::default(),
        }
    }
}

/// The person that this makes, without a password's hash, if they may be.
pub fn validate(new: NewUser, moment: &Moment) -> Result<User, Refusal> {
    if let Some(password) = &new.password {
        check_password(password)?;
    }
    let mut profile = new.profile;
    let local_part = new.email.as_ref().and_then(|email| email.as_str().split_once('@'));
    let login = local_part.map(|(local, _)| local).or(new.username.as_ref().map(Username::as_str));
    // An address may have what a name may not: then there is no name.
    let named = |text: Option<&str>| text.filter(|text| super::check_name(text).is_ok()).map(str::to_owned);
    profile.nickname = profile.nickname.or_else(|| named(login));
    profile.name = profile.name.or_else(|| named(new.email.as_ref().map(Email::as_str).or(login)));
    let user = User {
        id: user_id(moment)?,
        connection: new.connection,
        email_verified: new.email_verified && new.email.is_some(),
        email: new.email,
        username: new.username,
        password_hash: None,
        profile,
        credentials_changed_at: records::UnixTime(0),
        is_blocked: false,
        created_at: moment.now,
        updated_at: moment.now,
    };
    check(&user)?;
    Ok(user)
}

/// Makes a person, under an id that nobody had before and nobody will have again (threats LC-26).
pub async fn create(
    store: &AnyStore,
    passwords: &Passwords,
    mut new: NewUser,
    moments: &dyn Moments,
) -> Result<User, Refusal> {
    let mut user = validate(new.clone(), &moments.draw())?;
    // What can be refused cheaply was; the hash is made once, whatever conflicts there are.
    check_names(store, &user, None).await?;
    if let Some(password) = new.password.take() {
        user.password_hash = Some(PasswordHash::New(hash(passwords, password, moments).await?));
    }
    settle(store, async || {
        let connection = connections::find(store, &user.connection).await?;
        check_names(store, &user, None).await?;
        Ok((vec![Write::CreateUser(user.clone(), (*connection).clone())], user.clone()))
    })
    .await
}

/// Changes a person by a pure function of their present state; returns the new state. Id, connection and password are
/// kept whatever the function says. Whoever is blocked keeps their sessions, but these are refused while it lasts.
pub async fn update(
    store: &AnyStore,
    id: &UserId,
    change: impl Fn(User) -> User,
    moments: &dyn Moments,
) -> Result<User, Refusal> {
    settle(store, async || {
        let present = by_id(store, id).await?;
        let mut next = change(present.record.clone());
        next.id = present.record.id.clone();
        next.connection = present.record.connection.clone();
        next.password_hash = present.record.password_hash.clone();
        next.created_at = present.record.created_at;
        next.email_verified &= next.email.is_some();
        if next == present.record {
            return Ok((Vec::new(), next));
        }
        check(&next)?;
        check_names(store, &next, Some(id)).await?;
        next.updated_at = moments.draw().now;
        Ok((vec![Write::ReplaceUser(present, next.clone())], next))
    })
    .await
}

/// Gives a person a new password and ends their sessions and refresh tokens: whoever knew the old one is out
/// (threats LC-08).
pub async fn set_password(
    store: &AnyStore,
    passwords: &Passwords,
    id: &UserId,
    password: SecretText,
    moments: &dyn Moments,
) -> Result<(), Refusal> {
    check_password(&password)?;
    by_id(store, id).await?;
    let hash = hash(passwords, password, moments).await?;
    settle(store, async || {
        let present = by_id(store, id).await?;
        let changed = present.record.credentials_changed(moments.draw().now);
        let next = User {
            password_hash: Some(PasswordHash::New(hash.clone())),
            // What came of logins before it gives nothing from now on, whatever is left to be removed.
            credentials_changed_at: changed,
            ..present.record.clone()
        };
        // The first sessions in the same commit, which are all that most people have. A login under way with the old
        // password relies on the record as it was, so it cannot come after.
        let mut writes = ended_sessions(store, id).await?;
        writes.push(Write::ReplaceUser(present, next));
        Ok((writes, ()))
    })
    .await?;
    end_sessions(store, id).await?;
    revocations::refresh_tokens_of_user(store, id).await
}

/// Removes a person, their sessions, their refresh tokens and what they allowed applications. What they were shown when they allowed it is
/// kept. Stopped half-way it can be run again: the person is kept out first and removed last.
pub async fn delete(store: &AnyStore, id: &UserId, moments: &dyn Moments) -> Result<(), Refusal> {
    update(store, id, |user| User { is_blocked: true, ..user }, moments).await?;
    end_sessions(store, id).await?;
    revocations::refresh_tokens_of_user(store, id).await?;
    in_slices(store, async || {
        let grants = store.user_grants(UserGrantsOf::User(id), None, SLICE).await?;
        Ok(grants.into_iter().map(Write::DeleteUserGrant).collect())
    })
    .await?;
    settle(store, async || {
        let present = by_id(store, id).await?;
        if !present.record.is_blocked {
            return Err(Refusal::Invalid(format!(
                "somebody let {id} in again meanwhile: nothing was removed"
            )));
        }
        Ok((vec![Write::DeleteUser(present)], ()))
    })
    .await
}

/// Ends every session of a person.
pub async fn end_sessions(store: &AnyStore, id: &UserId) -> Result<(), Refusal> {
    in_slices(store, async || ended_sessions(store, id).await).await
}

async fn ended_sessions(store: &AnyStore, id: &UserId) -> Result<Vec<Write>, Refusal> {
    let sessions = store.sessions(id, None, SLICE).await?;
    Ok(sessions.into_iter().map(Write::DeleteSession).collect())
}

/// Commits one slice after the other until there is none left.
pub(super) async fn in_slices(
    store: &AnyStore,
    slice: impl AsyncFn() -> Result<Vec<Write>, Refusal>,
) -> Result<(), Refusal> {
    loop {
        let is_last = settle(store, async || {
            let writes = slice().await?;
            let is_last = writes.is_empty();
            Ok((writes, is_last))
        })
        .await?;
        if is_last {
            return Ok(());
        }
    }
}

/// The person of this id, or a refusal that names it.
pub async fn by_id(store: &AnyStore, id: &UserId) -> Result<Versioned<User>, Refusal> {
    store.user(id).await?.ok_or_else(|| Refusal::Missing(format!("there is no user {id}")))
}

/// The person of this id or, for people who have that at hand, this address or username. A name that two connections
/// know is refused: neither person should be changed by mistake.
pub async fn find(store: &AnyStore, text: &str) -> Result<Versioned<User>, Refusal> {
    if let Ok(id) = UserId::parse(text)
        && let Some(user) = store.user(&id).await?
    {
        return Ok(user);
    }
    let missing = || Refusal::Missing(format!("there is no user with the id, address or username {text:?}"));
    let name = LoginName::typed(text).ok_or_else(missing)?;
    let mut found: Option<Versioned<User>> = None;
    for connection in connections::all(store).await? {
        if let Some(user) = store.user_by_login(&connection.record.name, &name).await? {
            if let Some(other) = &found {
                return Err(Refusal::Invalid(format!(
                    "{text:?} is {} in one connection and {} in another: name the id",
                    other.record.id, user.record.id
                )));
            }
            found = Some(user);
        }
    }
    found.ok_or_else(missing)
}

/// Everybody, or everybody whom a connection knows, by id.
pub async fn all(
    store: &AnyStore,
    connection: Option<&ConnectionName>,
) -> Result<Vec<Versioned<User>>, Refusal> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = store.users(connection, after.as_ref(), 500).await?;
        let Some(last) = page.last() else { return Ok(found) };
        after = Some(last.record.id.clone());
        found.extend(page);
    }
}

/// `auth0|` and 24 hexadecimal digits, as Auth0's: 96 random bits never come twice.
fn user_id(moment: &Moment) -> Result<UserId, Refusal> {
    let digits = hexadecimal(&moment.bytes::<12>("user id"));
    Ok(UserId::parse(&format!("auth0|{digits}"))?)
}

/// What holds for everybody, new or changed.
fn check(user: &User) -> Result<(), Refusal> {
    if user.email.is_none() && user.username.is_none() {
        return Err(Refusal::Invalid("a user has an e-mail address or a username".to_owned()));
    }
    let Profile {
        name,
        given_name,
        family_name,
        middle_name,
        nickname,
        preferred_username,
        profile,
        picture,
        website,
        gender,
        birthdate,
        zoneinfo,
        locale,
        phone_number,
        phone_number_verified: _,
        address,
    } = &user.profile;
    let words = [
        ("name", name),
        ("given_name", given_name),
        ("family_name", family_name),
        ("middle_name", middle_name),
        ("nickname", nickname),
        ("preferred_username", preferred_username),
        ("gender", gender),
        ("birthdate", birthdate),
        ("zoneinfo", zoneinfo),
        ("locale", locale),
        ("phone_number", phone_number),
    ];
    for (claim, text) in words {
        if text.as_ref().is_some_and(|text| super::check_name(text).is_err()) {
            return Err(Refusal::Invalid(format!(
                "{claim} must be 1 to 200 bytes without <, >, control characters and changes of direction"
            )));
        }
    }
    // The one text that has lines (OpenID Connect Core 1.0 §5.1.1).
    if address
        .as_ref()
        .is_some_and(|text| text.len() > 1000 || text.chars().any(|c| c.is_control() && c != '\n'))
    {
        return Err(Refusal::Invalid(
            "address must be at most 1000 bytes without control characters".to_owned(),
        ));
    }
    for (claim, text) in [("profile", profile), ("picture", picture), ("website", website)] {
        if let Some(text) = text {
            super::check_url(claim, text)?;
        }
    }
    Ok(())
}

/// Nobody else in the connection has one of the person's names.
async fn check_names(store: &AnyStore, user: &User, own: Option<&UserId>) -> Result<(), Refusal> {
    for name in user.login_names() {
        let owner = store.user_by_login(&user.connection, &name).await?;
        if owner.is_some_and(|owner| Some(&owner.record.id) != own) {
            let (name, connection) = (name.as_str(), &user.connection);
            return Err(Refusal::Exists(format!("{name} is somebody's name in {connection} already")));
        }
    }
    Ok(())
}

fn check_password(password: &SecretText) -> Result<(), Refusal> {
    policy::password::validate(password.expose()).map_err(|refusal| Refusal::Invalid(refusal.to_string()))
}

async fn hash(
    passwords: &Passwords,
    password: SecretText,
    moments: &dyn Moments,
) -> Result<SecretText, Refusal> {
    let salt = moments.draw().bytes::<16>("password salt");
    passwords.hash(password, salt).await.map_err(|Busy| {
        Refusal::Failed(crate::failure::Failure::Unavailable(
            "too many passwords wait to be hashed".to_owned(),
        ))
    })
}
