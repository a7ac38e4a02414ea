use super::*;

#[test]
fn later_ends_are_greater_and_come_back() {
    let ends = [Until::Released, Until::Time(1), Until::Time(u64::MAX - 1), Until::Forever];
    assert!(ends.is_sorted());
    for end in ends {
        assert_eq!(Until::from_number(end.number()), end);
    }
}

#[test]
fn a_hold_ends_with_its_second() {
    assert!(!Until::Released.holds_at(0));
    assert_eq!([4, 5, 6].map(|secs| Until::Time(5).holds_at(secs)), [true, false, false]);
    assert!(Until::Forever.holds_at(u64::MAX));
}
