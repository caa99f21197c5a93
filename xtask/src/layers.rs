//! The walls: who may import whom, and which words may stand where.

use serde::Deserialize;

use crate::process::{Failure, cargo, failed, output};
use crate::sources::{self, SourceFile, without_comment};

/// One crate and everything it may depend on.
struct Room {
    name: &'static str,
    /// Our crates it may import.
    ours: &'static [&'static str],
    /// Foreign crates it may import.
    foreign: &'static [&'static str],
    /// Our crates that only its tests, benches and examples may import.
    ours_in_tests: &'static [&'static str],
}

/// The drawing. A new edge needs a record in docs/adr.
const ROOMS: &[Room] = &[
    Room { name: "records", ours: &[], foreign: &["zeroize"], ours_in_tests: &[] },
    Room {
        name: "jwt-core",
        ours: &[],
        foreign: &["aws-lc-rs", "base64", "ring", "serde", "serde_json"],
        ours_in_tests: &[],
    },
    Room { name: "policy", ours: &["records"], foreign: &["url"], ours_in_tests: &[] },
    Room {
        name: "oauth-grants",
        ours: &["jwt-core", "policy", "records"],
        foreign: &["aws-lc-rs", "base64", "ring", "serde", "serde_json", "subtle", "url", "zeroize"],
        ours_in_tests: &[],
    },
    Room {
        name: "store",
        ours: &["records"],
        foreign: &["aws-lc-rs", "base64", "ring", "serde", "serde_json", "zeroize"],
        ours_in_tests: &[],
    },
    Room {
        name: "store-sqlite",
        ours: &["records", "store"],
        foreign: &["futures-channel", "rusqlite"],
        ours_in_tests: &[],
    },
    Room {
        name: "store-postgres",
        ours: &["records", "store"],
        foreign: &[
            "deadpool-postgres",
            "futures-util",
            "rustls",
            "tokio",
            "tokio-postgres",
            "tokio-postgres-rustls",
        ],
        ours_in_tests: &[],
    },
    Room {
        name: "resource-server",
        ours: &["jwt-core"],
        foreign: &["http", "serde", "serde_json"],
        ours_in_tests: &[],
    },
    Room {
        name: "authd",
        ours: &[
            "jwt-core",
            "oauth-grants",
            "policy",
            "records",
            "resource-server",
            "store",
            "store-postgres",
            "store-sqlite",
        ],
        foreign: &[
            "argon2",
            "askama",
            "bytes",
            "clap",
            "futures-util",
            "getrandom",
            "http",
            "http-body-util",
            "hyper",
            "hyper-util",
            "jiff",
            "mimalloc",
            "rcgen",
            "rlimit",
            "rustls",
            "rustls-native-certs",
            "saphyr",
            "serde",
            "serde_json",
            "tempfile",
            "time",
            "tokio",
            "tokio-rustls",
            "toml",
            "tracing",
            "tracing-appender",
            "tracing-subscriber",
            "url",
            "zeroize",
        ],
        ours_in_tests: &["testkit"],
    },
    Room {
        name: "testkit",
        ours: &[
            "authd",
            "jwt-core",
            "oauth-grants",
            "policy",
            "records",
            "resource-server",
            "store",
            "store-postgres",
            "store-sqlite",
        ],
        foreign: &[
            "argon2",
            "base64",
            "bytes",
            "http",
            "http-body-util",
            "serde_json",
            "tempfile",
            "tokio",
            "url",
        ],
        ours_in_tests: &[],
    },
    Room { name: "xtask", ours: &[], foreign: &["serde", "serde_json", "toml"], ours_in_tests: &[] },
];

/// Foreign crates that no room may depend on, in code or in tests, with the reason.
const BANNED: &[(&str, &str)] = &[
    ("rsa", "its private-key operations leak by timing (RUSTSEC-2023-0071)"),
    ("openssl", "one cryptographic backend of each kind is enough"),
    ("native-tls", "TLS is rustls"),
    ("anyhow", "refusals are hand-written enums"),
    ("thiserror", "refusals are hand-written enums"),
    ("async-trait", "dispatch is static"),
];

/// Crates whose random or machine-dependent build must be chosen by whoever builds the program.
const BACKENDS: &[&str] = &["aws-lc-rs", "ring"];

