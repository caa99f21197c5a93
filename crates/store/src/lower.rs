//! Typed writes, lowered once, for every backend, to the primitive: what each relies on and what then is.

use records::{ClientGrant, LogoutDelivery, Origin, Tenant, User, UserGrantKey, Version, Versioned, Write};

use crate::seal::Sealer;
use crate::stored::{
    self, GrantOwner, IdentifierOwner, LoginOwner, OriginOwner, Stored, login_key, origin_key, user_grant_key,
};
use crate::{Becomes, Expect, Key, Kind, Operation, Refused, Space};

/// Lowers a commit.
pub(crate) fn lower(sealer: &Sealer, space: &Space, writes: &[Write]) -> Result<Vec<Operation>, Refused> {
    let mut lowering = Lowering { sealer, space, operations: Vec::with_capacity(writes.len()) };
    for write in writes {
        lowering.write(write)?;
    }
    let operations: Vec<_> = lowering.operations.into_iter().map(|lowered| lowered.operation).collect();
    Operation::validate(&operations)?;
    Ok(operations)
}

struct Lowering<'a> {
    sealer: &'a Sealer,
    space: &'a Space,
    operations: Vec<Lowered>,
}

struct Lowered {
    operation: Operation,
    /// Puts the row as it is, for its version to advance.
    is_touch: bool,
}

