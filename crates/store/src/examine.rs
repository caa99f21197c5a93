//! Whether a row is what it should be: it parses, its secrets open, and the rows that belong to it are there (threat R9).

use std::fmt;

use records::{
    AdministrativeConsent, AuthorizationCode, Client, ClientGrant, ClientId, Connection, ConsentRecord,
    ConsumedHandle, LoginAttempts, LogoutDelivery, RefreshFamily, ResourceServer, ResourceServerId, SeenJti,
    Session, SigningKey, Tenant, TenantId, User, UserGrant, UserId, Version,
};

use crate::seal::Sealer;
use crate::stored::{
    self, GrantOwner, IdentifierOwner, LoginOwner, OriginOwner, RootSecret, Stored, grant_unique_key,
    identifier_key, login_key, origin_key,
};
use crate::{Backend, KINDS, Key, Kind, Row, Space, Stores, Unavailable};

/// A row as the database has it, before anything in it is believed.
#[derive(Clone, PartialEq, Eq)]
pub struct RawRow {
    /// Which of the backend's tables it stands in; rows are listed by table, space, kind and key.
    pub table: u8,
    /// The text of its space.
    pub space: String,
    /// The text of its kind.
    pub kind: String,
    /// The text of its key.
    pub key: String,
    /// Its version.
    pub version: Version,
    /// Its body.
    pub body: String,
    /// Its index entries as sorted lines `NAME=VALUE`.
    pub entries: String,
    /// From when on it may leave.
    pub drop_at: Option<u64>,
}

/// Shows no body: it may hold what nobody is to see in a log.
impl fmt::Debug for RawRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawRow({} {} {} {})", self.table, self.space, self.kind, self.key)
    }
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The row, or one that it must have, is damaged or lost.
    Damage,
    /// What it belongs to is gone, and it was not removed with it, as where a server ended between the two. Nobody gets
    /// anything by it.
    Leftover,
}

/// What is wrong with a row. Quotes nothing of its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub weight: Weight,
    /// The row's space.
    pub space: String,
    /// The row's kind.
    pub kind: String,
    /// The row's key.
    pub key: String,
    /// The end of a sentence that starts with the row.
    pub why: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} of {} {}", self.kind, self.key, self.space, self.why)
    }
}

impl<B: Backend> Stores<B> {
    /// Says what is wrong with a row, if anything is.
    ///
    /// Rows that belong together are written together, so two reads that find them apart while the first stands at its
    /// version are no coincidence.
    ///
    /// # Errors
    ///
    /// Where the storage cannot be asked. What it cannot read is a finding.
    pub async fn examine(&self, row: &RawRow) -> Result<Option<Finding>, Unavailable> {
        let weighed = |weight: Weight, why: String| {
            let (space, kind, key) = (row.space.clone(), row.kind.clone(), row.key.clone());
            Ok(Some(Finding { weight, space, kind, key, why }))
        };
        let found = |why: String| weighed(Weight::Damage, why);
        let Some(kind) = KINDS.iter().find(|known| known.name == row.kind).map(|known| known.kind) else {
            return found("is of no kind that this version knows".to_owned());
        };
        let Some(space) = space(&row.space) else {
            return found("stands in a space that is no tenant's".to_owned());
        };
        let key = Key::from_stored(row.key.clone());
        let stands = Row { key: key.clone(), version: row.version, body: row.body.clone() };
        let inspected = match inspect(self.sealer(), &space, kind, stands) {
            Ok(inspected) => inspected,
            Err(why) => return found(why),
        };
        if inspected.entries != row.entries {
            return found("is indexed by something else than it says".to_owned());
        }
        if inspected.drop_at != row.drop_at {
            return found("leaves at another time than it says".to_owned());
        }
        for (other, other_key) in &inspected.linked {
            if self.links_back(&space, *other, other_key, (kind, &key)).await? {
                continue;
            }
            // Once more: the row was the same before and after.
            if self.stands(&space, kind, &key, row.version).await?
                && !self.links_back(&space, *other, other_key, (kind, &key)).await?
            {
                return found(format!("has no {} {other_key} that leads back to it", other.name()));
            }
        }
        for (weight, other, other_key) in &inspected.belongs_to {
            if self.backend().get(&space, *other, other_key).await?.is_none()
                && self.stands(&space, kind, &key, row.version).await?
                && self.backend().get(&space, *other, other_key).await?.is_none()
            {
                return weighed(
                    *weight,
                    format!("belongs to the {} {other_key}, which is gone", other.name()),
                );
            }
        }
        Ok(None)
    }