/// Words that only some files may contain.
struct Wall {
    what: &'static str,
    /// The rooms the wall goes through.
    rooms: &'static [&'static str],
    words: &'static [&'static str],
    /// Where the words may stand: the end of a path, and why.
    doors: &'static [(&'static str, &'static str)],
}

const LIBRARIES: &[&str] = &[
    "records",
    "jwt-core",
    "policy",
    "oauth-grants",
    "store",
    "store-sqlite",
    "store-postgres",
    "resource-server",
];

const WALLS: &[Wall] = &[
    Wall {
        what: "only a crate's crypto.rs names its cryptographic backend",
        rooms: &["jwt-core", "oauth-grants", "store"],
        words: &["ring::", "aws_lc_rs"],
        doors: &[("/src/crypto.rs", "the one private module over both backends")],
    },
    Wall {
        what: "authd names a cryptographic backend only where it hands rustls its provider",
        rooms: &["authd"],
        words: &["ring::", "aws_lc_rs"],
        doors: &[("authd/src/http/tls.rs", "rustls is handed its provider explicitly")],
    },
    Wall { what: "libraries read no clock", rooms: LIBRARIES, words: CLOCKS, doors: &[] },
    Wall {
        what: "libraries draw no randomness",
        rooms: LIBRARIES,
        words: ENTROPY,
        doors: &[
            (
                "jwt-core/src/keyed_hash.rs",
                "the seed of a hash map, from where the standard library takes its own",
            ),
            ("jwt-core/src/crypto.rs", "key generation, and signature schemes that draw their own nonce"),
            ("store/src/cache.rs", "the seed of a hash map"),
            ("store/src/crypto.rs", "nonces of authenticated encryption"),
        ],
    },
    Wall {
        what: "only authd/src/moment.rs reads the clock",
        rooms: &["authd"],
        words: CLOCKS,
        doors: &[("authd/src/moment.rs", "the one place that makes a Moment")],
    },
    Wall {
        what: "only authd/src/moment.rs draws randomness",
        rooms: &["authd"],
        words: ENTROPY,
        doors: &[("authd/src/moment.rs", "the one place that makes a Moment")],
    },
    Wall {
        what: "the World runs on a fake clock, from a seed",
        rooms: &["testkit"],
        words: &["SystemTime::now", "Instant::now", "SystemRandom", "getrandom", "OsRng", "SystemMoments"],
        doors: &[],
    },
    Wall {
        what: "a protocol library does no input or output",
        rooms: &["records", "jwt-core", "policy", "oauth-grants", "resource-server", "store"],
        words: &[
            "std::fs",
            "TcpStream",
            "TcpListener",
            "UdpSocket",
            "ToSocketAddrs",
            "std::env",
            "std::process",
            "std::io::",
            "tokio::",
        ],
        doors: &[],
    },
    Wall {
        what: "records are plain: serialization is a boundary",
        rooms: &["records", "policy"],
        words: &["serde", "Serialize", "Deserialize"],
        doors: &[],
    },
    Wall {
        what: "decisions wait for nothing",
        rooms: &["records", "jwt-core", "policy", "oauth-grants", "resource-server"],
        words: &["async fn", "async move", ".await", "impl Future"],
        doors: &[],
    },
    Wall {
        what: "a grant sees no tenant and no store",
        rooms: &["oauth-grants", "policy"],
        words: &["TenantId", "dyn Store", "impl Store"],
        doors: &[],
    },
    Wall {
        what: "libraries print nothing",
        rooms: LIBRARIES,
        words: &["println!", "eprintln!", "print!(", "eprint!("],
        doors: &[],
    },
];

const CLOCKS: &[&str] = &[
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "UNIX_EPOCH.elapsed",
    "unixepoch(",
    "CURRENT_TIMESTAMP",
];

const ENTROPY: &[&str] =
    &["SystemRandom", "getrandom", "OsRng", "thread_rng", "rand::", "RandomState", "randomblob("];

/// What `cargo metadata --no-deps` says, as far as the walls need it.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: String,
    dependencies: Vec<Dependency>,
    publish: Option<Vec<String>>,
    features: std::collections::BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    optional: bool,
    uses_default_features: bool,
}

