//! A service that does not come back: the real binary gives up after its five minutes of patience.
//! (That a failure is clean, wherever it begins, is shown with less patience in the library's tests.)

use lifeboat_testkit::server::Fault;
use rstest::rstest;

use crate::remote::{
    faults::what_does_not_end_fails_the_backup,
    killed::a_server_that_stays_away_fails_the_backup_and_the_next_one_goes_on,
};

#[rstest]
#[case::unavailable(Fault::status(503))]
#[case::resets(Fault::reset())]
#[ignore = "run by `cargo xtask deep outage`"]
fn a_backup_ends_with_advice(#[case] fault: Fault) {
    what_does_not_end_fails_the_backup(fault, "try again later");
}

#[test]
#[ignore = "run by `cargo xtask deep outage`"]
fn the_next_backup_goes_on_when_the_server_is_back() {
    a_server_that_stays_away_fails_the_backup_and_the_next_one_goes_on();
}
