use super::{Skips, Tally};

#[test]
fn reads_nextest() {
    let line =
        "     Summary [   0.104s] 7 tests run: 4 passed (1 slow), 2 failed, 1 timed out, 3 skipped";
    assert_eq!(Tally::of_line(line), Tally { passed: 4, failed: 3, skipped: 3 });
    let one = "     Summary [   0.104s] 1 test run: 1 passed, 0 skipped\n";
    assert_eq!(Tally::of_line(one), Tally { passed: 1, failed: 0, skipped: 0 });
}

#[test]
fn reads_cargo_test() {
    let line = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s";
    assert_eq!(Tally::of_line(line), Tally { passed: 3, failed: 0, skipped: 1 });
    let bad = "test result: FAILED. 0 passed; 2 failed; 0 ignored; 0 measured; 9 filtered out";
    assert_eq!(Tally::of_line(bad), Tally { passed: 0, failed: 2, skipped: 0 });
}

#[test]
fn leaves_other_lines_alone() {
    for line in ["", "5 passed, 5 failed", "test tidy ... ok", "running 3 tests"] {
        assert_eq!(Tally::of_line(line), Tally::default(), "{line}");
    }
}

#[test]
fn what_says_that_it_does_not_run_is_not_counted_as_passed() {
    let skips = Skips::new().unwrap();
    assert_eq!(skips.tell().unwrap(), 0);
    std::fs::write(skips.path(), "SKIPPED: a: no root\nSKIPPED: b: no root\n").unwrap();
    let mut tally = Tally { passed: 5, failed: 1, skipped: 2 };
    tally.skip(skips.tell().unwrap());
    assert_eq!(tally, Tally { passed: 3, failed: 1, skipped: 4 });
}