/// Runs every check and prints what stands in the wrong place.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    if !arguments.is_empty() {
        return Err(Failure::Usage("takes no arguments".to_owned()));
    }
    let text = output(cargo().args(["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: Metadata = match serde_json::from_str(&text) {
        Ok(metadata) => metadata,
        Err(error) => return failed(format!("cargo metadata: {error}")),
    };
    let mut violations = edges(&metadata.packages);
    for package in &metadata.packages {
        violations.extend(lints(package)?);
    }
    let files = sources::all()?;
    violations.extend(words(&files));
    violations.extend(doors_that_lead_nowhere(&files, WALLS));
    for violation in &violations {
        println!("layers: {violation}");
    }
    if !violations.is_empty() {
        return failed(format!("{} violations of the walls", violations.len()));
    }
    println!("layers: {} rooms, {} walls: nothing out of place", metadata.packages.len(), WALLS.len());
    Ok(())
}

/// Dependencies that are not in the drawing.
fn edges(packages: &[Package]) -> Vec<String> {
    let mut found = Vec::new();
    let ours = |name: &str| packages.iter().any(|package| package.name == name);
    for package in packages {
        let name = package.name.as_str();
        let Some(room) = ROOMS.iter().find(|room| room.name == name) else {
            found.push(format!("{name} is in no row of the table in xtask/src/layers.rs"));
            continue;
        };
        for dependency in &package.dependencies {
            let to = dependency.name.as_str();
            if let Some((_, why)) = BANNED.iter().find(|(banned, _)| *banned == to) {
                found.push(format!("{name} depends on {to}: {why}"));
            }
            let in_tests = dependency.kind.as_deref() == Some("dev");
            let allowed = match (ours(to), in_tests) {
                (true, false) => room.ours.contains(&to),
                (true, true) => room.ours.contains(&to) || room.ours_in_tests.contains(&to),
                (false, false) => room.foreign.contains(&to),
                (false, true) => true,
            };
            if !allowed {
                let how = dependency.kind.as_deref().map_or(String::new(), |kind| format!("{kind}-"));
                found.push(format!("{name} may not {how}depend on {to}"));
            }
            if BACKENDS.contains(&to) && !in_tests && !dependency.optional {
                found.push(format!("{name} must leave the choice of {to} to a feature"));
            }
            if ours(to) && package.features.contains_key("aws-lc-rs") && dependency.uses_default_features {
                let chooses = packages.iter().any(|p| p.name == to && p.features.contains_key("aws-lc-rs"));
                if chooses {
                    found.push(format!(
                        "{name} must take {to} with default-features = false, or ring sneaks in"
                    ));
                }
            }
        }
        let published = package.publish.as_ref().is_none_or(|registries| !registries.is_empty());
        if published != (name == "jwt-core") {
            found.push(format!("{name}: publish is {published}; jwt-core alone is published"));
        }
    }
    for room in ROOMS {
        if !ours(room.name) {
            found.push(format!("the table names {}, which is not in the workspace", room.name));
        }
    }
    found
}

/// A manifest that does not take the workspace's lints.
fn lints(package: &Package) -> Result<Vec<String>, Failure> {
    let text = match std::fs::read_to_string(&package.manifest_path) {
        Ok(text) => text,
        Err(error) => return failed(format!("{}: {error}", package.manifest_path)),
    };
    Ok(match takes_workspace_lints(&text) {
        true => Vec::new(),
        false => vec![format!("{} must say `lints.workspace = true`", package.name)],
    })
}

fn takes_workspace_lints(manifest: &str) -> bool {
    let parsed: Result<toml::Table, _> = toml::from_str(manifest);
    let lints = parsed.ok().and_then(|table| table.get("lints").cloned());
    lints.and_then(|lints| lints.get("workspace").and_then(toml::Value::as_bool)) == Some(true)
}

/// Words that stand on the wrong side of a wall.
fn words(files: &[SourceFile]) -> Vec<String> {
    let mut found = Vec::new();
    for wall in WALLS {
        let inside = files.iter().filter(|file| {
            wall.rooms.contains(&file.room()) && file.path.contains("/src/") && file.path.ends_with(".rs")
        });
        for file in inside.filter(|file| !wall.doors.iter().any(|(door, _)| file.path.ends_with(door))) {
            for (number, line) in file.code_lines() {
                let code = without_comment(line);
                for word in wall.words.iter().filter(|word| contains_word(code, word)) {
                    found.push(format!("{}:{number}: `{word}`: {}", file.path, wall.what));
                }
            }
        }
    }
    for (room, name) in [("records", "jwt-core"), ("jwt-core", "records")] {
        let word = name.replace('-', "_");
        for file in files.iter().filter(|file| file.room() == room && file.path.contains("/src/")) {
            for (number, line) in file.code_lines() {
                if contains_word(without_comment(line), &format!("{word}::")) {
                    found.push(format!("{}:{number}: {room} names {name}", file.path));
                }
            }
        }
    }
    found
}

/// Whether a line has this word, and not only as the end of a longer one.
fn contains_word(line: &str, word: &str) -> bool {
    let part_of_a_name = |c: char| c.is_alphanumeric() || c == '_';
    let starts_a_name = word.chars().next().is_some_and(part_of_a_name);
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|head| head.chars().next_back());
        !(starts_a_name && before.is_some_and(part_of_a_name))
    })
}

