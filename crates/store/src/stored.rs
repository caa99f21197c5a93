//! Stored forms: how each record stands in its row, as versioned JSON with its secrets sealed.
//!
//! A form that gains a member gets a new number; older numbers are still read, the member then having its default. A
//! member that this server does not know is refused, not skipped: it would be lost when the row is written back.

mod authorization_code;
mod client;
mod client_grant;
mod connection;
mod consent;
mod consumed_handle;
mod login_attempts;
mod logout_delivery;
mod refresh_family;
mod resource_server;
mod root_secret;
mod seen_jti;
mod session;
mod signing_key;
mod tenant;
mod text;
mod unique;
mod user;

pub(crate) use client_grant::{BY_CLIENT, BY_RESOURCE_SERVER};
pub(crate) use consent::{BY_ID, administrative_consent_key, user_grant_key};
pub(crate) use refresh_family::BY_USER_AND_CLIENT;
pub(crate) use root_secret::RootSecret;
pub(crate) use session::BY_USER;
pub(crate) use unique::{
    GrantOwner, IdentifierOwner, OriginOwner, grant_unique_key, identifier_key, origin_key,
};
pub(crate) use user::{BY_CONNECTION, LoginOwner, has_same_password, login_key, password_hash};

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use records::{Invalid, SecretText, UnixTime, Versioned};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use self::text::Text;
use crate::seal::{Place, SealError, Sealer};
use crate::{Becomes, IndexEntry, Key, Kind, Refused, Row, Space, Unavailable};

/// A record that has a row.
pub(crate) trait Stored: Sized {
    /// Its kind.
    const KIND: Kind;

    /// The number of the form that this server writes. It reads this one and all before it.
    const FORM: u32 = 1;

    /// The JSON of the row's body. It may borrow: from the body when it is read, from the record when it is written.
    type Form<'f>: Serialize + Deserialize<'f>;

    /// Its row's key.
    fn key(&self) -> Key;

    /// What its row can be paged by.
    fn index(&self) -> Vec<IndexEntry> {
        Vec::new()
    }

    /// From when on its row may leave.
    fn drop_at(&self) -> Option<UnixTime> {
        None
    }

    /// The record as a form.
    fn to_form<'f>(&'f self, seals: &Seals<'_>) -> Result<Self::Form<'f>, SealError>;

    /// The form as a record.
    fn from_form(form: Self::Form<'_>, seals: &Seals<'_>) -> Result<Self, Unreadable>;

    /// Opens what [`Stored::from_form`] left sealed because few need it, and says what is wrong where it does not open.
    fn open_sealed(&self, _: &Seals<'_>) -> Result<(), Unreadable> {
        Ok(())
    }
}

/// Why a body is not a record, as the end of a sentence that starts with the row. Never quotes the body.
#[derive(Debug)]
pub(crate) struct Unreadable(String);

impl Unreadable {
    pub(crate) fn because(why: impl fmt::Display) -> Self {
        Self(why.to_string())
    }

    /// Names the row.
    fn of<T: Stored>(self, key: Key) -> Unavailable {
        Unavailable::Unreadable { kind: T::KIND, key, why: self.0 }
    }

    /// A member whose value is none of those that are known.
    pub(crate) fn member(name: &'static str) -> Self {
        Self(format!("has an unknown {name}"))
    }
}

impl From<Invalid> for Unreadable {
    fn from(invalid: Invalid) -> Self {
        Self(format!("has a bad member: {invalid}"))
    }
}

/// Seals and opens the secrets of one row.
pub(crate) struct Seals<'a> {
    sealer: &'a Sealer,
    space: &'a Space,
    kind: Kind,
    key: &'a Key,
}

impl Seals<'_> {
    /// Seals a member, the one that the table of kinds names: what is not there would be left behind when a key is
    /// replaced.
    pub(crate) fn seal(&self, field: &'static str, secret: &[u8]) -> Result<String, SealError> {
        if self.kind.row().sealed != Some(field) {
            return Err(SealError::Failed);
        }
        self.sealer.seal(&self.place(field), secret)
    }

    /// A text that was sealed for this very place, to be written again: as it is, so that it stays the same as long as
    /// the secret does; sealed again where its key is not the current one. What does not open stays as well: whoever
    /// changes the rest of a row makes it neither better nor worse.
    fn sealed_again<'f>(&self, field: &'static str, text: &'f str) -> Result<Text<'f>, SealError> {
        if !self.sealer.is_outdated(text) {
            return Ok(text.into());
        }
        match self.open(field, text) {
            Ok(secret) => Ok(self.seal(field, &secret)?.into()),
            Err(_) => Ok(text.into()),
        }
    }

    pub(crate) fn open(&self, field: &'static str, text: &str) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
        let opened = self.sealer.open(&self.place(field), text);
        opened.map_err(|error| Unreadable(format!("has a {field} that {error}")))
    }

    /// The secret as text.
    pub(crate) fn open_text(&self, field: &'static str, text: &str) -> Result<SecretText, Unreadable> {
        let mut opened = self.open(field, text)?;
        String::from_utf8(std::mem::take(&mut *opened))
            .map(SecretText::new)
            .map_err(|_| Unreadable(format!("has a {field} that is not text")))
    }

    fn place(&self, field: &'static str) -> Place<'_> {
        Place { space: self.space, kind: self.kind, key: self.key, field }
    }
}

