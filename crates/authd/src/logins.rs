//! Attempts to log in: counted first, then verified, whether there is such a person or not (threats LC-09, LC-10, LC-14).

use oauth_grants::Moment;
use oauth_grants::digest::attempts_id;
use policy::lockout::{self, Attempt, Lockout};
use records::{
    AttemptsId, ClientId, Connection, ConnectionName, Lifetime, LoginAttempts, LoginName, SecretText, User,
    UserId, Versioned, Write,
};
use store::{CommitError, Unavailable};
use tokio::sync::{Mutex, MutexGuard};
use zeroize::Zeroizing;

use crate::administration::ATTEMPTS;
use crate::app::{App, Called};
use crate::failure::Failure;
use crate::http::peer::{Peer, counted_address, counted_network};
use crate::passwords::Busy;

/// Who hands the name and the password in.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// Whoever is at the other end of the connection.
    Peer(Peer),
    /// A confidential client, which authenticated and speaks for many people from one address.
    Client(&'a ClientId),
}

/// Where the attempts of somebody who says that they bear a name are counted: by that name, by the address, and, once it
/// is known whether there is one, by the person.
///
/// Names are counted apart, so that what is said about one tells nothing about another. A person's names are counted
/// together too, and there the guesses end (LC-10); but nobody is told, as it would say whose names they are. Elsewhere
/// the person is not kept from logging in: from another network nobody can lock somebody else out.
pub struct Counters<'a> {
    app: &'a App,
    called: &'a Called,
    connection: &'a ConnectionName,
    typed: Option<&'a LoginName>,
    key: Zeroizing<[u8; 32]>,
    /// What keeps apart the counts of people in different places.
    place: [String; 2],
    name: AttemptsId,
    /// `None` where an address is not one person's, or the server does not count by it.
    address: Option<AttemptsId>,
    turn: AttemptsId,
}

impl std::fmt::Debug for Counters<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counters").finish_non_exhaustive()
    }
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The password is this person's.
    Matches(Box<Versioned<User>>),
    /// There is no such person, or it is another password. The attempt stays counted.
    Differs,
    /// The password was not looked at: there were too many before, under whichever of the person's names. To be answered
    /// like [`Verdict::Differs`] to the letter.
    Locked,
    /// It was not looked at: there were too many under this name or from this address before.
    TooMany(Lifetime),
    /// It was not looked at: the server has too much to do.
    Busy,
}

/// An attempt that was counted.
struct Counted {
    user: Option<Versioned<User>>,
    /// Their password's, opened.
    hash: Option<SecretText>,
    /// The person's count, or what stands for it; `None` where it was full.
    second: Option<AttemptsId>,
}

/// The counts of the name and of the address, as they stand.
type Present = (Option<Versioned<LoginAttempts>>, Option<Versioned<LoginAttempts>>);

impl<'a> Counters<'a> {
    /// The counters of somebody who says that they are the bearer of `typed`; `None` for text that is nobody's name.
    ///
    /// # Errors
    /// None in practice: where a key cannot be derived.
    pub fn of(
        app: &'a App,
        called: &'a Called,
        connection: &'a Connection,
        typed: Option<&'a LoginName>,
        source: Source<'_>,
    ) -> Result<Self, Failure> {
        let key = app.stores().derive(&format!("login attempts/{}", called.tenant.record.id))?;
        let connection = &connection.name;
        let place = match source {
            Source::Peer(Peer::Person(address)) => ["network".to_owned(), counted_network(address)],
            Source::Peer(Peer::Proxy) => ["anywhere".to_owned(), String::new()],
            Source::Client(client) => ["client".to_owned(), client.to_string()],
        };
        let [kind, which] = &place;
        let who = typed.map(LoginName::as_str).unwrap_or_default();
        let name = id(&key, &["name", connection.as_str(), who, kind, which])?;
        let address = match source {
            Source::Peer(Peer::Person(address)) if app.limits().counts_logins_by_address => {
                Some(id(&key, &["address", &counted_address(address)])?)
            }
            _ => None,
        };
        // Whoever shares an address shares a network, so that one turn is enough.
        let turn = if address.is_some() { id(&key, &["turn", which])? } else { name.clone() };
        Ok(Self { app, called, connection, typed, key, place, name, address, turn })
    }

    /// Counts the attempt, then verifies the password; against nothing where there is no such person, or none whose
    /// password may still be tried.
    ///
    /// # Errors
    /// [`Failure`]
    pub async fn verify(&self, password: SecretText, moment: &Moment) -> Result<Verdict, Failure> {
        let Counted { user, hash, second } = match self.reserve(moment).await? {
            Ok(counted) => counted,
            Err(wait) => return Ok(Verdict::TooMany(wait)),
        };
        let hash = hash.as_ref().filter(|_| second.is_some());
        match self.app.passwords()?.verify(password, hash).await {
            Ok(_) if second.is_none() => Ok(Verdict::Locked),
            Ok(matches) => Ok(match user.filter(|_| matches) {
                Some(user) => Verdict::Matches(Box::new(user)),
                None => Verdict::Differs,
            }),
            Err(Busy) => {
                // Nobody guessed anything. If it cannot be given back now, it is forgotten within the hour.
                let _turn = self.turn().await;
                let (name, address) = self.present().await?;
                let second = match &second {
                    Some(id) => self.called.store.login_attempts(id).await?,
                    None => None,
                };
                let counts = name.into_iter().chain(address).chain(second);
                drop(self.called.store.commit(counts.map(give_back).collect()).await);
                Ok(Verdict::Busy)
            }
        }
    }