    async fn stands(&self, space: &Space, kind: Kind, key: &Key, at: Version) -> Result<bool, Unavailable> {
        Ok(self.backend().get(space, kind, key).await?.is_some_and(|row| row.version == at))
    }

    async fn links_back(
        &self,
        space: &Space,
        kind: Kind,
        key: &Key,
        to: (Kind, &Key),
    ) -> Result<bool, Unavailable> {
        let Some(row) = self.backend().get(space, kind, key).await? else { return Ok(false) };
        let inspected = inspect(self.sealer(), space, kind, row);
        Ok(inspected.is_ok_and(|other| other.linked.iter().any(|(kind, key)| (*kind, key) == to)))
    }
}

fn space(text: &str) -> Option<Space> {
    if text == Space::Directory.as_str() {
        return Some(Space::Directory);
    }
    TenantId::parse(text).ok().map(Space::Tenant)
}

/// What a row says of itself.
struct Inspected {
    entries: String,
    drop_at: Option<u64>,
    linked: Vec<(Kind, Key)>,
    belongs_to: Vec<(Weight, Kind, Key)>,
}

/// A record and the rows that it is not without.
trait Linked: Stored {
    /// Those that are there because it is, and it because of them.
    fn linked(&self) -> Vec<(Kind, Key)> {
        Vec::new()
    }

    /// Those that it is removed with: in the same commit, or soon after.
    fn belongs_to(&self) -> Vec<(Weight, Kind, Key)> {
        Vec::new()
    }
}

fn client(weight: Weight, id: &ClientId) -> (Weight, Kind, Key) {
    (weight, Kind::Client, Key::of(&[id.as_str()]))
}

fn resource_server(weight: Weight, id: &ResourceServerId) -> (Weight, Kind, Key) {
    (weight, Kind::ResourceServer, Key::of(&[id.as_str()]))
}

fn user(weight: Weight, id: &UserId) -> (Weight, Kind, Key) {
    (weight, Kind::User, Key::of(&[id.as_str()]))
}

fn inspect(sealer: &Sealer, space: &Space, kind: Kind, row: Row) -> Result<Inspected, String> {
    let of = match kind {
        Kind::Tenant => one::<Tenant>,
        Kind::TenantOrigin => one::<OriginOwner>,
        Kind::RootSecret => one::<RootSecret>,
        Kind::Client => one::<Client>,
        Kind::ResourceServer => one::<ResourceServer>,
        Kind::ResourceServerIdentifier => one::<IdentifierOwner>,
        Kind::ClientGrant => one::<ClientGrant>,
        Kind::ClientGrantUnique => one::<GrantOwner>,
        Kind::SigningKey => one::<SigningKey>,
        Kind::SeenJti => one::<SeenJti>,
        Kind::Connection => one::<Connection>,
        Kind::User => one::<User>,
        Kind::UserLogin => one::<LoginOwner>,
        Kind::Session => one::<Session>,
        Kind::UserGrant => one::<UserGrant>,
        Kind::ConsentRecord => one::<ConsentRecord>,
        Kind::AdministrativeConsent => one::<AdministrativeConsent>,
        Kind::AuthorizationCode => one::<AuthorizationCode>,
        Kind::RefreshFamily => one::<RefreshFamily>,
        Kind::LoginAttempts => one::<LoginAttempts>,
        Kind::ConsumedHandle => one::<ConsumedHandle>,
        Kind::LogoutDelivery => one::<LogoutDelivery>,
    };
    of(sealer, space, row)
}

