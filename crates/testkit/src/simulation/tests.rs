//! The simulation of itself: it repeats, its disk is a storage, and it depends on nothing that is drawn.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use http::header;
use records::UnixTime;
use store::laws;

use super::asked::Asked;
use super::client::{Heard, Presented};
use super::dice::Dice;
use super::disk::Disk;
use super::run::start;
use super::storage::{Storage, Turn};
use super::{place, run_on, simulate};
use crate::world::BEGINNING;
use crate::{Reply, TestMoments};

#[test]
fn r27_a_seed_tells_the_same_story_twice() {
    for seed in 0..4 {
        let (one, other) = (simulate(seed, 3_000, None), simulate(seed, 3_000, None));
        assert_eq!(one, other, "seed {seed}");
    }
    assert_ne!(simulate(1, 3_000, None).digest, simulate(2, 3_000, None).digest);
}

#[test]
fn r27_a_seed_tells_the_same_story_on_another_machine_with_other_keys() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let disk = || runtime.block_on(place::build());
    let (one, other) = (disk(), disk());
    for seed in 0..3 {
        let told = |disk: &Disk| run_on(disk.clone(), seed, 3_000, None, true);
        assert_eq!(told(&one), told(&other), "seed {seed}");
    }
}

#[tokio::test]
async fn the_simulated_storage_obeys_the_laws_of_storage() {
    let make = async || Storage::on(Disk::default(), Dice::of(1), None);
    laws::all(make, |task| drop(tokio::spawn(task))).await;
}

/// Takes a question to its end, or (`Some`) only so many operations of the storage far.
fn go_on<T>(storage: &Storage, journey: impl Future<Output = T>, until: Option<usize>) -> Option<T> {
    let mut journey = pin!(journey);
    for _ in 0..until.unwrap_or(usize::MAX) {
        storage.begin_turn(Turn::default());
        if let Poll::Ready(done) = journey.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Some(done);
        }
    }
    None
}

fn reply(heard: Option<Heard>) -> Reply {
    match heard {
        Some(Heard::Reply(reply)) => reply,
        other => panic!("{other:?}"),
    }
}

//= LC-21
#[test]
fn lc_21_a_withdrawal_that_was_cut_short_anywhere_and_repeated_leaves_nothing_that_new_consent_revives() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let disk = place::beginning().clone();
    let _entered = runtime.enter();
    let (third_party, ada) = (Asked::THIRD_PARTY, 0);
    for cut in 1..40 {
        let storage = Storage::on(disk.clone(), Dice::of(1), None);
        let moments = Arc::new(TestMoments::new(UnixTime(BEGINNING.0 + 86_400), 1));
        let server = start(&storage, &moments);
        let go = |journey: Pin<Box<dyn Future<Output = Heard>>>| go_on(&storage, journey, None);
        let Some(Heard::Cookie(cookie)) = go(Box::pin(server.clone().log_in(ada))) else {
            panic!("no session")
        };
        let redeemed = || {
            let consent = server.clone().consent(third_party, 0, cookie.clone(), true);
            let landed = reply(go(Box::pin(consent)));
            let code = landed.header(header::LOCATION).split_once("code=").unwrap().1;
            let code = code.split('&').next().unwrap().to_owned();
            let redirect_uri = crate::callback_of(place::APPLICATIONS[third_party].id);
            let presented = Presented { code, redirect_uri, verifier: Some(0) };
            let reply = reply(go(Box::pin(server.clone().redeem(0, third_party, presented))));
            reply.json()["refresh_token"].as_str().unwrap().to_owned()
        };
        let old = redeemed();
        let is_whole = go_on(&storage, server.clone().withdraw(ada, third_party), Some(cut)).is_some();
        assert!(matches!(go(Box::pin(server.clone().withdraw(ada, third_party))), Some(Heard::Done)));
        let new = redeemed();
        let refresh = |token| reply(go(Box::pin(server.clone().refresh(0, third_party, token)))).status;
        assert_eq!(refresh(old), 403, "cut short after {cut} turns");
        assert_eq!(refresh(new), 200);
        if is_whole {
            return;
        }
    }
    panic!("a withdrawal comes to an end");
}
