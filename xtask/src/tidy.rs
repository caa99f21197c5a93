//! Order in the files: captions, lengths, links, leftovers, lock files.

use std::path::Path;

use crate::process::{Failure, failed, root};
use crate::sources::{self, SourceFile};

/// The longest a file may be, without its tests, in lines.
const LONGEST: usize = 600;

/// Words that mark something unfinished. Spelled in halves, so that this file has none of them.
const LEFTOVERS: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("db", "g!("),
    concat!("#[ig", "nore"),
];

/// Hosts of package registries: they belong into Cargo.lock alone.
const REGISTRIES: &[&str] = &[
    concat!("crates", ".io"),
    concat!("npm", "js.org"),
    concat!("npm", "js.com"),
    concat!("pypi", ".org"),
    concat!("python", "hosted.org"),
    concat!("proxy.go", "lang.org"),
];

/// Files that must be there.
const REQUIRED: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
    "deny.toml",
    "rust-toolchain.toml",
    ".ci/run",
    "docs/adr",
    "docs/standards.md",
];

/// The two commands that the README must show: start the server, ask for a token.
const COMMANDS: &[&str] = &["cargo run --release -p authd -- dev", "/oauth/token"];

/// Runs every check and prints what is out of order.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    if !arguments.is_empty() {
        return Err(Failure::Usage("takes no arguments".to_owned()));
    }
    let files = sources::all()?;
    let exists = |path: &str| root().join(path).exists();
    let mut found = Vec::new();
    for file in &files {
        found.extend(check(file, &exists));
    }
    for path in REQUIRED {
        if !exists(path) {
            found.push(format!("{path}: is missing"));
        }
    }
    let readme = files.iter().find(|file| file.path == "README.md");
    found.extend(commands(readme.map_or("", |file| &file.text)));
    found.extend(libraries_without_readme(&files));
    for line in &found {
        println!("tidy: {line}");
    }
    if !found.is_empty() {
        return failed(format!("{} things out of order", found.len()));
    }
    println!("tidy: {} files in order", files.len());
    Ok(())
}

fn check(file: &SourceFile, exists: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    let path = file.path.as_str();
    if path.ends_with(".rs") {
        found.extend(caption(file));
        found.extend(length(file));
    }
    // The generated page is as good as what it was made from; `standards --check` says whether it is current.
    if path.ends_with(".md") && path != "docs/standards.md" {
        found.extend(links(file, exists));
    }
    if !path.ends_with("Cargo.lock") {
        for (number, line) in numbered(&file.text) {
            for host in REGISTRIES.iter().filter(|host| line.contains(*host)) {
                found.push(format!("{path}:{number}: names the registry host {host}"));
            }
        }
    }
    if path.ends_with("package-lock.json") {
        for (number, line) in numbered(&file.text) {
            if line.contains("\"resolved\"") {
                found.push(format!("{path}:{number}: has a download address; `npm install --omit-lockfile-registry-resolved` leaves it out"));
            }
        }
    }
    let text = [".rs", ".md", ".toml", ".sql", ".py", ".mjs", ".html", "/run"];
    if text.iter().any(|end| path.ends_with(end)) {
        for (number, line) in numbered(&file.text) {
            for word in LEFTOVERS.iter().filter(|word| line.contains(*word)) {
                found.push(format!("{path}:{number}: `{word}` is left over"));
            }
            if line.ends_with([' ', '\t']) && !path.ends_with(".md") {
                found.push(format!("{path}:{number}: white space at the line's end"));
            }
        }
        if !file.text.is_empty() && !file.text.ends_with('\n') {
            found.push(format!("{path}: does not end with a new line"));
        }
    }
    found
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(at, line)| (at + 1, line))
}

/// The first line is a caption: `//! What the file is about (RFC 6749 §4.4).`
fn caption(file: &SourceFile) -> Option<String> {
    let first = file.text.lines().next().unwrap_or("");
    let good = first.strip_prefix("//! ").is_some_and(|words| {
        words.len() >= 10
            && (words.ends_with('.') || words.ends_with(".)"))
            && (words.chars().next().is_some_and(|c| !c.is_lowercase()) || words.starts_with("authd"))
            && words.matches('(').count() == words.matches(')').count()
            && words != "Placeholder."
    });
    (!good).then(|| format!("{}:1: must be a caption: `//! What the file is about (standard §).`", file.path))
}

fn length(file: &SourceFile) -> Option<String> {
    let lines = file.code_lines().count();
    (lines > LONGEST).then(|| format!("{}: {lines} lines without tests; {LONGEST} are the most", file.path))
}