fn one<T: Linked>(sealer: &Sealer, space: &Space, row: Row) -> Result<Inspected, String> {
    let record: T = match stored::read_opened(sealer, space, row) {
        Ok(versioned) => versioned.record,
        Err(Unavailable::Unreadable { why, .. } | Unavailable::Backend(why)) => return Err(why),
    };
    let mut lines: Vec<String> =
        record.index().iter().map(|entry| format!("{}={}", entry.name, entry.value.as_str())).collect();
    lines.sort_unstable();
    lines.dedup();
    let drop_at = record.drop_at().map(|end| end.0);
    let (linked, belongs_to) = (record.linked(), record.belongs_to());
    Ok(Inspected { entries: lines.join("\n"), drop_at, linked, belongs_to })
}

impl Linked for Tenant {
    fn linked(&self) -> Vec<(Kind, Key)> {
        self.origins.iter().map(|origin| (Kind::TenantOrigin, origin_key(origin))).collect()
    }
}

impl Linked for OriginOwner {
    fn linked(&self) -> Vec<(Kind, Key)> {
        vec![(Kind::Tenant, Key::of(&[self.tenant.as_str()]))]
    }
}

impl Linked for ResourceServer {
    fn linked(&self) -> Vec<(Kind, Key)> {
        vec![(Kind::ResourceServerIdentifier, identifier_key(&self.identifier))]
    }
}

impl Linked for IdentifierOwner {
    fn linked(&self) -> Vec<(Kind, Key)> {
        vec![(Kind::ResourceServer, Key::of(&[self.id.as_str()]))]
    }
}

impl Linked for ClientGrant {
    fn linked(&self) -> Vec<(Kind, Key)> {
        let key = grant_unique_key(&self.client, &self.resource_server, self.subject_type);
        vec![(Kind::ClientGrantUnique, key)]
    }

    fn belongs_to(&self) -> Vec<(Weight, Kind, Key)> {
        vec![client(Weight::Damage, &self.client), resource_server(Weight::Damage, &self.resource_server)]
    }
}

impl Linked for AdministrativeConsent {
    fn belongs_to(&self) -> Vec<(Weight, Kind, Key)> {
        vec![client(Weight::Damage, &self.client), resource_server(Weight::Damage, &self.resource_server)]
    }
}

impl Linked for Session {
    fn belongs_to(&self) -> Vec<(Weight, Kind, Key)> {
        vec![user(Weight::Leftover, &self.user)]
    }
}

impl Linked for UserGrant {
    fn belongs_to(&self) -> Vec<(Weight, Kind, Key)> {
        vec![user(Weight::Leftover, &self.user), client(Weight::Leftover, &self.client)]
    }
}

impl Linked for RefreshFamily {
    fn belongs_to(&self) -> Vec<(Weight, Kind, Key)> {
        vec![user(Weight::Leftover, &self.user), client(Weight::Leftover, &self.client)]
    }
}

impl Linked for GrantOwner {
    fn linked(&self) -> Vec<(Kind, Key)> {
        vec![(Kind::ClientGrant, Key::of(&[self.id.as_str()]))]
    }
}

impl Linked for User {
    fn linked(&self) -> Vec<(Kind, Key)> {
        self.login_names().map(|name| (Kind::UserLogin, login_key(&self.connection, &name))).collect()
    }

    fn belongs_to(&self) -> Vec<(Weight, Kind, Key)> {
        vec![(Weight::Damage, Kind::Connection, Key::of(&[self.connection.as_str()]))]
    }
}

impl Linked for LoginOwner {
    fn linked(&self) -> Vec<(Kind, Key)> {
        vec![(Kind::User, Key::of(&[self.user.as_str()]))]
    }
}

