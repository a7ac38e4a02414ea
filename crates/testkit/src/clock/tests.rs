use super::*;

#[test]
fn it_moves_only_when_told() {
    let clock = TestClock::at(Time { secs: -2, nanos: 900_000_000 });
    let same = clock.clone();
    assert_eq!(clock.now(), same.now());
    same.advance(Duration::from_millis(1_250));
    assert_eq!(clock.now(), Time { secs: 0, nanos: 150_000_000 });
    assert_eq!(clock.monotonic(), Duration::from_millis(1_250));
    clock.set(NOON);
    assert_eq!(same.now(), NOON);
    assert_eq!(same.monotonic(), Duration::from_millis(1_250));
}

#[test]
fn noon_is_noon() {
    // 20777 days after 1970 is the 20th of November 2026.
    assert_eq!(NOON.secs, 20_777 * 86_400 + 12 * 3_600);
}
