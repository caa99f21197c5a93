//! Requirements: counts the `//= RFC … §…` annotations in code and tests into docs/standards.md.

use std::collections::{BTreeMap, BTreeSet};

use crate::process::{Failure, failed, root};
use crate::sources::{self, SourceFile};

const PAGE: &str = "docs/standards.md";

/// The marker of an annotation.
const MARK: &str = "//= ";

/// The kinds of known attacks: see docs/threat-model.md. Other letters before a number are none.
const ATTACKS: &[&str] = &[
    "AZ", "CA", "CC", "CG", "DA", "DP", "DR", "DV", "HT", "IR", "JR", "JW", "KD", "LC", "LO", "MT", "PR",
    "RT", "RU", "TK", "TX", "UI",
];

/// Short names of standards and the ones that they are listed by.
const SPELLINGS: &[(&str, &str)] = &[
    ("OIDC Core", "OpenID Connect Core 1.0"),
    ("OpenID Connect Core", "OpenID Connect Core 1.0"),
    ("OIDC Discovery", "OpenID Connect Discovery 1.0"),
    ("OpenID Connect Discovery", "OpenID Connect Discovery 1.0"),
];

/// What a requirement comes from, in the order of the page.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Source {
    /// An RFC, by number.
    Rfc(u32),
    /// Another standard, by name.
    Other(String),
    /// Known attacks of one kind, by the kind's letters, such as `JW` for those on tokens.
    Threat(String),
}

impl Source {
    fn title(&self) -> String {
        match self {
            Self::Rfc(number) => format!("RFC {number}"),
            Self::Other(name) => name.clone(),
            Self::Threat(letters) => format!("Attacks {letters}"),
        }
    }
}

/// One requirement: a section of a standard, or a threat's number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Requirement {
    source: Source,
    /// The numbers of the section, for the order, then its text.
    section: (Vec<u32>, String),
}

/// Where a requirement binds and where it is tested.
#[derive(Default)]
struct Places {
    code: BTreeSet<String>,
    tests: BTreeSet<(String, String)>,
}

/// Writes the page, or with `--check` says whether it is current.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let check = match arguments {
        [] => false,
        [flag] if flag == "--check" => true,
        _ => return Err(Failure::Usage("takes nothing or --check".to_owned())),
    };
    let files = sources::all()?;
    let (places, unreadable) = annotations(&files);
    for line in &unreadable {
        println!("standards: {line}");
    }
    if !unreadable.is_empty() {
        return failed(format!("{} annotations cannot be read", unreadable.len()));
    }
    let page = page(&places, &captions(&files));
    let path = root().join(PAGE);
    if check {
        if std::fs::read_to_string(&path).unwrap_or_default() != page {
            return failed(format!("{PAGE} is not current; run `cargo xtask standards`"));
        }
        println!("standards: {PAGE} is current");
        return Ok(());
    }
    let written = std::fs::create_dir_all(root().join("docs")).and_then(|()| std::fs::write(&path, page));
    match written {
        Ok(()) => {
            println!("standards: {} requirements written to {PAGE}", places.len());
            Ok(())
        }
        Err(error) => failed(format!("{PAGE}: {error}")),
    }
}

/// All annotations of the Rust files, and the lines that look like one but cannot be read.
fn annotations(files: &[SourceFile]) -> (BTreeMap<Requirement, Places>, Vec<String>) {
    let mut places: BTreeMap<Requirement, Places> = BTreeMap::new();
    let mut unreadable = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".rs")) {
        let code = file.code_lines().count();
        let lines: Vec<&str> = file.text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let Some(text) = line.trim_start().strip_prefix(MARK) else { continue };
            let Some(requirements) = parse(text) else {
                unreadable.push(format!("{}:{}: {text}", file.path, at + 1));
                continue;
            };
            for requirement in requirements {
                let places = places.entry(requirement).or_default();
                if at < code {
                    places.code.insert(file.path.clone());
                } else {
                    places.tests.insert((file.path.clone(), test_around(&lines, at)));
                }
            }
        }
        if !file.is_test() {
            for threat in lines.first().iter().flat_map(|caption| threats_of_caption(caption)) {
                places.entry(threat).or_default().code.insert(file.path.clone());
            }
        }
        for name in lines.iter().skip(code).filter_map(|line| function_name(line)) {
            for threat in threats_of_test(&name) {
                places.entry(threat).or_default().tests.insert((file.path.clone(), name.clone()));
            }
        }
    }
    (places, unreadable)
}