impl Lowering<'_> {
    fn write(&mut self, write: &Write) -> Result<(), Refused> {
        match write {
            Write::CreateTenant(tenant) => {
                self.in_directory(Kind::Tenant)?;
                self.create(tenant)?;
                tenant.origins.iter().try_for_each(|origin| self.claim_origin(origin, tenant))
            }
            Write::ReplaceTenant(old, new) => {
                self.in_directory(Kind::Tenant)?;
                self.replace_tenant(old, new)
            }
            Write::CreateClient(client) => {
                self.in_tenant(Kind::Client)?;
                self.create(client)
            }
            Write::ReplaceClient(old, new) => {
                self.in_tenant(Kind::Client)?;
                self.replace(old, new)
            }
            Write::DeleteClient(client) => {
                self.in_tenant(Kind::Client)?;
                self.delete(client);
                Ok(())
            }
            Write::CreateResourceServer(api) => {
                self.in_tenant(Kind::ResourceServer)?;
                self.create(api)?;
                self.create(&IdentifierOwner::new(api))
            }
            Write::ReplaceResourceServer(old, new) => {
                self.in_tenant(Kind::ResourceServer)?;
                if old.record.identifier != new.identifier {
                    return Err(Refused::IdentityChanged(Kind::ResourceServer));
                }
                self.replace(old, new)
            }
            Write::DeleteResourceServer(api) => {
                self.in_tenant(Kind::ResourceServer)?;
                self.delete(api);
                self.release(&IdentifierOwner::new(&api.record));
                Ok(())
            }
            Write::CreateClientGrant { grant, client, resource_server } => {
                self.in_tenant(Kind::ClientGrant)?;
                if grant.client != client.record.id || grant.resource_server != resource_server.record.id {
                    return Err(Refused::IdentityChanged(Kind::ClientGrant));
                }
                self.create(grant)?;
                self.create(&GrantOwner::new(grant))?;
                self.touch(client)?;
                self.touch(resource_server)
            }
            Write::ReplaceClientGrant(old, new) => {
                self.in_tenant(Kind::ClientGrant)?;
                if unique_on(&old.record) != unique_on(new) {
                    return Err(Refused::IdentityChanged(Kind::ClientGrant));
                }
                self.replace(old, new)
            }
            Write::DeleteClientGrant(grant) => {
                self.in_tenant(Kind::ClientGrant)?;
                self.delete(grant);
                self.release(&GrantOwner::new(&grant.record));
                Ok(())
            }
            Write::CreateSigningKey(key) => {
                self.in_tenant(Kind::SigningKey)?;
                self.create(key)
            }
            Write::ReplaceSigningKey(old, new) => {
                self.in_tenant(Kind::SigningKey)?;
                self.replace(old, new)
            }
            Write::InsertJti(seen) => {
                self.in_tenant(Kind::SeenJti)?;
                self.create(seen)
            }
            _ => self.write_of_people(write),
        }
    }

    /// Writes about people and what they allow.
    fn write_of_people(&mut self, write: &Write) -> Result<(), Refused> {
        self.in_tenant(Kind::User)?;
        match write {
            Write::CreateConnection(connection) => self.create(connection),
            Write::ReplaceConnection(old, new) => self.replace(old, new),
            Write::DeleteConnection(connection) => self.remove(connection),
            Write::CreateUser(user, connection) => {
                if user.connection != connection.record.name {
                    return Err(Refused::IdentityChanged(Kind::User));
                }
                self.create(user)?;
                user.login_names().try_for_each(|name| self.create(&LoginOwner::new(user, &name)))?;
                self.touch(connection)
            }
            Write::ReplaceUser(old, new) => self.replace_user(old, new),
            Write::DeleteUser(user) => {
                self.delete(user);
                for name in user.record.login_names() {
                    self.release(&LoginOwner::new(&user.record, &name));
                }
                Ok(())
            }
            Write::CreateSession(session) => self.create(session),
            Write::ReplaceSession(old, new) => self.replace(old, new),
            Write::DeleteSession(session) => self.remove(session),
            Write::CreateUserGrant(grant) => self.create(grant),
            Write::ReplaceUserGrant(old, new) => self.replace(old, new),
            Write::DeleteUserGrant(grant) => self.remove(grant),
            Write::RecordConsent(record) => self.create(record),
            Write::CreateAdministrativeConsent { consent, client, resource_server } => {
                if consent.client != client.record.id || consent.resource_server != resource_server.record.id
                {
                    return Err(Refused::IdentityChanged(Kind::AdministrativeConsent));
                }
                self.create(consent)?;
                self.touch(client)?;
                self.touch(resource_server)
            }
            Write::ReplaceAdministrativeConsent(old, new) => self.replace(old, new),
            Write::DeleteAdministrativeConsent(consent) => self.remove(consent),
            Write::IssueCode(code) => self.create(code),
            Write::RedeemCode(old, new) => self.replace(old, new),
            Write::CreateRefreshFamily(family) => self.create(family),
            Write::ReplaceRefreshFamily(new) => self.put_at(new),
            Write::DeleteRefreshFamily(family) => self.remove(family),
            Write::EndRefreshFamily(id) => {
                let key = Key::of(&[id.as_str()]);
                self.push(Kind::RefreshFamily, key, Expect::Covered, Becomes::Delete, false);
                Ok(())
            }
            Write::RelyOnRefreshFamily(id) => {
                self.rely_on(Kind::RefreshFamily, Key::of(&[id.record.as_str()]), id.version)
            }
            Write::ReserveAttempt(None, new) => self.create(new),
            Write::ReserveAttempt(Some(old), new) => self.replace(old, new),
            Write::ClearAttempts(attempts) => self.remove(attempts),
            Write::ConsumeHandle(handle) => self.create(handle),
            Write::ScheduleLogoutDelivery(delivery) => self.create(delivery),
            Write::RescheduleLogoutDelivery(old, new) => self.reschedule(old, new),
            Write::DeleteLogoutDelivery(delivery) => self.remove(delivery),
            Write::RelyOnUser(id) => self.rely_on(Kind::User, Key::of(&[id.record.as_str()]), id.version),
            Write::RelyOnSession(id) => {
                self.rely_on(Kind::Session, Key::of(&[id.record.as_str()]), id.version)
            }
            Write::RelyOnUserGrant(grant) => {
                let UserGrantKey { user, client, audience } = &grant.record;
                self.rely_on(Kind::UserGrant, user_grant_key(user, client, audience), grant.version)
            }
            // Lowered above.
            _ => Ok(()),
        }
    }

    fn replace_user(&mut self, old: &Versioned<User>, new: &User) -> Result<(), Refused> {
        if old.record.connection != new.connection {
            return Err(Refused::IdentityChanged(Kind::User));
        }
        self.replace(old, new)?;
        for name in old.record.login_names().filter(|name| new.login_names().all(|kept| kept != *name)) {
            let key = login_key(&old.record.connection, &name);
            self.push(Kind::UserLogin, key, Expect::Covered, Becomes::Delete, false);
        }
        for name in new.login_names().filter(|name| old.record.login_names().all(|had| had != *name)) {
            self.create(&LoginOwner::new(new, &name))?;
        }
        Ok(())
    }

    /// The key says when a delivery is due: another time is another row.
    fn reschedule(&mut self, old: &Versioned<LogoutDelivery>, new: &LogoutDelivery) -> Result<(), Refused> {
        let of = |delivery: &LogoutDelivery| (delivery.session.clone(), delivery.client.clone());
        if of(&old.record) != of(new) {
            return Err(Refused::IdentityChanged(Kind::LogoutDelivery));
        }
        if old.record.key() == new.key() {
            return self.replace(old, new);
        }
        self.delete(old);
        self.create(new)
    }

    fn remove<T: Stored>(&mut self, record: &Versioned<T>) -> Result<(), Refused> {
        self.delete(record);
        Ok(())
    }

    /// Checks the record's version and writes nothing.
    fn rely_on(&mut self, kind: Kind, key: Key, version: Version) -> Result<(), Refused> {
        self.push(kind, key, Expect::Version(version), Becomes::Keep, false);
        Ok(())
    }

    fn replace_tenant(&mut self, old: &Versioned<Tenant>, new: &Tenant) -> Result<(), Refused> {
        self.replace(old, new)?;
        for origin in old.record.origins.iter().filter(|origin| !new.origins.contains(origin)) {
            self.push(Kind::TenantOrigin, origin_key(origin), Expect::Covered, Becomes::Delete, false);
        }
        for origin in new.origins.iter().filter(|origin| !old.record.origins.contains(origin)) {
            self.claim_origin(origin, new)?;
        }
        Ok(())
    }

    fn claim_origin(&mut self, origin: &Origin, tenant: &Tenant) -> Result<(), Refused> {
        self.create(&OriginOwner::new(origin, tenant))
    }

    fn in_directory(&self, kind: Kind) -> Result<(), Refused> {
        match self.space {
            Space::Directory => Ok(()),
            Space::Tenant(_) => Err(Refused::WrongSpace(kind)),
        }
    }

    fn in_tenant(&self, kind: Kind) -> Result<(), Refused> {
        match self.space {
            Space::Tenant(_) => Ok(()),
            Space::Directory => Err(Refused::WrongSpace(kind)),
        }
    }

    fn create<T: Stored>(&mut self, record: &T) -> Result<(), Refused> {
        self.put(record.key(), Expect::Absent, record, false)
    }

    fn replace<T: Stored>(&mut self, old: &Versioned<T>, new: &T) -> Result<(), Refused> {
        let key = new.key();
        if old.record.key() != key {
            return Err(Refused::IdentityChanged(T::KIND));
        }
        self.put(key, Expect::Version(old.version), new, false)
    }

    /// A new state that names the version which it replaces. Its identity is its row: another would not be at that version.
    fn put_at<T: Stored>(&mut self, new: &Versioned<T>) -> Result<(), Refused> {
        self.put(new.record.key(), Expect::Version(new.version), &new.record, false)
    }

    /// Writes the row as it is: whoever relied on its version finds it changed.
    fn touch<T: Stored>(&mut self, record: &Versioned<T>) -> Result<(), Refused> {
        self.put(record.record.key(), Expect::Version(record.version), &record.record, true)
    }

    fn put<T: Stored>(
        &mut self,
        key: Key,
        expect: Expect,
        record: &T,
        is_touch: bool,
    ) -> Result<(), Refused> {
        let becomes = stored::put(self.sealer, self.space, &key, record)?;
        self.push(T::KIND, key, expect, becomes, is_touch);
        Ok(())
    }

    fn delete<T: Stored>(&mut self, record: &Versioned<T>) {
        let expect = Expect::Version(record.version);
        self.push(T::KIND, record.record.key(), expect, Becomes::Delete, false);
    }

    /// Gives up a unique name. The record that owns it is deleted in the same commit, at its version.
    fn release<T: Stored>(&mut self, name: &T) {
        self.push(T::KIND, name.key(), Expect::Covered, Becomes::Delete, false);
    }

    /// Adds an operation, merging a touch with another touch or change of the same row at the same version.
    /// Everything else that names a row twice stays, and is refused by [`Operation::validate`].
    fn push(&mut self, kind: Kind, key: Key, expect: Expect, becomes: Becomes, is_touch: bool) {
        let operation = Operation { kind, key, expect, becomes };
        let same = self.operations.iter_mut().find(|lowered| {
            let other = &lowered.operation;
            other.kind == kind && other.key == operation.key && other.expect == expect && is_put(other)
        });
        if operation.becomes == Becomes::Keep {
            // A change of the same row at the same version relies on it already.
            let covers = |lowered: &Lowered| {
                let other = &lowered.operation;
                other.kind == kind && other.key == operation.key && other.expect == expect
            };
            if !self.operations.iter().any(covers) {
                self.operations.push(Lowered { operation, is_touch });
            }
            return;
        }
        match same {
            Some(_) if is_put(&operation) && is_touch => {}
            Some(lowered) if is_put(&operation) && lowered.is_touch => {
                *lowered = Lowered { operation, is_touch }
            }
            Some(lowered) if lowered.operation == operation => {}
            _ => match self.keep_of(&operation) {
                Some(kept) => *kept = Lowered { operation, is_touch },
                None => self.operations.push(Lowered { operation, is_touch }),
            },
        }
    }
}

impl Lowering<'_> {
    /// A reliance on the row that this operation changes, at the same version.
    fn keep_of(&mut self, operation: &Operation) -> Option<&mut Lowered> {
        self.operations.iter_mut().find(|lowered| {
            let other = &lowered.operation;
            other.becomes == Becomes::Keep
                && (other.kind, &other.key, other.expect)
                    == (operation.kind, &operation.key, operation.expect)
        })
    }
}

fn is_put(operation: &Operation) -> bool {
    matches!(operation.becomes, Becomes::Put { .. })
}

fn unique_on(grant: &ClientGrant) -> impl PartialEq {
    (grant.client.clone(), grant.resource_server.clone(), grant.subject_type)
}

#[cfg(test)]
mod tests;