#[derive(Deserialize)]
struct Number {
    v: u32,
}

/// Room for most bodies, in bytes: a string that grows copies what it has.
const ROOM: usize = 1024;

/// What the row of the record becomes; the key is the record's own, which whoever writes it has at hand.
pub(crate) fn put<T: Stored>(
    sealer: &Sealer,
    space: &Space,
    key: &Key,
    record: &T,
) -> Result<Becomes, Refused> {
    let unwritten = || Refused::Sealing(T::KIND);
    let form = record.to_form(&Seals { sealer, space, kind: T::KIND, key }).map_err(|error| match error {
        SealError::NotAuthentic => Refused::SealedElsewhere(T::KIND),
        _ => unwritten(),
    })?;
    let mut body = Vec::with_capacity(ROOM);
    serde_json::to_writer(&mut body, &form).map_err(|_| unwritten())?;
    let body = String::from_utf8(body).map_err(|_| unwritten())?;
    Ok(Becomes::Put { body, index: record.index(), drop_at: record.drop_at() })
}

/// The row as a record.
pub(crate) fn read<T: Stored>(sealer: &Sealer, space: &Space, row: Row) -> Result<Versioned<T>, Unavailable> {
    let Row { key, version, body } = row;
    match parse(sealer, space, &key, &body) {
        Ok(record) => Ok(Versioned { record, version }),
        Err(unreadable) => Err(unreadable.of::<T>(key)),
    }
}

/// The row as a record, of which everything opens that is sealed: for whoever looks for damage, or seals again.
pub(crate) fn read_opened<T: Stored>(
    sealer: &Sealer,
    space: &Space,
    row: Row,
) -> Result<Versioned<T>, Unavailable> {
    let read: Versioned<T> = read(sealer, space, row)?;
    let key = read.record.key();
    match read.record.open_sealed(&Seals { sealer, space, kind: T::KIND, key: &key }) {
        Ok(()) => Ok(read),
        Err(unreadable) => Err(unreadable.of::<T>(key)),
    }
}

fn parse<T: Stored>(sealer: &Sealer, space: &Space, key: &Key, body: &str) -> Result<T, Unreadable> {
    let known = leading_number(body).filter(|v| (1..=T::FORM).contains(v));
    let form = match known.and_then(|_| serde_json::from_str(body).ok()) {
        Some(form) => form,
        None => form_or_why::<T>(body)?,
    };
    let record = T::from_form(form, &Seals { sealer, space, kind: T::KIND, key })?;
    if record.key() != *key {
        return Err(Unreadable::because("stands under a key that is not its own"));
    }
    Ok(record)
}

/// The form's number, where it stands first, as in everything that is written here: so a body is read once. Whether the
/// rest is JSON, and has no second number, is left to the reading of the form.
fn leading_number(body: &str) -> Option<u32> {
    let rest = body.strip_prefix("{\"v\":")?;
    let (digits, _) = rest.split_once(',')?;
    let is_spelled_so = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    digits.parse().ok().filter(|_| is_spelled_so)
}

/// The form, the number being read before it; or what is wrong with the body.
fn form_or_why<T: Stored>(body: &str) -> Result<T::Form<'_>, Unreadable> {
    let Number { v } = serde_json::from_str(body)
        .map_err(|_| Unreadable::because("is not a JSON object with a form number"))?;
    if v == 0 || v > T::FORM {
        return Err(Unreadable(format!(
            "has the form {v}, this server knows up to {}: it was written by a newer version of authd",
            T::FORM
        )));
    }
    serde_json::from_str(body).map_err(|error| {
        // The error's own text may quote a value, and a value may be a secret.
        Unreadable(format!("does not have the form {v} (column {})", error.column()))
    })
}

/// 32 bytes as base64url.
pub(crate) fn encode_digest(bytes: &[u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The 32 bytes of [`encode_digest`].
pub(crate) fn decode_digest(text: &str) -> Option<[u8; 32]> {
    // Three bytes for each four characters, the last ones too: what has more is no digest.
    let mut bytes = [0; 33];
    let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    bytes.get(..length)?.try_into().ok()
}

#[cfg(test)]
mod tests;