impl Linked for RootSecret {}
impl Linked for Client {}
impl Linked for SigningKey {}
impl Linked for SeenJti {}
impl Linked for Connection {}
impl Linked for ConsentRecord {}
impl Linked for AuthorizationCode {}
impl Linked for LoginAttempts {}
impl Linked for ConsumedHandle {}
impl Linked for LogoutDelivery {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Becomes, Expect, MemoryBackend, Operation, SealingKeys};
    use records::{Origin, TenantSettings, UnixTime, Write};
    use zeroize::Zeroizing;

    async fn stores() -> Stores<MemoryBackend> {
        let sealer = Sealer::new(SealingKeys::new("k1", Zeroizing::new([7; 32])));
        let stores = Stores::open(MemoryBackend::default(), sealer).await.unwrap();
        let tenant = Tenant {
            id: TenantId::parse("acme").unwrap(),
            origins: vec![Origin::parse("https://auth.acme.example/").unwrap()],
            settings: TenantSettings::default(),
            created_at: UnixTime(1),
        };
        stores.directory().commit(vec![Write::CreateTenant(tenant)]).await.unwrap();
        stores
    }

    async fn raw(stores: &Stores<MemoryBackend>, kind: Kind) -> RawRow {
        let row = stores.backend().page(&Space::Directory, kind, None, None, 1).await.unwrap().pop().unwrap();
        RawRow {
            table: 0,
            space: "_directory".to_owned(),
            kind: kind.name().to_owned(),
            key: row.key.as_str().to_owned(),
            version: row.version,
            body: row.body,
            entries: String::new(),
            drop_at: None,
        }
    }

    async fn why(stores: &Stores<MemoryBackend>, row: &RawRow) -> String {
        stores.examine(row).await.unwrap().map(|finding| finding.to_string()).unwrap_or_default()
    }

    #[tokio::test]
    async fn sound_rows_have_nothing_to_be_said_about_them() {
        let stores = stores().await;
        for kind in [Kind::Tenant, Kind::TenantOrigin, Kind::RootSecret] {
            assert_eq!(why(&stores, &raw(&stores, kind).await).await, "");
        }
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_row_is_said_without_quoting_it() {
        let stores = stores().await;
        let tenant = raw(&stores, Kind::Tenant).await;
        let root = raw(&stores, Kind::RootSecret).await;
        let secret = root.body.split('"').find(|part| part.starts_with("s1.")).unwrap().to_owned();
        // One letter near the end, whichever it is.
        let altered: String = secret
            .char_indices()
            .map(|(at, letter)| match at == secret.len() - 8 {
                true if letter == 'A' => 'B',
                true => 'A',
                false => letter,
            })
            .collect();
        let cases: Vec<(RawRow, &str)> = vec![
            (RawRow { kind: "unheard".to_owned(), ..tenant.clone() }, "no kind"),
            (RawRow { space: "Not A Tenant".to_owned(), ..tenant.clone() }, "no tenant's"),
            (RawRow { body: tenant.body.replace("acme", "acne"), ..tenant.clone() }, "not its own"),
            (RawRow { body: "hush".to_owned(), ..tenant.clone() }, "not a JSON object"),
            (RawRow { entries: "user=x".to_owned(), ..tenant.clone() }, "indexed by something else"),
            (RawRow { drop_at: Some(3), ..tenant.clone() }, "another time"),
            (RawRow { body: root.body.replace(&secret, &altered), ..root }, "does not open"),
        ];
        for (row, expected) in cases {
            let why = why(&stores, &row).await;
            assert!(why.contains(expected), "{why}");
            assert!(!why.contains("hush") && !why.contains(&secret[6..]), "{why}");
        }
    }

    #[tokio::test]
    async fn a_name_without_its_owner_and_an_owner_without_its_name_are_found() {
        let stores = stores().await;
        let (tenant, origin) = (raw(&stores, Kind::Tenant).await, raw(&stores, Kind::TenantOrigin).await);
        let delete = |kind, row: &RawRow| Operation {
            kind,
            key: Key::from_stored(row.key.clone()),
            expect: Expect::Covered,
            becomes: Becomes::Delete,
        };
        let backend = stores.backend();
        backend.commit(&Space::Directory, vec![delete(Kind::TenantOrigin, &origin)]).await.unwrap();
        assert!(why(&stores, &tenant).await.contains("has no tenant_origin"));
        // What changed meanwhile is no finding: here the tenant itself is gone by the time it is looked at again.
        backend.commit(&Space::Directory, vec![delete(Kind::Tenant, &tenant)]).await.unwrap();
        assert_eq!(why(&stores, &tenant).await, "");
        let becomes = Becomes::Put { body: origin.body.clone(), index: Vec::new(), drop_at: None };
        let put = Operation { expect: Expect::Absent, becomes, ..delete(Kind::TenantOrigin, &origin) };
        backend.commit(&Space::Directory, vec![put]).await.unwrap();
        let origin = raw(&stores, Kind::TenantOrigin).await;
        assert!(why(&stores, &origin).await.contains("has no tenant acme"));
    }
}
