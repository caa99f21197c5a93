//! Two million grants on SQLite, made, used, expired and swept, in a release build.

use crate::process::{Failure, cargo, run as command};

/// Runs `crates/store-sqlite/examples/soak.rs`. Ten thousand grants, in a debug build, are among that crate's tests.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let grants = grants(arguments)?.to_string();
    command(cargo().args(["run", "--release", "-p", "store-sqlite", "--example", "soak", "--", &grants]))
}

fn grants(arguments: &[String]) -> Result<u64, Failure> {
    match arguments {
        [] => Ok(2_000_000),
        [name, number] if name == "--grants" => match number.parse() {
            Ok(number) if number >= 1000 => Ok(number),
            _ => Err(Failure::Usage(format!("{number:?} is not a number of grants, 1000 or more"))),
        },
        _ => Err(Failure::Usage("takes `--grants N`".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_grants_is_two_million_or_what_is_said() {
        let of = |words: &[&str]| grants(&words.iter().map(ToString::to_string).collect::<Vec<_>>()).ok();
        assert_eq!(of(&[]), Some(2_000_000));
        assert_eq!(of(&["--grants", "5000"]), Some(5000));
        assert!([&["--grants"][..], &["--grants", "10"], &["5000"]].iter().all(|words| of(words).is_none()));
    }
}