/// A known attack by its letters and number, if these can be one's.
fn threat(letters: &str, number: &str) -> Option<Requirement> {
    let good = ATTACKS.contains(&letters) && number.len() == 2 && number.chars().all(|c| c.is_ascii_digit());
    if good { requirement(Source::Threat(letters.to_owned()), number) } else { None }
}

/// The attacks that a test is named after: `az_23_lc_16_no_text_leaves_its_place` is about AZ-23 and LC-16.
fn threats_of_test(name: &str) -> Vec<Requirement> {
    let parts: Vec<&str> = name.split('_').collect();
    let pairs = parts.chunks_exact(2).map_while(|pair| match pair {
        [letters, number] if letters.chars().all(|c| c.is_ascii_lowercase()) => {
            threat(&letters.to_ascii_uppercase(), number)
        }
        _ => None,
    });
    pairs.collect()
}

/// The attacks that a file's caption says it is about: `(RFC 6454 §7; threats LC-01, LC-02)`.
fn threats_of_caption(caption: &str) -> Vec<Requirement> {
    let inside = caption.rsplit_once('(').map_or("", |(_, inside)| inside);
    let words = inside.split([' ', ',', ';', ')', '.']);
    words
        .filter_map(|word| word.split_once('-'))
        .filter_map(|(letters, number)| threat(letters, number))
        .collect()
}

/// The name of the function that a line begins.
fn function_name(line: &str) -> Option<String> {
    let line = line.trim_start();
    let rest = line.strip_prefix("fn ").or_else(|| line.strip_prefix("async fn "))?;
    rest.split(['(', '<']).next().map(str::to_owned)
}

/// The name of the test that an annotation stands above or in.
fn test_around(lines: &[&str], at: usize) -> String {
    let name = function_name;
    let above = lines.iter().skip(at + 1).take_while(|line| {
        let line = line.trim_start();
        line.starts_with("//") || line.starts_with("#[") || name(line).is_some()
    });
    let below = above.filter_map(|line| name(line)).next();
    let inside = || lines.iter().take(at).rev().find_map(|line| name(line));
    below.or_else(inside).unwrap_or_default()
}

/// Reads an annotation: `RFC 6749 §4.4.3`, `RFC 6750 §3, §3.1`, `OIDC Core §3.1.3.7`, `JW-20, UI-06`.
///
/// Words after the section, and after a colon, are a remark.
fn parse(text: &str) -> Option<Vec<Requirement>> {
    let text = text.split(": ").next().unwrap_or(text);
    let mut found: Vec<Requirement> = Vec::new();
    for part in text.split([',', ';']).map(str::trim).filter(|part| !part.is_empty()) {
        if let Some((source, section)) = part.split_once('§').or_else(|| part.split_once("Appendix ")) {
            let section = section.split([' ', '(', '§']).next().unwrap_or("").trim_end_matches('.');
            let source = match source.trim() {
                "" => found.last()?.source.clone(),
                name => source_of(name)?,
            };
            found.push(requirement(source, section)?);
        } else if let Some((letters, number)) = part.split(' ').next().and_then(|word| word.split_once('-')) {
            found.push(threat(letters, number)?);
        } else {
            let source = source_of(part.split(" (").next()?)?;
            found.push(Requirement { source, section: (Vec::new(), String::new()) });
        }
    }
    (!found.is_empty()).then_some(found)
}

fn source_of(name: &str) -> Option<Source> {
    if let Some(number) = name.strip_prefix("RFC ").or_else(|| name.strip_prefix("RFC")) {
        // A name may follow: `RFC 7617 Basic`.
        return number.split_whitespace().next()?.parse().ok().map(Source::Rfc);
    }
    let known = name.chars().next().is_some_and(char::is_alphabetic);
    let spelled = SPELLINGS.iter().find(|(short, _)| *short == name).map_or(name, |(_, full)| full);
    known.then(|| Source::Other(spelled.to_owned()))
}

