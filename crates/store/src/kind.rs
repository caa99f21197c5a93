//! What kinds of rows there are and how long each is kept: one table, one row each.

/// What a row is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A tenant. In the directory.
    Tenant,
    /// The unique name row of an origin: which tenant answers there. In the directory.
    TenantOrigin,
    /// The server's own secret, sealed; also shows whether the key-encryption key is the right one. In the directory.
    RootSecret,
    /// An application.
    Client,
    /// An API.
    ResourceServer,
    /// The unique name row of an API's identifier.
    ResourceServerIdentifier,
    /// A client grant.
    ClientGrant,
    /// The unique name row of a client grant: client, API and subject type.
    ClientGrantUnique,
    /// A tenant's signing key.
    SigningKey,
    /// An assertion that was seen.
    SeenJti,
    /// A connection.
    Connection,
    /// A person.
    User,
    /// The unique name row of a name that somebody logs in with.
    UserLogin,
    /// A browser in which somebody is logged in.
    Session,
    /// What a person allowed an application.
    UserGrant,
    /// What a person was shown and chose.
    ConsentRecord,
    /// What an administrator allowed in people's place.
    AdministrativeConsent,
    /// An authorization code.
    AuthorizationCode,
    /// All that one login gives a client to come back with.
    RefreshFamily,
    /// Counted attempts to log in.
    LoginAttempts,
    /// A sealed handle that was used up.
    ConsumedHandle,
    /// An application that is to be told that a session ended.
    LogoutDelivery,
}

/// When rows of a kind leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// When somebody deletes them. Carries no `drop_at`.
    Kept,
    /// Long-lived, with an end: deleted one by one, in bounded slices, after `drop_at`. May be renewed and indexed.
    Slices,
    /// Short-lived, many: a backend may keep them by time and let a whole period leave at once, at most
    /// [`RING_PERIOD`] and one sweep after `drop_at`. Always carries a `drop_at`; not indexed, not paged.
    Ring,
}

/// How long, in seconds, a [`Retention::Ring`] row may outstay its `drop_at`.
pub const RING_PERIOD: u64 = 3600;

/// One line of [`KINDS`].
#[derive(Clone, Copy, Debug)]
pub struct KindRow {
    /// The kind.
    pub kind: Kind,
    /// Its name in the database; never changes.
    pub name: &'static str,
    /// When its rows leave.
    pub retention: Retention,
    /// Whether it is configuration: read on every request, written by administrators, therefore cached.
    pub is_configuration: bool,
    /// Whether it is remembered as it was last read ([`crate::Freshness`]): what most refreshes of a token read, and rely on
    /// in their commit.
    pub is_remembered: bool,
    /// The member of its body that is sealed, where one is.
    pub sealed: Option<&'static str>,
}

/// Each kind, in the order of [`Kind`].
pub const KINDS: &[KindRow] = &[
    configuration(Kind::Tenant, "tenant"),
    configuration(Kind::TenantOrigin, "tenant_origin"),
    sealing("secret", row(Kind::RootSecret, "root_secret", Retention::Kept)),
    sealing("id_token_secret", configuration(Kind::Client, "client")),
    sealing("signing_secret", configuration(Kind::ResourceServer, "resource_server")),
    configuration(Kind::ResourceServerIdentifier, "resource_server_identifier"),
    configuration(Kind::ClientGrant, "client_grant"),
    configuration(Kind::ClientGrantUnique, "client_grant_unique"),
    sealing("private_key", configuration(Kind::SigningKey, "signing_key")),
    row(Kind::SeenJti, "seen_jti", Retention::Ring),
    configuration(Kind::Connection, "connection"),
    sealing("password_hash", remembered(row(Kind::User, "user", Retention::Kept))),
    row(Kind::UserLogin, "user_login", Retention::Kept),
    row(Kind::Session, "session", Retention::Slices),
    remembered(row(Kind::UserGrant, "user_grant", Retention::Kept)),
    row(Kind::ConsentRecord, "consent_record", Retention::Slices),
    configuration(Kind::AdministrativeConsent, "administrative_consent"),
    row(Kind::AuthorizationCode, "authorization_code", Retention::Ring),
    row(Kind::RefreshFamily, "refresh_family", Retention::Slices),
    row(Kind::LoginAttempts, "login_attempts", Retention::Ring),
    row(Kind::ConsumedHandle, "consumed_handle", Retention::Ring),
    LAST,
];

/// The last kind's line; a test finds a line for each kind.
const LAST: KindRow = row(Kind::LogoutDelivery, "logout_delivery", Retention::Slices);

const fn row(kind: Kind, name: &'static str, retention: Retention) -> KindRow {
    KindRow { kind, name, retention, is_configuration: false, is_remembered: false, sealed: None }
}

const fn configuration(kind: Kind, name: &'static str) -> KindRow {
    KindRow { is_configuration: true, ..row(kind, name, Retention::Kept) }
}

const fn remembered(row: KindRow) -> KindRow {
    KindRow { is_remembered: true, ..row }
}

const fn sealing(member: &'static str, row: KindRow) -> KindRow {
    KindRow { sealed: Some(member), ..row }
}

impl Kind {
    /// The kind's line in [`KINDS`].
    pub fn row(self) -> &'static KindRow {
        KINDS.get(self as usize).unwrap_or(&LAST)
    }

    /// Its name in the database.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// When its rows leave.
    pub fn retention(self) -> Retention {
        self.row().retention
    }

    /// Whether it is remembered.
    pub(crate) fn is_remembered(self) -> bool {
        self.row().is_remembered
    }

    /// Whether it is configuration.
    pub fn is_configuration(self) -> bool {
        self.row().is_configuration
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_one_line_for_each_kind_in_order() {
        assert_eq!(KINDS.len(), Kind::LogoutDelivery as usize + 1);
        for (position, row) in KINDS.iter().enumerate() {
            assert_eq!(row.kind as usize, position);
            assert_eq!(row.kind.row().name, row.name);
            assert!(row.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        }
        let names: std::collections::BTreeSet<_> = KINDS.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), KINDS.len());
    }

    #[test]
    fn the_page_of_what_is_stored_has_a_line_for_each_kind() {
        let page = include_str!("../../../docs/storage.md");
        for row in KINDS {
            let line = page.lines().find(|line| line.starts_with(&format!("| `{}` |", row.name)));
            let line = line.unwrap_or_else(|| panic!("docs/storage.md has no line for {}", row.name));
            assert!(line.contains(&format!("{:?}", row.retention)), "{line}");
            assert!(row.sealed.is_none_or(|member| line.contains(&format!("`{member}` sealed"))), "{line}");
            assert_eq!(row.sealed.is_some(), line.contains("sealed"), "{line}");
        }
    }

    #[test]
    fn only_what_is_kept_is_configuration() {
        for row in KINDS.iter().filter(|row| row.is_configuration) {
            assert_eq!(row.retention, Retention::Kept, "{}", row.name);
        }
    }
}
