//! `authd users`: people, their passwords, keeping them out.

use std::io::Read;

use clap::{Args, Subcommand};
use records::{ConnectionName, Email, Profile, SecretText, User, Username};
use serde_json::{Value, json};

use super::local::OnTenant;
use super::{Failed, instant, output};
use crate::administration::users::{self, NewUser};
use crate::moment::{Moments, SystemMoments};
use crate::passwords::{Passwords, PoolSize};

#[derive(Debug, Subcommand)]
pub(crate) enum Users {
    /// List people
    #[command(visible_alias = "ls")]
    List(List),
    /// Show one person
    Show(Named),
    /// Make a person; without --password-stdin a password is drawn and shown this once
    Create(Create),
    /// Change a person
    Update(Update),
    /// Remove a person, their sessions and what they allowed applications
    #[command(visible_alias = "rm")]
    Delete(Named),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those whom this connection knows
    #[arg(long, value_name = "CONNECTION")]
    connection: Option<String>,
    #[command(flatten)]
    on: OnTenant,
}

#[derive(Debug, Args)]
pub(crate) struct Named {
    /// The person's id, e-mail address or username
    user: String,
    #[command(flatten)]
    on: OnTenant,
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The e-mail address
    #[arg(short, long, required_unless_present = "username")]
    email: Option<String>,
    /// The address is known to be the person's
    #[arg(long, requires = "email")]
    email_verified: bool,
    /// What the person may log in with instead of the address
    #[arg(short, long)]
    username: Option<String>,
    /// Where the person logs in [default: the tenant's default directory]
    #[arg(long, value_name = "CONNECTION")]
    connection: Option<String>,
    /// Read the password from the first line of standard input
    #[arg(long, conflicts_with = "no_password")]
    password_stdin: bool,
    /// The person cannot log in by password
    #[arg(long)]
    no_password: bool,
    #[command(flatten)]
    profile: ProfileArguments,
    #[command(flatten)]
    on: OnTenant,
}

#[derive(Debug, Args)]
pub(crate) struct Update {
    /// The person's id, e-mail address or username
    user: String,
    /// The e-mail address from now on; not verified unless --email-verified says so
    #[arg(short, long)]
    email: Option<String>,
    /// Whether the address is known to be the person's
    #[arg(long, value_name = "BOOL")]
    email_verified: Option<bool>,
    /// What the person may log in with instead of the address; empty for nothing
    #[arg(short, long)]
    username: Option<String>,
    /// Read a new password from the first line of standard input; ends the person's sessions
    #[arg(long)]
    password_stdin: bool,
    /// Keep the person out, or let them in again
    #[arg(long, value_name = "BOOL")]
    blocked: Option<bool>,
    #[command(flatten)]
    profile: ProfileArguments,
    #[command(flatten)]
    on: OnTenant,
}

/// What applications may be told. Empty takes a claim away.
#[derive(Debug, Args)]
struct ProfileArguments {
    /// The full name
    #[arg(short, long)]
    name: Option<String>,
    /// The given name
    #[arg(long)]
    given_name: Option<String>,
    /// The family name
    #[arg(long)]
    family_name: Option<String>,
    /// The nickname
    #[arg(long)]
    nickname: Option<String>,
    /// The address of a picture
    #[arg(long, value_name = "URL")]
    picture: Option<String>,
}

impl ProfileArguments {
    fn applied_to(&self, mut profile: Profile) -> Profile {
        let claims = [
            (&self.name, &mut profile.name),
            (&self.given_name, &mut profile.given_name),
            (&self.family_name, &mut profile.family_name),
            (&self.nickname, &mut profile.nickname),
            (&self.picture, &mut profile.picture),
        ];
        for (argument, claim) in claims {
            if let Some(text) = argument {
                *claim = Some(text.clone()).filter(|text| !text.is_empty());
            }
        }
        profile
    }
}

fn object(user: &User) -> Value {
    json!({
        "user_id": user.id.as_str(),
        "connection": user.connection.as_str(),
        "email": user.email.as_ref().map(Email::as_str),
        "email_verified": user.email_verified,
        "username": user.username.as_ref().map(Username::as_str),
        "name": user.profile.name,
        "given_name": user.profile.given_name,
        "family_name": user.profile.family_name,
        "nickname": user.profile.nickname,
        "picture": user.profile.picture,
        "has_password": user.password_hash.is_some(),
        "blocked": user.is_blocked,
        "created_at": instant(user.created_at),
        "updated_at": instant(user.updated_at),
    })
}

/// One thread: a command has one password.
fn passwords() -> Result<Passwords, Failed> {
    Ok(Passwords::start(PoolSize { threads: 1, waiting: 1 })?)
}