fn requirement(source: Source, section: &str) -> Option<Requirement> {
    let good =
        !section.is_empty() && section.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
    let numbers = section.split(['.', '-']).map(|part| part.parse().unwrap_or(u32::MAX)).collect();
    good.then(|| Requirement { source, section: (numbers, section.to_owned()) })
}

/// The standards that captions name: standard → files.
fn captions(files: &[SourceFile]) -> BTreeMap<Source, BTreeSet<String>> {
    let mut found: BTreeMap<Source, BTreeSet<String>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.path.ends_with(".rs") && !file.is_test()) {
        let first = file.text.lines().next().unwrap_or("");
        let inside =
            first.rsplit_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(inside, _)| inside);
        for part in inside.unwrap_or("").split([',', ';']).map(str::trim) {
            let name = part.split('§').next().unwrap_or("").trim();
            if let Some(source @ Source::Rfc(_)) = source_of(name) {
                found.entry(source).or_default().insert(file.path.clone());
            } else if part.contains('§') && !name.is_empty() {
                found.entry(Source::Other(name.to_owned())).or_default().insert(file.path.clone());
            }
        }
    }
    found
}

fn page(places: &BTreeMap<Requirement, Places>, captions: &BTreeMap<Source, BTreeSet<String>>) -> String {
    let is_threat = |requirement: &Requirement| matches!(requirement.source, Source::Threat(_));
    let count = |threats: bool, tested: bool| {
        let counted = places.iter().filter(|(requirement, places)| {
            is_threat(requirement) == threats && (!tested || !places.tests.is_empty())
        });
        counted.count()
    };
    let mut text = String::from(
        "# Standards\n\n\
         Made by `cargo xtask standards` from the annotations in the code, the files' captions and the names of tests; \
         do not edit by hand.\n\n",
    );
    text.push_str(&format!(
        "{} requirements of standards are annotated; {} of them name a test. {} known attacks are named; {} of them \
         by a test.\n",
        count(false, false),
        count(false, true),
        count(true, false),
        count(true, true)
    ));
    let sources: BTreeSet<&Source> =
        places.keys().map(|requirement| &requirement.source).chain(captions.keys()).collect();
    for source in sources {
        text.push_str(&format!("\n## {}\n", source.title()));
        if let Some(files) = captions.get(source) {
            let links: Vec<String> = files.iter().map(|path| link(path)).collect();
            text.push_str(&format!("\nFiles about it: {}\n", links.join(", ")));
        }
        let rows: Vec<_> = places.iter().filter(|(requirement, _)| requirement.source == *source).collect();
        if rows.is_empty() {
            continue;
        }
        text.push_str("\n| § | where it binds | where it is tested |\n|---|---|---|\n");
        for (requirement, places) in rows {
            let code: Vec<String> = places.code.iter().map(|path| link(path)).collect();
            let tests: Vec<String> =
                places.tests.iter().map(|(path, test)| format!("[`{test}`](../{path})")).collect();
            let or_dash = |cell: String| if cell.is_empty() { "–".to_owned() } else { cell };
            let section = or_dash(requirement.section.1.clone());
            text.push_str(&format!(
                "| {section} | {} | {} |\n",
                or_dash(code.join("<br>")),
                or_dash(tests.join("<br>"))
            ));
        }
    }
    text
}

