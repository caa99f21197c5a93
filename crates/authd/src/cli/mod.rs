//! The command line: one verb a file (exit codes: 0 done, 1 failed, 2 wrong usage).

mod apis;
mod apps;
mod backup;
mod connections;
mod consents;
mod dev;
mod doctor;
mod grants;
mod init;
mod keys;
mod local;
mod migrate;
mod output;
mod restore;
mod sealing;
mod serve;
mod tenants;
mod token;
mod users;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::log::complain;

/// The self-hosted token service with Auth0's semantics.
#[derive(Debug, Parser)]
#[command(name = "authd", version, about, propagate_version = true, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serve a ready-made development tenant on localhost, over http and https
    Dev(dev::Dev),
    /// Serve the tenants of a database
    Serve(serve::Serve),
    /// Write a settings file and a key-encryption key to start from
    Init(init::Init),
    /// Change the database's schema to this version's, while servers serve
    Migrate(migrate::Migrate),
    /// Copy the database to a file, while servers serve
    Backup(backup::Backup),
    /// Make a database of a backup; everybody logs in again
    Restore(restore::Restore),
    /// Check a database whole, while servers serve
    Doctor(doctor::Doctor),
    /// Make tenants and map them to hosts
    #[command(subcommand)]
    Tenants(tenants::Tenants),
    /// Register APIs: identifier, scopes, signing algorithm, token lifetime
    #[command(subcommand)]
    Apis(apis::Apis),
    /// Register applications
    #[command(subcommand)]
    Apps(apps::Apps),
    /// Grant applications access to APIs
    #[command(subcommand)]
    Grants(grants::Grants),
    /// Register people, set their passwords, keep them out
    #[command(subcommand)]
    Users(users::Users),
    /// Make databases of people, and choose which applications they log in to
    #[command(subcommand)]
    Connections(connections::Connections),
    /// Consent in people's place
    #[command(subcommand)]
    Consents(consents::Consents),
    /// List, rotate and revoke a tenant's signing keys
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Replace the key that encrypts secrets in the database, while servers serve
    #[command(subcommand)]
    Sealing(sealing::Sealing),
    /// Look into tokens and check them
    #[command(subcommand)]
    Token(token::Token),
}

/// Why a command did not succeed.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Exit code 1.
    Failed(String),
    /// Exit code 2.
    Usage(String),
}

impl From<String> for Failed {
    fn from(text: String) -> Self {
        Self::Failed(text)
    }
}

impl From<crate::administration::Refusal> for Failed {
    fn from(refusal: crate::administration::Refusal) -> Self {
        match refusal {
            crate::administration::Refusal::Invalid(text) => Self::Usage(text),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<records::Invalid> for Failed {
    fn from(invalid: records::Invalid) -> Self {
        Self::Usage(invalid.to_string())
    }
}

/// A time as people and programs read it (RFC 3339).
pub(crate) fn instant(time: records::UnixTime) -> String {
    let seconds = i64::try_from(time.0).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).map_or_else(|_| time.0.to_string(), |time| time.to_string())
}

/// Runs the command of this process's arguments.
pub fn main() -> ExitCode {
    // clap answers wrong usage itself, with exit code 2.
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("authd: cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(async {
        match arguments.verb {
            Verb::Dev(verb) => dev::run(verb).await,
            Verb::Serve(verb) => serve::run(verb).await,
            Verb::Init(verb) => init::run(&verb),
            Verb::Migrate(verb) => migrate::run(verb).await,
            Verb::Backup(verb) => backup::run(verb).await,
            Verb::Restore(verb) => restore::run(verb).await,
            Verb::Doctor(verb) => doctor::run(verb).await,
            Verb::Tenants(verb) => tenants::run(verb).await,
            Verb::Apis(verb) => apis::run(verb).await,
            Verb::Apps(verb) => apps::run(verb).await,
            Verb::Grants(verb) => grants::run(verb).await,
            Verb::Users(verb) => users::run(verb).await,
            Verb::Connections(verb) => connections::run(verb).await,
            Verb::Consents(verb) => consents::run(verb).await,
            Verb::Keys(verb) => keys::run(verb).await,
            Verb::Sealing(verb) => sealing::run(verb).await,
            Verb::Token(verb) => token::run(verb).await,
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed::Failed(text)) => {
            complain(&format!("authd: {text}"));
            ExitCode::FAILURE
        }
        Err(Failed::Usage(text)) => {
            complain(&format!("authd: {text}"));
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