/// Links to files of the project that are not there, or to headings that no file has.
fn links(file: &SourceFile, exists: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
    let mut fenced = false;
    for (number, line) in numbered(&file.text) {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for target in targets(line) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (to, heading) = target.split_once('#').unwrap_or((target, ""));
            if to.is_empty() {
                if !heading.is_empty() && !headings(&file.text).any(|have| have == heading) {
                    found.push(format!("{}:{number}: no heading #{heading}", file.path));
                }
                continue;
            }
            let joined = folder.join(to);
            if !exists(&joined.to_string_lossy()) {
                found.push(format!("{}:{number}: the link to {target} leads nowhere", file.path));
            }
        }
    }
    found
}

/// The targets of a line's inline links, without those in code spans.
fn targets(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(step) = line.get(at..).and_then(|rest| rest.find("](")) {
        let start = at + step + 2;
        let in_code = line.get(..start).unwrap_or("").matches('`').count() % 2 == 1;
        let Some(end) = line.get(start..).and_then(|rest| rest.find(')')) else { break };
        if !in_code {
            found.extend(line.get(start..start + end).and_then(|target| target.split(' ').next()));
        }
        at = start + end;
    }
    found
}

/// The anchors of a page's headings.
fn headings(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter(|line| line.starts_with('#')).map(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

fn commands(readme: &str) -> Vec<String> {
    let missing = COMMANDS.iter().filter(|command| !readme.contains(*command));
    missing.map(|command| format!("README.md: must show `{command}`")).collect()
}

/// Library crates whose README is missing or is not a doctest of the crate.
fn libraries_without_readme(files: &[SourceFile]) -> Vec<String> {
    let mut found = Vec::new();
    for library in files.iter().filter(|file| file.path.ends_with("/src/lib.rs") && file.room() != "testkit")
    {
        let readme = library.path.replace("src/lib.rs", "README.md");
        let has = files.iter().any(|file| file.path == readme);
        if library.room() != "authd" && !(has && library.text.contains("include_str!(\"../README.md\")")) {
            found.push(format!("{}: must have a README.md whose examples are doctests", library.path));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.into(), text: text.into() }
    }

    fn problems(path: &str, text: &str) -> Vec<String> {
        check(&file(path, text), &|path| path == "docs/there.md" || path == "docs/../README.md")
    }

    #[test]
    fn a_file_in_order_has_no_problems() {
        let text = "//! Scopes as sets of tokens (RFC 6749 §3.3).\nfn a() {}\n";
        assert_eq!(problems("crates/a/src/a.rs", text), Vec::<String>::new());
    }

    #[test]
    fn a_missing_caption_is_found() {
        for text in
            ["fn main() {}\n", "//! no capital.\n", "//! No full stop\n", "//! Placeholder.\n", "//! A (b.\n"]
        {
            assert_eq!(problems("a.rs", text).len(), 1, "{text}");
        }
    }

    #[test]
    fn a_file_of_601_lines_is_found_but_tests_do_not_count() {
        let long = format!("//! A long file of nothing.\n{}", "\n".repeat(600));
        assert_eq!(problems("a.rs", &long).len(), 1);
        let tests =
            format!("//! A long file of tests.\n#[cfg(test)]\nmod tests {{\n{}}}\n", "\n".repeat(600));
        assert_eq!(problems("a.rs", &tests), Vec::<String>::new());
    }

    #[test]
    fn leftovers_registries_and_download_addresses_are_found() {
        for word in LEFTOVERS.iter().chain(REGISTRIES) {
            assert_eq!(problems("a.md", &format!("a {word} b\n")).len(), 1, "{word}");
        }
        let lock = "{\n  \"resolved\": \"somewhere\"\n}\n";
        assert_eq!(problems("xtask/clients/package-lock.json", lock).len(), 1);
        assert_eq!(
            problems("Cargo.lock", &format!("source = {}\n", REGISTRIES.join(" "))),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        let page = "# A title\n[a](there.md) [b](gone.md) [c](../README.md) [d](https://example.com/) `[e](gone.md)`\n\
                    [f](#a-title) [g](#b)\n```\n[h](gone.md)\n```\n";
        let found = problems("docs/page.md", page);
        assert_eq!(
            found,
            ["docs/page.md:2: the link to gone.md leads nowhere", "docs/page.md:3: no heading #b"]
        );
    }

    #[test]
    fn a_readme_without_the_two_commands_is_found() {
        assert_eq!(commands("").len(), 2);
        assert_eq!(
            commands("cargo run --release -p authd -- dev\ncurl http://localhost:8080/oauth/token").len(),
            0
        );
    }

    #[test]
    fn a_library_without_doctests_in_its_readme_is_found() {
        let lib = file("crates/store/src/lib.rs", "#![doc = include_str!(\"../README.md\")]\n");
        assert_eq!(libraries_without_readme(std::slice::from_ref(&lib)).len(), 1);
        assert_eq!(
            libraries_without_readme(&[lib, file("crates/store/README.md", "")]),
            Vec::<String>::new()
        );
    }
}
