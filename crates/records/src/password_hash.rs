//! A person's password hash, which is opened when somebody logs in and not each time the person is read (RFC 9106).

use std::fmt;

use crate::{SecretText, TenantId, UserId};

/// The hash of a person's password.
///
/// Equal are two that are kept alike. One hash that was sealed twice is two texts: whether two people have one password
/// hash is for the store to say, which opens them.
#[derive(Clone, PartialEq, Eq)]
pub enum PasswordHash {
    /// A new one, a PHC string (argon2id). It is sealed when its person is written.
    New(SecretText),
    /// One as it was read: nobody but the store opens it.
    Sealed(SealedHash),
}

/// Prints nothing of the hash, sealed or not.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New(_) => "New([redacted])",
            Self::Sealed(_) => "Sealed([redacted])",
        })
    }
}

/// A hash as it stands in a person's row. It opens there alone, so it remembers where that is, and is written nowhere else.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedHash {
    tenant: TenantId,
    user: UserId,
    text: String,
}

impl SealedHash {
    /// The text that stands in the row of this person of this tenant. For stores, which alone have such texts.
    pub fn new(tenant: TenantId, user: UserId, text: String) -> Self {
        Self { tenant, user, text }
    }

    /// Whether it was read from the row of this person of this tenant.
    pub fn is_of(&self, tenant: &TenantId, user: &UserId) -> bool {
        (&self.tenant, &self.user) == (tenant, user)
    }

    /// The text, sealed.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Prints nothing of the text.
impl fmt::Debug for SealedHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_does_not_print_whether_it_is_sealed_or_not() {
        let (tenant, user) = (TenantId::parse("acme").unwrap(), UserId::parse("auth0|1").unwrap());
        let sealed = SealedHash::new(tenant.clone(), user.clone(), "hush".to_owned());
        assert!(sealed.is_of(&tenant, &user));
        assert!(!sealed.is_of(&TenantId::parse("other").unwrap(), &user));
        assert!(!sealed.is_of(&tenant, &UserId::parse("auth0|2").unwrap()));
        let new = PasswordHash::New(SecretText::new("hush".to_owned()));
        let text = format!("{sealed:?} {new:?} {:?}", PasswordHash::Sealed(sealed.clone()));
        assert!(!text.contains("hush"), "{text}");
    }
}
