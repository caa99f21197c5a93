//! The PostgreSQL database goes away under load, in several ways, and comes back (threat R12).

use std::io::Write;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::check::{Depth, Findings};
use super::cluster::{Cluster, address};
use super::dice::{Dice, median_and_most};
use super::kills::stop;
use super::load::{EVERYBODY, Load};
use super::proxy::{Line, Proxy};
use super::site::{CALLBACK, Cast, PASSWORD, Site};
use super::{Ground, Outcome};
use crate::install;
use crate::process::{Failure, failed};

/// How soon after the database is back everything must be answered again.
const RECOVERED: Duration = Duration::from_secs(2);
/// How long a first answer may take before the scenario gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a database goes away.
#[derive(Clone, Copy, Debug)]
enum Away {
    /// It is stopped at once, and started again.
    Restarted,
    /// Connections to it are closed.
    Cut,
    /// Its processes stand still.
    StandsStill,
    /// Bytes to it and from it wait.
    Held,
}

const WAYS: &[Away] = &[Away::Restarted, Away::Cut, Away::StandsStill, Away::Held];

/// Takes the database away so many times.
pub(super) fn outages(ground: &Ground<'_>, dice: &mut Dice) -> Result<Outcome, Failure> {
    if let Err(why) = install::postgres() {
        return Ok(Outcome::Skipped(format!("there is no PostgreSQL: {why}")));
    }
    let mut cluster = Cluster::start()?;
    let proxy = Proxy::to(cluster.port)?;
    let site = site_on(ground, &cluster, proxy.port)?;
    let serving = site.start()?;
    let load = Load::on(&site, EVERYBODY, dice)?;
    let (mut found, mut recovered) = (Findings::default(), Vec::new());
    for number in 1..=ground.size.outages {
        let way = WAYS.get((number - 1) % WAYS.len()).copied().unwrap_or(Away::Cut);
        load.run_for(dice.milliseconds(100, 400));
        // Some last longer than the server waits for an answer.
        let away = if number % 10 == 0 { Duration::from_secs(10) } else { dice.milliseconds(100, 1500) };
        match way {
            Away::Restarted => {
                cluster.crash()?;
                std::thread::sleep(away);
                cluster.resume()?;
            }
            Away::StandsStill => {
                cluster.signal("STOP")?;
                std::thread::sleep(away);
                cluster.signal("CONT")?;
            }
            Away::Cut | Away::Held => {
                proxy.set(if matches!(way, Away::Cut) { Line::Cut } else { Line::Held });
                std::thread::sleep(away);
                proxy.set(Line::Open);
            }
        }
        let back = Instant::now();
        if !load.run_until(1, PATIENCE) {
            return failed(format!("{way:?}: nothing is written after it\n{}", serving.log_tail()));
        }
        recovered.push(back.elapsed());
        std::thread::sleep(RECOVERED.saturating_sub(back.elapsed()));
        let unavailable = load.unavailable();
        std::thread::sleep(Duration::from_millis(200));
        load.pause()?;
        let late = load.unavailable() - unavailable;
        if late > 0 {
            return failed(format!("{way:?}: {late} answers 503 later than {RECOVERED:?} after it"));
        }
        let depth = if number == ground.size.outages { Depth::Everything } else { Depth::Newest };
        found.absorb(load.check(&site, depth, dice)?);
        if found.is_bad() {
            return failed(format!("{way:?}, outage {number}: {found}\n{}", serving.log_tail()));
        }
    }
    let ledger = load.end()?;
    stop(serving)?;
    let figures = format!(
        "{} outages of PostgreSQL: {} acknowledged changes, {} answers 503; {found}; writing again after {}",
        ground.size.outages,
        ledger.changes,
        ledger.unavailable,
        median_and_most(&recovered)
    );
    if ledger.unavailable == 0 {
        return failed(format!("nobody noticed an outage: {figures}"));
    }
    if recovered.iter().any(|time| *time > RECOVERED) { failed(figures) } else { Ok(Outcome::Held(figures)) }
}

/// A tenant on the database, by the commands that an operator has.
fn site_on(ground: &Ground<'_>, cluster: &Cluster, port: u16) -> Result<Site, Failure> {
    let (host, audience) = ("auth.crash.example", "urn:crash");
    let mut cast = Cast {
        host: host.to_owned(),
        scheme: "https",
        app: String::new(),
        audience: audience.to_owned(),
        machine: (String::new(), String::new(), audience.to_owned()),
        people: (0..8).map(|number| format!("crash-{number}@example.com")).collect(),
    };
    let store = format!("postgres = \"{}\"\n[sealing]\nkey_file = \"sealing.key\"", address(port));
    let directory = ground.scratch.path("outages");
    let at = |cast| Site::new(ground.template.binary(), &directory, Arc::new(cast), &store, "https");
    let site = at(cast.clone())?;
    command(&site, &["tenants", "create", "crash", "--origin", &format!("https://{host}")])?;
    command(&site, &["apis", "create", "-n", "Crash", "-i", audience, "-s", "read", "-o"])?;
    let grants = "authorization_code,refresh_token";
    let text =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let create = ["apps", "create", "-n", "Crash", "-y", "native", "-g", grants, "-c", CALLBACK, "--json"];
    let app = command(&site, &[&create[..], &["--logout-urls", CALLBACK]].concat())?;
    let machine = command(&site, &["apps", "create", "-n", "Worker", "-y", "m2m", "--json"])?;
    cast.app = text(&app, "client_id");
    (cast.machine.0, cast.machine.1) = (text(&machine, "client_id"), text(&machine, "client_secret"));
    command(&site, &["grants", "create", "--client-id", &cast.machine.0, "-a", audience, "-s", "read"])?;
    let create = |person: &str| {
        command(&site, &["users", "create", "-e", person, "--email-verified", "--password-stdin"])
    };
    std::thread::scope(|scope| {
        let made: Vec<_> = cast.people.iter().map(|person| scope.spawn(|| create(person))).collect();
        made.into_iter().try_for_each(|made| match made.join() {
            Ok(made) => made.map(drop),
            Err(_) => failed("a command panicked"),
        })
    })?;
    // No command sets the leeway yet, and bodies are JSON that people can change.
    let leeway = "UPDATE authd.record SET body = replace(body, '\"refresh_token_leeway\":0', '\"refresh_token_leeway\":3600')
         WHERE kind = 'client' AND body LIKE '%\"refresh_token_leeway\":0%' RETURNING 'changed'";
    if !cluster.sql("authd", leeway)?.contains("changed") {
        return failed("no application's leeway could be changed");
    }
    at(cast)
}

/// Runs a command; whoever asks for a password is told everybody's. Returns its JSON, or nothing.
fn command(site: &Site, words: &[&str]) -> Result<Value, Failure> {
    let mut command = site.command(words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = command.spawn().and_then(|mut child| {
        if let Some(mut stdin) = child.stdin.take() {
            let _it_may_not_read = writeln!(stdin, "{PASSWORD}");
        }
        child.wait_with_output()
    });
    match output {
        Ok(output) if output.status.success() => {
            Ok(serde_json::from_slice(&output.stdout).unwrap_or_default())
        }
        Ok(output) => {
            failed(format!("authd {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr)))
        }
        Err(error) => failed(format!("authd {}: {error}", words.join(" "))),
    }
}