/// Exceptions that nothing needs any more, and crates with more than one crypto.rs.
fn doors_that_lead_nowhere(files: &[SourceFile], walls: &[Wall]) -> Vec<String> {
    let mut found = Vec::new();
    for wall in walls {
        let needed = |file: &SourceFile| {
            let has = |line: &str| wall.words.iter().any(|word| contains_word(without_comment(line), word));
            wall.rooms.contains(&file.room()) && file.code_lines().any(|(_, line)| has(line))
        };
        for (door, _) in wall.doors {
            if !files.iter().any(|file| file.path.ends_with(door) && needed(file)) {
                found.push(format!("the exception for {door} is not needed: {}", wall.what));
            }
        }
    }
    for room in ROOMS {
        let doors: Vec<&str> = files
            .iter()
            .filter(|file| file.room() == room.name && file.path.ends_with("/crypto.rs"))
            .map(|file| file.path.as_str())
            .collect();
        if doors.len() > 1 {
            found.push(format!("{} has more than one crypto.rs: {}", room.name, doors.join(", ")));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dependency(name: &str, kind: Option<&str>) -> Dependency {
        let optional = BACKENDS.contains(&name);
        Dependency { name: name.into(), kind: kind.map(Into::into), optional, uses_default_features: false }
    }

    /// The table itself as packages: every allowed edge is there.
    fn drawing() -> Vec<Package> {
        ROOMS
            .iter()
            .map(|room| Package {
                name: room.name.into(),
                manifest_path: String::new(),
                dependencies: room
                    .ours
                    .iter()
                    .chain(room.foreign)
                    .map(|name| dependency(name, None))
                    .collect(),
                publish: (room.name != "jwt-core").then(Vec::new),
                features: std::collections::BTreeMap::new(),
            })
            .collect()
    }

    fn planted(room: &str, change: impl FnOnce(&mut Package)) -> Vec<String> {
        let mut packages = drawing();
        change(packages.iter_mut().find(|package| package.name == room).unwrap());
        edges(&packages)
    }

    fn line(path: &str, line: &str) -> Vec<String> {
        words(&[SourceFile { path: path.into(), text: format!("//! A file.\n{line}\n") }])
    }

    #[test]
    fn the_drawing_itself_is_in_order() {
        assert_eq!(edges(&drawing()), Vec::<String>::new());
    }

    #[test]
    fn an_edge_that_is_not_drawn_is_found() {
        for (from, to) in [
            ("resource-server", "records"),
            ("resource-server", "store"),
            ("store", "jwt-core"),
            ("store-sqlite", "oauth-grants"),
            ("store-postgres", "oauth-grants"),
            ("store-postgres", "store-sqlite"),
            ("jwt-core", "tokio"),
            ("records", "serde"),
            ("oauth-grants", "hyper"),
            ("xtask", "jwt-core"),
        ] {
            let found = planted(from, |package| package.dependencies.push(dependency(to, None)));
            assert_eq!(found, [format!("{from} may not depend on {to}")]);
        }
    }

    #[test]
    fn testkit_is_for_the_tests_of_authd_only() {
        let found = planted("authd", |package| package.dependencies.push(dependency("testkit", Some("dev"))));
        assert_eq!(found, Vec::<String>::new());
        let found = planted("authd", |package| package.dependencies.push(dependency("testkit", None)));
        assert_eq!(found, ["authd may not depend on testkit"]);
        let found = planted("store", |package| package.dependencies.push(dependency("testkit", Some("dev"))));
        assert_eq!(found, ["store may not dev-depend on testkit"]);
    }

    #[test]
    fn a_banned_crate_is_found_in_tests_too() {
        let found = planted("jwt-core", |package| package.dependencies.push(dependency("rsa", Some("dev"))));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found.iter().all(|line| line.contains("RUSTSEC-2023-0071")), "{found:?}");
    }

    #[test]
    fn a_backend_that_is_not_optional_is_found() {
        let found = planted("jwt-core", |package| {
            package.dependencies.iter_mut().filter(|d| d.name == "ring").for_each(|d| d.optional = false);
        });
        assert_eq!(found, ["jwt-core must leave the choice of ring to a feature"]);
    }

    #[test]
    fn a_room_without_a_row_and_a_row_without_a_room_are_found() {
        let found = planted("policy", |package| package.name = "politics".into());
        assert!(found.iter().any(|line| line.contains("politics is in no row")), "{found:?}");
        assert!(found.iter().any(|line| line.contains("names policy, which is not")), "{found:?}");
    }

    #[test]
    fn a_crate_that_would_be_published_by_mistake_is_found() {
        let found = planted("store", |package| package.publish = None);
        assert_eq!(found, ["store: publish is true; jwt-core alone is published"]);
    }

    #[test]
    fn a_planted_word_is_found_with_its_place() {
        for (path, text, word) in [
            ("crates/jwt-core/src/jws.rs", "use ring::signature;", "ring::"),
            ("crates/oauth-grants/src/decide.rs", "let now = SystemTime::now();", "SystemTime::now"),
            ("crates/authd/src/endpoints/token.rs", "let now = Instant::now();", "Instant::now"),
            ("crates/authd/src/keys.rs", "SystemRandom::new()", "SystemRandom"),
            ("crates/records/src/client.rs", "#[derive(Serialize)]", "Serialize"),
            ("crates/policy/src/lib.rs", "async fn allow() {}", "async fn"),
            ("crates/store/src/memory.rs", "use std::fs::File;", "std::fs"),
        ] {
            let found = line(path, text);
            assert_eq!(found.len(), 1, "{path}: {found:?}");
            assert!(found.iter().all(|l| l.starts_with(&format!("{path}:2: `{word}`"))), "{found:?}");
        }
    }

    #[test]
    fn a_door_a_comment_a_longer_name_and_a_test_are_no_violations() {
        for (path, text) in [
            ("crates/jwt-core/src/crypto.rs", "use ring::signature;"),
            ("crates/jwt-core/src/jws.rs", "let a = String::new(); // not ring::digest"),
            ("crates/jwt-core/src/jws.rs", "mystring::new()"),
            ("crates/authd/src/moment.rs", "SystemTime::now()"),
            ("crates/oauth-grants/tests/flow.rs", "SystemTime::now()"),
            ("crates/oauth-grants/src/a.rs", "#[cfg(test)]\nmod tests {\n  fn a() { SystemTime::now(); }\n}"),
        ] {
            assert_eq!(line(path, text), Vec::<String>::new(), "{path}");
        }
    }

    #[test]
    fn a_second_crypto_file_is_found() {
        let file = |path: &str| SourceFile { path: path.into(), text: String::new() };
        let files = [file("crates/store/src/crypto.rs"), file("crates/store/src/seal/crypto.rs")];
        assert_eq!(doors_that_lead_nowhere(&files, &[]).len(), 1);
    }

    #[test]
    fn an_exception_that_is_not_needed_is_found() {
        let wall =
            Wall { what: "a", rooms: &["store"], words: &["Instant::now"], doors: &[("/src/a.rs", "why")] };
        let file = |text: &str| SourceFile { path: "crates/store/src/a.rs".into(), text: text.into() };
        let walls = [wall];
        assert_eq!(doors_that_lead_nowhere(&[file("Instant::now()\n")], &walls), Vec::<String>::new());
        assert_eq!(doors_that_lead_nowhere(&[file("// Instant::now()\n")], &walls).len(), 1);
        assert_eq!(doors_that_lead_nowhere(&[], &walls).len(), 1);
    }

    #[test]
    fn a_manifest_without_the_workspace_s_lints_is_found() {
        assert!(takes_workspace_lints("[package]\nname = \"a\"\n[lints]\nworkspace = true\n"));
        assert!(!takes_workspace_lints("[package]\nname = \"a\"\n"));
        assert!(!takes_workspace_lints("[lints]\nworkspace = false\n"));
    }
}
