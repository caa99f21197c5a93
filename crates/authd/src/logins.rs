//! Attempts to log in: counted first, then verified, whether there is such a person or not (threats LC-09, LC-10, LC-14).

use oauth_grants::Moment;
use oauth_grants::digest::attempts_id;
use policy::lockout::{self, Attempt, Lockout};
use records::{
    AttemptsId, Connection, Lifetime, LoginAttempts, LoginName, SecretText, User, Versioned, Write,
};
use store::{CommitError, Unavailable};
use tokio::sync::{Mutex, MutexGuard};

use crate::administration::ATTEMPTS;
use crate::app::{App, Called};
use crate::failure::Failure;
use crate::http::peer::Peer;
use crate::passwords::Busy;

/// Where attempts are counted.
#[derive(Clone, Debug)]
pub struct Counters {
    account: AttemptsId,
    /// `None` where the server does not count by address.
    address: Option<AttemptsId>,
}

/// Whoever counts at the same place takes turns, in the order in which they came.
///
/// A count is one row, and a hundred people may log in behind one address at nine in the morning: without turns all but
/// one of those whose commits meet would have to begin again. Counters of other places may share a turn; they wait a
/// little for nothing.
#[derive(Debug)]
pub struct Turns(Vec<Mutex<()>>);

impl Default for Turns {
    fn default() -> Self {
        Self((0..256).map(|_| Mutex::default()).collect())
    }
}

impl Turns {
    async fn take(&self, id: &AttemptsId) -> Option<MutexGuard<'_, ()>> {
        // The id is a keyed digest: nobody can choose whom to wait with.
        let mixed = id.as_str().bytes().fold(0_usize, |mixed, b| mixed.wrapping_mul(31) ^ usize::from(b));
        let place = self.0.get(mixed.checked_rem(self.0.len())?)?;
        Some(place.lock().await)
    }
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The password is the person's.
    Matches,
    /// There is no such person, or it is another password. The attempt stays counted.
    Differs,
    /// It was not looked at: there were too many before, or another one at the same moment.
    TooMany(Lifetime),
    /// It was not looked at: the server has too much to do.
    Busy,
}

impl Counters {
    /// The counters of somebody who says that they are the bearer of `name`, from this address.
    ///
    /// A person's names count together (LC-10), and so do the addresses of a network. Elsewhere the person is not kept
    /// from logging in: nobody can lock somebody else out.
    pub fn of(
        app: &App,
        called: &Called,
        connection: &Connection,
        name: Option<&LoginName>,
        user: Option<&User>,
        peer: Option<Peer>,
    ) -> Result<Self, Failure> {
        let key = app.stores().derive(&format!("login attempts/{}", called.tenant.record.id))?;
        let network = peer.map(Peer::network).unwrap_or_default();
        let who = user.map(|user| user.id.as_str()).or(name.map(LoginName::as_str)).unwrap_or_default();
        let id =
            |what: &[&str]| attempts_id(&key, what).map_err(|invalid| Failure::Unsigned(invalid.to_string()));
        let by_address = app.limits().counts_logins_by_address;
        Ok(Self {
            account: id(&["account", connection.name.as_str(), who, &network])?,
            address: by_address.then(|| id(&["address", &network])).transpose()?,
        })
    }

    /// Counts the attempt, then verifies the password; against nothing where there is no such person.
    pub async fn verify(
        &self,
        app: &App,
        called: &Called,
        password: SecretText,
        user: Option<&User>,
        moment: &Moment,
    ) -> Result<Verdict, Failure> {
        if let Err(wait) = self.reserve(app, called, moment).await? {
            return Ok(Verdict::TooMany(wait));
        }
        let hash = user.and_then(|user| user.password_hash.as_ref());
        match app.passwords()?.verify(password, hash).await {
            Ok(true) => Ok(Verdict::Matches),
            Ok(false) => Ok(Verdict::Differs),
            Err(Busy) => {
                // Nobody guessed anything. If it cannot be given back now, it is forgotten within the hour.
                let _turn = self.turn(app).await;
                let (account, address) = self.present(called).await?;
                let given_back = account.into_iter().chain(address).map(give_back).collect();
                drop(called.store.commit(given_back).await);
                Ok(Verdict::Busy)
            }
        }
    }

    /// Waits until nobody else of this server is changing these counts.
    pub async fn turn<'a>(&self, app: &'a App) -> Option<MutexGuard<'a, ()>> {
        // An account's count is the address's too, so that one turn is enough.
        app.turns().take(self.address.as_ref().unwrap_or(&self.account)).await
    }

    /// Commits both counts, or says how long to wait.
    async fn reserve(
        &self,
        app: &App,
        called: &Called,
        moment: &Moment,
    ) -> Result<Result<(), Lifetime>, Failure> {
        let _turn = self.turn(app).await;
        for _ in 0..ATTEMPTS {
            let (account, address) = self.present(called).await?;
            let mut writes = Vec::new();
            let rules = [
                (&Lockout::ACCOUNT, Some(&self.account), account),
                (&Lockout::ADDRESS, self.address.as_ref(), address),
            ];
            for (rule, id, past) in rules {
                let Some(id) = id else { continue };
                match lockout::reserve(rule, id, past.as_ref().map(|past| &past.record), moment.now) {
                    Attempt::Reserved(next) => writes.push(Write::ReserveAttempt(past, next)),
                    Attempt::Wait(wait) => return Ok(Err(wait)),
                }
            }
            match called.store.commit(writes).await {
                Ok(()) => return Ok(Ok(())),
                // Another server on the same store counted meanwhile.
                Err(CommitError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Err(Lifetime(1)))
    }

    /// The counts as they stand.
    pub async fn present(
        &self,
        called: &Called,
    ) -> Result<(Option<Versioned<LoginAttempts>>, Option<Versioned<LoginAttempts>>), Unavailable> {
        let account = called.store.login_attempts(&self.account).await?;
        let address = match &self.address {
            Some(id) => called.store.login_attempts(id).await?,
            None => None,
        };
        Ok((account, address))
    }

    /// What a success writes: the account's count is forgotten, the address gets this attempt back. To be committed in
    /// the same [`Counters::turn`].
    pub async fn cleared(&self, called: &Called) -> Result<Vec<Write>, Unavailable> {
        let (account, address) = self.present(called).await?;
        Ok(account.map(Write::ClearAttempts).into_iter().chain(address.map(give_back)).collect())
    }
}

fn give_back(attempts: Versioned<LoginAttempts>) -> Write {
    let next = lockout::give_back(&attempts.record);
    Write::ReserveAttempt(Some(attempts), next)
}