/// The first line of standard input. Not from an argument: those can be seen by every user of the machine.
fn password_from_stdin() -> Result<SecretText, Failed> {
    // Room for all of it at once: a text that grows would leave copies of the password behind.
    let mut text = String::with_capacity(8192);
    let read = std::io::stdin().take(8192).read_to_string(&mut text);
    let whole = SecretText::new(text);
    read.map_err(|error| format!("cannot read the password from standard input: {error}"))?;
    let line = whole.expose().lines().next().unwrap_or_default();
    Ok(SecretText::new(line.to_owned()))
}

/// Four groups of five: some 119 bits, and easy to read out.
fn drawn_password() -> SecretText {
    loop {
        let moment = SystemMoments.draw();
        let drawn = SecretText::new(oauth_grants::generate::prefixed(&moment, "", 20));
        let letters: Vec<char> = drawn.expose().chars().collect();
        let groups: Vec<String> = letters.chunks(5).map(|group| group.iter().collect()).collect();
        let password = SecretText::new(groups.join("-"));
        // One in some thousands has no lower-case or no upper-case letter.
        if policy::password::validate(password.expose()).is_ok() {
            return password;
        }
    }
}

pub(crate) async fn run(verb: Users) -> Result<(), Failed> {
    match verb {
        Users::List(list) => {
            let connection = list.connection.as_deref().map(ConnectionName::parse).transpose()?;
            let store = list.on.tenant.open_store().await?;
            let found = users::all(&store, connection.as_ref()).await?;
            let objects: Vec<_> = found.iter().map(|user| object(&user.record)).collect();
            output::list(list.on.json, &["user_id", "email", "name", "connection", "blocked"], &objects);
        }
        Users::Show(named) => {
            let store = named.on.tenant.open_store().await?;
            output::show(named.on.json, &object(&users::find(&store, &named.user).await?.record));
        }
        Users::Create(create) => make(create).await?,
        Users::Update(update) => change(update).await?,
        Users::Delete(named) => {
            let store = named.on.tenant.open_store().await?;
            let id = users::find(&store, &named.user).await?.record.id;
            users::delete(&store, &id, &SystemMoments).await?;
            if !named.on.json {
                output::print(&format!("removed {id}"));
            }
        }
    }
    Ok(())
}

async fn make(create: Create) -> Result<(), Failed> {
    let email = create.email.as_deref().map(Email::parse).transpose()?;
    let username = create.username.as_deref().map(Username::parse).transpose()?;
    let connection = create.connection.as_deref().map(ConnectionName::parse).transpose()?;
    let (stores, id, settings) = create.on.tenant.open_with_settings().await?;
    let connection = connection.or(settings.default_directory).ok_or_else(|| {
        Failed::Usage("the tenant has no default directory: name one with --connection".to_owned())
    })?;
    let (password, shown) = if create.password_stdin {
        (Some(password_from_stdin()?), None)
    } else if create.no_password {
        (None, None)
    } else {
        let drawn = drawn_password();
        (Some(drawn.clone()), Some(drawn))
    };
    let new = NewUser {
        connection,
        email,
        email_verified: create.email_verified,
        username,
        password,
        profile: create.profile.applied_to(Profile::default()),
    };
    let user = users::create(&stores.tenant(&id), &passwords()?, new, &SystemMoments).await?;
    let mut object = object(&user);
    if let (Some(members), Some(password)) = (object.as_object_mut(), shown) {
        members.insert("password".to_owned(), json!(password.expose()));
    }
    output::show(create.on.json, &object);
    Ok(())
}

async fn change(update: Update) -> Result<(), Failed> {
    let email = update.email.as_deref().map(Email::parse).transpose()?;
    let username = match update.username.as_deref() {
        None => None,
        Some("") => Some(None),
        Some(text) => Some(Some(Username::parse(text)?)),
    };
    let password = if update.password_stdin { Some(password_from_stdin()?) } else { None };
    let store = update.on.tenant.open_store().await?;
    let id = users::find(&store, &update.user).await?.record.id;
    let mut user = users::update(
        &store,
        &id,
        |mut user| {
            if let Some(email) = email.as_ref().filter(|email| user.email.as_ref() != Some(*email)) {
                user.email = Some(email.clone());
                user.email_verified = false;
            }
            user.email_verified = update.email_verified.unwrap_or(user.email_verified);
            user.username = username.clone().unwrap_or(user.username);
            user.is_blocked = update.blocked.unwrap_or(user.is_blocked);
            user.profile = update.profile.applied_to(user.profile);
            user
        },
        &SystemMoments,
    )
    .await?;
    if let Some(password) = password {
        users::set_password(&store, &passwords()?, &id, password, &SystemMoments).await?;
        user = users::by_id(&store, &id).await?.record;
    }
    output::show(update.on.json, &object(&user));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawn_password_is_good_enough_and_never_the_same() {
        let drawn: Vec<SecretText> = (0..100).map(|_| drawn_password()).collect();
        for (position, password) in drawn.iter().enumerate() {
            assert_eq!(password.expose().len(), 23);
            assert!(policy::password::validate(password.expose()).is_ok());
            assert!(!drawn[position + 1..].contains(password));
        }
    }
}
