//! People, as far as a tenant knows them (OpenID Connect Core 1.0 §5.1; Auth0's user profile).

use crate::{ConnectionName, Invalid, Lifetime, PasswordHash, UnixTime, UserId};

/// An e-mail address in lower case, as people log in with it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Email(String);

impl Email {
    /// Reads an address: one `@` with something on both sides, no spaces or controls, at most 254 bytes in lower case,
    /// which is how it is kept. (Some letters grow when they become lower case.)
    ///
    /// # Errors
    ///
    /// Says what is wrong, without the text.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let invalid = Invalid { what: "email", why: "must be an address such as name@example.com" };
        let text = text.to_lowercase();
        let (name, domain) = text.split_once('@').ok_or(invalid)?;
        let is_plain = !text.chars().any(|c| c.is_whitespace() || c.is_control());
        if name.is_empty() || domain.is_empty() || domain.contains('@') || text.len() > 254 || !is_plain {
            return Err(invalid);
        }
        Ok(Self(text))
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A name that people may log in with instead of their e-mail address, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Username(String);

impl Username {
    /// Reads a username: 1 to 128 printable ASCII characters without spaces and `@`. Lower-cases it.
    ///
    /// # Errors
    ///
    /// Says what is wrong, without the text.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() || text.len() > 128 || !text.bytes().all(|b| b.is_ascii_graphic() && b != b'@') {
            let why = "must be 1 to 128 printable ASCII characters without spaces and @";
            return Err(Invalid { what: "username", why });
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What somebody typed to say who they are, in the one form in which names are compared. May be anybody's or nobody's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LoginName(String);

impl LoginName {
    /// Reads what was typed: surrounding spaces go, letters become lower case. `None` where it is nobody's name for
    /// its length (more than 254 bytes in lower case) or because nothing was typed.
    pub fn typed(text: &str) -> Option<Self> {
        let text = text.trim().to_lowercase();
        (!text.is_empty() && text.len() <= 254).then_some(Self(text))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&Email> for LoginName {
    fn from(email: &Email) -> Self {
        Self(email.0.clone())
    }
}

impl From<&Username> for LoginName {
    fn from(username: &Username) -> Self {
        Self(username.0.clone())
    }
}

/// The standard claims that a user's record holds apart from e-mail (OpenID Connect Core 1.0 §5.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the claim of its name")]
pub struct Profile {
    pub name: Option<String>,
    pub given_name: Option<String>,
    pub family_name: Option<String>,
    pub middle_name: Option<String>,
    pub nickname: Option<String>,
    pub preferred_username: Option<String>,
    pub profile: Option<String>,
    pub picture: Option<String>,
    pub website: Option<String>,
    pub gender: Option<String>,
    pub birthdate: Option<String>,
    pub zoneinfo: Option<String>,
    pub locale: Option<String>,
    pub phone_number: Option<String>,
    pub phone_number_verified: bool,
    /// `address.formatted`
    pub address: Option<String>,
}

/// A person, known by one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// `sub`; never given to anybody else, not even after the user was deleted.
    pub id: UserId,
    /// Where the person logs in.
    pub connection: ConnectionName,
    /// Unique in the connection, together with usernames.
    pub email: Option<Email>,
    /// Whether somebody made sure that the address is the person's.
    pub email_verified: bool,
    /// Unique in the connection, together with e-mail addresses.
    pub username: Option<Username>,
    /// The password's hash. Sealed at rest, and until somebody logs in. `None`: the person cannot log in by password.
    pub password_hash: Option<PasswordHash>,
    /// What applications may be told.
    pub profile: Profile,
    /// When the password was last changed by somebody who took it away from whoever had it: logins before that give
    /// nothing any more. The beginning of time where it never was.
    pub credentials_changed_at: UnixTime,
    /// Whether an administrator keeps the person out.
    pub is_blocked: bool,
    /// When it was made.
    pub created_at: UnixTime,
    /// When what applications may be told last changed.
    pub updated_at: UnixTime,
}

impl User {
    /// When a login now counts as made: `auth_time`. Never before the last change of the password, which stands in the
    /// second after it was made: seconds alone could not tell a login just before it from one just after.
    pub fn authenticated_at(&self, now: UnixTime) -> UnixTime {
        now.max(self.credentials_changed_at)
    }

    /// What [`User::credentials_changed_at`] is once the password was changed now: after every login that was made before,
    /// within this second too, and after the change before.
    pub fn credentials_changed(&self, now: UnixTime) -> UnixTime {
        self.authenticated_at(now).after(Lifetime(1))
    }

    /// What a page calls them: by name, by address, or by username.
    pub fn shown_name(&self) -> &str {
        self.profile
            .name
            .as_deref()
            .or(self.email.as_ref().map(Email::as_str))
            .or(self.username.as_ref().map(Username::as_str))
            .unwrap_or("you")
    }

    /// Every name that the person logs in with.
    pub fn login_names(&self) -> impl Iterator<Item = LoginName> {
        let email = self.email.as_ref().map(LoginName::from);
        email.into_iter().chain(self.username.as_ref().map(LoginName::from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_compared_without_case_and_surrounding_spaces() {
        let email = Email::parse("Ada@Example.com").unwrap();
        assert_eq!(LoginName::typed("  aDA@example.COM "), Some(LoginName::from(&email)));
        let username = Username::parse("Ada").unwrap();
        assert_eq!(LoginName::typed("ADA"), Some(LoginName::from(&username)));
        assert_eq!(LoginName::typed("  "), None);
        assert_eq!(LoginName::typed(&"x".repeat(255)), None);
    }

    #[test]
    fn a_name_is_measured_as_it_is_kept() {
        // U+0130 has two bytes, and three as `i` with a dot above.
        let grows = format!("{}@example.com", "\u{130}".repeat(120));
        assert!(grows.len() <= 254 && grows.to_lowercase().len() > 254);
        assert!(Email::parse(&grows).is_err());
        assert_eq!(LoginName::typed(&grows), None);
    }

    proptest! {
        #[test]
        fn what_was_read_is_read_again_to_the_letter(
            name in "[\u{130}\u{1e9e}\u{3a3}\u{212a}a-zA-Z\\PC]{1,130}",
            domain in "[\u{130}A-Za-z.]{1,60}",
        ) {
            let text = format!("{name}@{domain}");
            if let Ok(email) = Email::parse(&text) {
                prop_assert_eq!(Email::parse(email.as_str()), Ok(email.clone()));
                prop_assert_eq!(LoginName::typed(email.as_str()), Some(LoginName::from(&email)));
            }
            for text in [&text, &name] {
                if let Some(typed) = LoginName::typed(text) {
                    prop_assert_eq!(LoginName::typed(typed.as_str()), Some(typed.clone()));
                }
                if let Ok(username) = Username::parse(text) {
                    prop_assert_eq!(Username::parse(username.as_str()), Ok(username.clone()));
                }
            }
        }
    }

    #[test]
    fn a_username_can_never_be_an_email_address() {
        assert!(Username::parse("ada@example.com").is_err());
        for text in ["", "@", "a@", "@b", "a@b@c", "a b@c", "a@b\n"] {
            assert!(Email::parse(text).is_err(), "{text:?}");
        }
    }
}