    /// Waits until nobody else of this server is changing these counts.
    pub async fn turn(&self) -> Option<MutexGuard<'a, ()>> {
        self.app.turns().take(&self.turn).await
    }

    /// The person who bears the name. Where there is none, as many rows are read.
    ///
    /// # Errors
    /// [`Unavailable`]
    pub async fn person(&self) -> Result<Option<Versioned<User>>, Unavailable> {
        let store = &self.called.store;
        let found = match self.typed {
            Some(name) => store.user_by_login(self.connection, name).await?,
            None => None,
        };
        if found.is_none()
            && let Ok(nobody) = UserId::parse(&format!("nobody|{}", self.name.as_str()))
        {
            // As far from the other rows as a person would be.
            drop(store.user(&nobody).await?);
        }
        Ok(found)
    }

    /// The person as they are now, should something have changed while the password was verified. `None` where the name is
    /// not theirs any more, or the password.
    ///
    /// # Errors
    /// [`Unavailable`]
    pub async fn person_again(&self, verified: &User) -> Result<Option<Versioned<User>>, Unavailable> {
        let Some(now) = self.person().await? else { return Ok(None) };
        Ok(self.called.store.has_same_password(&now.record, verified)?.then_some(now))
    }

    /// Commits all counts, or says how long to wait.
    ///
    /// What may answer is asked first, and before it is this attempt's turn: a refused attempt costs two reads, keeps
    /// nobody waiting and looks nobody up. So it takes as long for a person's name as for nobody's.
    async fn reserve(&self, moment: &Moment) -> Result<Result<Counted, Lifetime>, Failure> {
        if let Err(wait) = self.open(self.present().await?, moment) {
            return Ok(Err(wait));
        }
        let _turn = self.turn().await;
        for _ in 0..ATTEMPTS {
            let mut writes = match self.open(self.present().await?, moment) {
                Ok(writes) => writes,
                Err(wait) => return Ok(Err(wait)),
            };
            let user = self.person().await?;
            // Whether it may be tried or not: the time does not say. What does not open is our fault, and not counted.
            let hash = match &user {
                Some(user) => self.called.store.password_hash(&user.record)?,
                None => None,
            };
            let id = self.second(user.as_ref().map(|user| &user.record))?;
            let past = self.called.store.login_attempts(&id).await?;
            let next =
                lockout::reserve(&Lockout::ACCOUNT, &id, past.as_ref().map(|past| &past.record), moment.now);
            let is_open = matches!(next, Attempt::Reserved(_));
            match (past, next) {
                (past, Attempt::Reserved(next)) => writes.push(Write::ReserveAttempt(past, next)),
                // Not counted, but as much is written as for anybody else.
                (Some(past), Attempt::Wait(_)) => {
                    let unchanged = past.record.clone();
                    writes.push(Write::ReserveAttempt(Some(past), unchanged));
                }
                (None, Attempt::Wait(_)) => {}
            }
            match self.called.store.commit(writes).await {
                Ok(()) => return Ok(Ok(Counted { user, hash, second: is_open.then_some(id) })),
                // Another server on the same store counted meanwhile, or the person was tried by another name.
                Err(CommitError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Err(Lifetime(1)))
    }

    /// What counts the attempt by name and by address, or how long to wait.
    fn open(&self, (name, address): Present, moment: &Moment) -> Result<Vec<Write>, Lifetime> {
        let rules = [
            (&Lockout::ACCOUNT, Some(&self.name), name),
            (&Lockout::ADDRESS, self.address.as_ref(), address),
        ];
        let mut writes = Vec::new();
        for (rule, id, past) in rules {
            let Some(id) = id else { continue };
            match lockout::reserve(rule, id, past.as_ref().map(|past| &past.record), moment.now) {
                Attempt::Reserved(next) => writes.push(Write::ReserveAttempt(past, next)),
                Attempt::Wait(wait) => return Err(wait),
            }
        }
        Ok(writes)
    }

    /// Where the person is counted, or, of nobody's name, what is counted instead so that as much is done.
    fn second(&self, user: Option<&User>) -> Result<AttemptsId, Failure> {
        let (connection, [kind, which]) = (self.connection.as_str(), &self.place);
        match user {
            Some(user) => id(&self.key, &["user", connection, user.id.as_str(), kind, which]),
            None => id(&self.key, &["nobody", connection, self.name.as_str(), kind, which]),
        }
    }

    async fn present(&self) -> Result<Present, Unavailable> {
        let name = self.called.store.login_attempts(&self.name).await?;
        let address = match &self.address {
            Some(id) => self.called.store.login_attempts(id).await?,
            None => None,
        };
        Ok((name, address))
    }

    /// What a success of this person's writes: the counts of the name and of the person are forgotten, the address gets
    /// this attempt back. To be committed in the same [`Counters::turn`].
    ///
    /// # Errors
    /// [`Failure`]
    pub async fn cleared(&self, user: &User) -> Result<Vec<Write>, Failure> {
        let (name, address) = self.present().await?;
        let person = self.called.store.login_attempts(&self.second(Some(user))?).await?;
        let forgotten = name.into_iter().chain(person).map(Write::ClearAttempts);
        Ok(forgotten.chain(address.map(give_back)).collect())
    }
}

fn id(key: &[u8; 32], what: &[&str]) -> Result<AttemptsId, Failure> {
    attempts_id(key, what).map_err(|invalid| Failure::Unsigned(invalid.to_string()))
}

fn give_back(attempts: Versioned<LoginAttempts>) -> Write {
    let next = lockout::give_back(&attempts.record);
    Write::ReserveAttempt(Some(attempts), next)
}