fn link(path: &str) -> String {
    format!("[{}](../{path})", path.trim_start_matches("crates/").replacen("/src/", "/", 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(text: &str) -> Vec<String> {
        let found = parse(text).unwrap_or_default();
        found.iter().map(|r| format!("{} {}", r.source.title(), r.section.1)).collect()
    }

    #[test]
    fn annotations_are_read() {
        for (text, expected) in [
            ("RFC 6749 §4.4.3", vec!["RFC 6749 4.4.3"]),
            ("RFC 6750 §3, §3.1", vec!["RFC 6750 3", "RFC 6750 3.1"]),
            ("RFC 7515 §5.2 (duplicates are refused)", vec!["RFC 7515 5.2"]),
            ("RFC 9110 §11.6.1: one challenge", vec!["RFC 9110 11.6.1"]),
            ("OIDC Core §3.1.3.7", vec!["OpenID Connect Core 1.0 3.1.3.7"]),
            (
                "OpenID Connect Core 1.0 §5.3.1, §5.3.2",
                vec!["OpenID Connect Core 1.0 5.3.1", "OpenID Connect Core 1.0 5.3.2"],
            ),
            ("RFC 7636 §4.6; RFC 9700 §2.1.1", vec!["RFC 7636 4.6", "RFC 9700 2.1.1"]),
            ("RFC 9207 §2.4", vec!["RFC 9207 2.4"]),
            ("RFC 8707 §2.2", vec!["RFC 8707 2.2"]),
            ("JW-20, UI-06", vec!["Attacks JW 20", "Attacks UI 06"]),
            ("RFC 9068 §5; JW-20", vec!["RFC 9068 5", "Attacks JW 20"]),
            ("RFC 7638", vec!["RFC 7638 "]),
            ("NIST SP 800-38D (test case 14: AES-256, one zero block)", vec!["NIST SP 800-38D "]),
            ("RFC 5869 Appendix A.1", vec!["RFC 5869 A.1"]),
        ] {
            assert_eq!(titles(text), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for text in ["", "RFC abc §1", "§3", "JW-x", "RFC 6749 §", "4.4.3"] {
            assert!(parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn code_and_tests_are_told_apart_and_sections_sorted_by_number() {
        let text = "//! A file (RFC 6750 §2, RFC 9110).\n//= RFC 6750 §2.10\nfn a() {}\n//= RFC 6750 §2.9\nfn b() {}\n\
                    #[cfg(test)]\nmod tests {\n    //= RFC 6750 §2.9\n    #[test]\n    fn rule_holds() {\n    //= UI-01\n    }\n}\n";
        let files = [SourceFile { path: "crates/a/src/b.rs".into(), text: text.into() }];
        let (places, unreadable) = annotations(&files);
        assert_eq!(unreadable, Vec::<String>::new());
        let page = page(&places, &captions(&files));
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| 2")).collect();
        assert_eq!(
            rows,
            [
                "| 2.9 | [a/b.rs](../crates/a/src/b.rs) | [`rule_holds`](../crates/a/src/b.rs) |",
                "| 2.10 | [a/b.rs](../crates/a/src/b.rs) | – |"
            ]
        );
        assert!(page.contains("2 requirements of standards are annotated; 1 of them name a test."), "{page}");
        assert!(page.contains("1 known attacks are named; 1 of them by a test."), "{page}");
        assert!(page.contains("## RFC 9110\n\nFiles about it: [a/b.rs]"), "{page}");
        assert!(page.contains("## Attacks UI"), "{page}");
    }

    #[test]
    fn attacks_are_counted_from_the_names_of_tests_and_from_captions() {
        let text = "//! Cookies (RFC 6265; threats LC-03, LC-21).\n//! More (AZ-99).\nfn az_01_not_a_test() {}\n\
                    #[cfg(test)]\nmod tests {\n    #[test]\n    fn lc_03_az_49_b() {}\n    async fn lc_04() {}\n    \
                    fn in_60_seconds() {}\n    fn a_1_b() {}\n}\n";
        let files = [SourceFile { path: "crates/a/src/b.rs".into(), text: text.into() }];
        let found: Vec<String> = annotations(&files)
            .0
            .into_iter()
            .map(|(r, p)| format!("{} {} {} {}", r.source.title(), r.section.1, p.code.len(), p.tests.len()))
            .collect();
        let expected = ["Attacks AZ 49 0 1", "Attacks LC 03 1 1", "Attacks LC 04 0 1", "Attacks LC 21 1 0"];
        assert_eq!(found, expected);
    }

    #[test]
    fn an_unreadable_annotation_is_reported_with_its_place() {
        let files = [SourceFile { path: "a.rs".into(), text: "//! A.\n//= §3\n".into() }];
        assert_eq!(annotations(&files).1, ["a.rs:2: §3"]);
    }
}
