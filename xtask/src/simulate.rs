//! The deterministic simulation: many seeds, one again in words, or how soon it finds planted mistakes (docs/simulation.md).

use crate::process::{Failure, cargo, run as command};

/// The names that the program knows, and whether a number follows.
const NAMES: &[(&str, bool)] =
    &[("--seed", true), ("--seeds", true), ("--from", true), ("--steps", true), ("--planted", false)];

/// Builds the program and runs it with these words. Built as tests are, so that a seed that failed there needs nothing
/// new to be seen again; `--release` first builds it for long runs.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let (is_release, words) = check(arguments)?;
    let profile: &[&str] = if is_release { &["--release"] } else { &[] };
    let call = ["run", "--quiet", "-p", "testkit", "--example", "simulate"];
    command(cargo().args(call).args(profile).arg("--").args(words))
}

/// Refuses what the program would refuse, before it is built.
fn check(arguments: &[String]) -> Result<(bool, Vec<&str>), Failure> {
    let mut words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let is_release = words.first() == Some(&"--release");
    if is_release {
        words.remove(0);
    }
    let mut rest = words.iter().peekable();
    while let Some(name) = rest.next() {
        let Some((_, wants_number)) = NAMES.iter().find(|(known, _)| known == name) else {
            return Err(Failure::Usage(format!("{name:?} is not known")));
        };
        let value = rest.next_if(|word| !word.starts_with("--"));
        let is_number = value.is_some_and(|text| text.parse::<u64>().is_ok());
        if *wants_number && !is_number {
            return Err(Failure::Usage(format!("{name} wants a number")));
        }
    }
    Ok((is_release, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<bool, String> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        check(&words).map(|(is_release, _)| is_release).map_err(|failure| failure.to_string())
    }

    #[test]
    fn what_is_not_understood_is_refused_before_anything_is_built() {
        assert_eq!(checked(""), Ok(false));
        assert_eq!(checked("--seed 7 --steps 100 --planted commit-after-answer"), Ok(false));
        assert_eq!(checked("--release --seeds 1000 --from 50"), Ok(true));
        assert_eq!(checked("--planted"), Ok(false));
        for wrong in ["--seed", "--seed x", "--seeds --from 1", "7", "--sed 7", "--seed 7 --release"] {
            assert!(checked(wrong).is_err(), "{wrong}");
        }
    }
}
