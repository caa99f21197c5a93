//! The file stays as large as what is alive, and is given back when nothing is (threats R24).

#[path = "soak/mod.rs"]
mod soak;

use soak::Plan;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_grants_that_expire_leave_the_file_as_small_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let plan = Plan { grants: 10_000, live: 1_000, talks: false };
    let report = soak::run(directory.path(), plan).await;
    report.check(plan).unwrap();
    assert!(report.peak.database > 4 << 20, "the grants were really there: {report:?}");
    assert!(report.commits >= 5 * plan.grants && report.transactions < report.commits, "{report:?}");
    assert!(!report.took.is_zero());
}

#[test]
fn a_file_that_grows_with_what_expired_is_noticed() {
    let sizes = |database, log| soak::Sizes { database, log };
    let plan = Plan { grants: 10, live: 1, talks: false };
    let good = soak::Report {
        took: std::time::Duration::ZERO,
        commits: 50,
        transactions: 1,
        baseline: sizes(100_000, 0),
        full: sizes(10 << 20, 1 << 20),
        peak: sizes(11 << 20, 2 << 20),
        end: sizes(1 << 20, 2 << 20),
        closed: sizes(1 << 20, 0),
        swept: 50,
    };
    good.check(plan).unwrap();
    assert!(soak::Report { swept: 49, ..good }.check(plan).is_err());
    assert!(soak::Report { closed: sizes(3 << 20, 0), ..good }.check(plan).is_err());
    assert!(soak::Report { peak: sizes(20 << 20, 0), ..good }.check(plan).is_err());
    assert!(soak::Report { end: sizes(1 << 20, 80 << 20), ..good }.check(plan).is_err());
}
