//! The pages in a real browser: stories told by playwright-core with Debian's Chromium against the real authd.

use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::install;
use crate::process::{Failure, Scratch, failed, tools_dir};
use crate::server::{self, Authd};
use crate::suite::Suite;

/// Where the stories are.
const FOLDER: &str = "xtask/browser";

/// How long one story may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// A program with cases about the pages. Each has a server of its own, where nobody agreed to anything yet.
struct Story {
    name: &'static str,
    program: &'static str,
    has_scripts: bool,
    /// Whether every contributor's tests run the beginning of it; the others are the full suite's.
    in_smoke: bool,
}

const STORIES: &[Story] = &[
    Story { name: "story", program: "story.mjs", has_scripts: true, in_smoke: true },
    Story { name: "story", program: "story.mjs", has_scripts: false, in_smoke: true },
    Story { name: "pictures", program: "pictures.mjs", has_scripts: true, in_smoke: false },
    Story { name: "libraries", program: "libraries.mjs", has_scripts: true, in_smoke: false },
];

/// Runs the suite: everything, or with `--smoke` what a contributor must pass.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let smoke = match arguments {
        [] => false,
        [flag] if flag == "--smoke" => true,
        _ => return Err(Failure::Usage("takes nothing or --smoke".to_owned())),
    };
    let folder = install::npm(FOLDER)?;
    let chromium = install::chromium()?;
    let binary = server::build()?;
    let scratch = Scratch::new("browser")?;
    let (pictures, temporary) = (tools_dir().join("pictures"), scratch.path("tmp"));
    for folder in [&pictures, &temporary] {
        if let Err(error) = std::fs::create_dir_all(folder) {
            return failed(format!("{}: {error}", folder.display()));
        }
    }
    let mut suite = Suite::of("browser");
    let stories = STORIES.iter().filter(|story| story.in_smoke || !smoke);
    for (at, story) in stories.enumerate() {
        let log = scratch.path(&format!("authd-{at}.log"));
        let authd = Authd::start(&binary, &scratch.path(&format!("data-{at}")), &log, (0, 0))?;
        let question = json!({
            "origins": { "http": authd.http_origin()?, "https": authd.https_origin()? },
            "ca_file": authd.ca_file()?,
            "chromium": chromium,
            "javascript": story.has_scripts,
            "smoke": smoke,
            "pictures": pictures,
        });
        let mut command = Command::new("node");
        command.arg(folder.join(story.program)).env("NODE_EXTRA_CA_CERTS", authd.ca_file()?);
        // Profiles go with the rest, even where a program is killed.
        command.env("TMPDIR", &temporary);
        suite.program(story.name, &mut command, &question, &scratch.path(&format!("{at}.log")), PATIENCE);
        authd.stop()?;
    }
    if !smoke {
        println!("\nThe pictures are in {}.", pictures.display());
    }
    suite.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_is_there_and_the_smoke_version_has_scripts_on_and_off() {
        for story in STORIES {
            assert!(crate::process::root().join(FOLDER).join(story.program).is_file(), "{}", story.program);
        }
        let smoke: Vec<bool> = STORIES.iter().filter(|s| s.in_smoke).map(|s| s.has_scripts).collect();
        assert_eq!(smoke, [true, false]);
    }
}
