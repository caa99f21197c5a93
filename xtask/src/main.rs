//! The project's own tasks: `cargo xtask TASK`.

mod bench;
mod browser;
mod ci;
mod clients;
mod crash;
mod demo;
mod deny;
mod forge;
mod fuzz;
mod install;
mod layers;
mod loopback;
mod people;
mod process;
mod server;
mod simulate;
mod soak;
mod sources;
mod standards;
mod steps;
mod suite;
mod test;
mod tidy;

use std::process::ExitCode;

use crate::process::Failure;

/// One task: a row of the help text and its entry.
struct Task {
    name: &'static str,
    arguments: &'static str,
    does: &'static str,
    run: fn(&[String]) -> Result<(), Failure>,
}

const TASKS: &[Task] = &[
    Task {
        name: "test",
        arguments: "",
        does: "everything a contributor must pass: each library alone and on both backends, other people's clients, \
               the demo, the whole server",
        run: test::run,
    },
    Task {
        name: "ci",
        arguments: "",
        does: "format, lints, walls, tidiness, documentation, licences, then test",
        run: ci::run,
    },
    Task {
        name: "layers",
        arguments: "",
        does: "checks the walls between the crates: who imports whom, who reads the clock, who names the cryptography",
        run: layers::run,
    },
    Task {
        name: "tidy",
        arguments: "",
        does: "checks captions, file lengths, links, leftovers and lock files",
        run: tidy::run,
    },
    Task {
        name: "standards",
        arguments: "[--check]",
        does: "writes docs/standards.md from the annotations in code and tests, or checks that it is current",
        run: standards::run,
    },
    Task {
        name: "deny",
        arguments: "",
        does: "checks licences, bans and sources of the dependencies with cargo-deny",
        run: deny::run_task,
    },
    Task {
        name: "clients",
        arguments: "[--smoke]",
        does: "starts the real authd: its tokens are checked with PyJWT, jose and curl, and people log in to \
               applications made with oauth4webapi, openid-client, Authlib and openidconnect",
        run: clients::run,
    },
    Task {
        name: "demo",
        arguments: "",
        does: "starts authd and a small geocoding API, and calls it with good and bad tokens",
        run: demo::run,
    },
    Task { name: "bench", arguments: "[CRATE…]", does: "runs the criterion benches", run: bench::run },
    Task {
        name: "fuzz",
        arguments: "[--smoke | --seconds N]",
        does: "runs each fuzz target for a while (needs nightly and cargo-fuzz)",
        run: fuzz::run,
    },
    Task {
        name: "browser",
        arguments: "[--smoke]",
        does: "the pages in Chromium, with scripts and without, and Auth0's browser libraries; takes pictures",
        run: browser::run,
    },
    Task {
        name: "soak",
        arguments: "[--grants N]",
        does: "makes, uses and expires two million grants on SQLite, and looks whether the file is small again",
        run: soak::run,
    },
    Task {
        name: "simulate",
        arguments: "[--seeds N | --seed N]",
        does: "clients, crashes, clock jumps and lost answers on the real handlers, all from a seed: many seeds, or one \
               again in words (more words in docs/simulation.md)",
        run: simulate::run,
    },
    Task {
        name: "crash",
        arguments: "[--smoke] [--seed N] [--only SCENARIO [--count N]]",
        does: "kills the server, cuts its power, fills its disk, fails its system calls, damages its files and takes its \
               PostgreSQL away, and holds it to what it had acknowledged",
        run: crash::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = arguments.split_first() else {
        print!("{}", usage());
        return ExitCode::from(2);
    };
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        print!("{}", usage());
        return ExitCode::SUCCESS;
    }
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        eprint!("There is no task {name:?}.\n\n{}", usage());
        return ExitCode::from(2);
    };
    match (task.run)(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(why)) => {
            eprintln!("cargo xtask {name} {}: {why}", task.arguments);
            ExitCode::from(2)
        }
        Err(Failure::Failed(why)) => {
            eprintln!("cargo xtask {name}: FAILED: {why}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> String {
    let mut text = String::from("cargo xtask TASK\n\n");
    for task in TASKS {
        let call = format!("{} {}", task.name, task.arguments);
        text.push_str(&format!("  {call:<30} {}\n", task.does));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_has_its_own_name_and_says_what_it_does() {
        for (at, task) in TASKS.iter().enumerate() {
            assert!(!task.does.is_empty());
            assert!(TASKS.iter().skip(at + 1).all(|other| other.name != task.name), "{} twice", task.name);
            assert!(usage().contains(task.name));
        }
    }
}
