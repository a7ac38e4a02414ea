//! A service that does not come back: the real binary gives up after its five minutes of patience.
//! (That a failure is clean, wherever it begins, is shown with less patience in the library's tests.)

use lifeboat_testkit::server::Fault;
use rstest::rstest;

use crate::remote::faults::what_does_not_end_fails_the_backup;

#[rstest]
#[case::unavailable(Fault::status(503))]
#[case::resets(Fault::reset())]
#[ignore = "run by `cargo xtask deep outage`"]
fn a_backup_ends_with_advice(#[case] fault: Fault) {
    what_does_not_end_fails_the_backup(fault, "try again later");
}
