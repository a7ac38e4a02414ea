use super::*;

#[test]
fn any_time_is_told() {
    let at = |secs, nanos| system_time(Time { secs, nanos });
    let epoch = SystemTime::UNIX_EPOCH;
    assert_eq!(at(0, 5), epoch + Duration::from_nanos(5));
    assert_eq!(at(-1, 250_000_000), epoch - Duration::from_millis(750));
    // Files may bear whatever fits.
    assert!(at(i64::MAX, 999_999_999) > epoch);
    assert!(at(i64::MIN, 0) < epoch);
}

#[test]
fn device_numbers_as_the_kernel_takes_them() {
    assert_eq!(kernel_device(8, 1), 0x801);
    assert_eq!(kernel_device(259, 0x12345), (0x45) | (259 << 8) | (0x123 << 20));
}

#[test]
fn failures_have_numbers() {
    let lost = |kind| {
        let error = lifeboat_repo::Error::new(kind, "read", "x");
        errno(&Failure::Lost(error.into())).code()
    };
    assert_eq!(errno(&Failure::Stale).code(), libc::ESTALE);
    // A chunk that is not found is damage; a path that is not found is no failure.
    for kind in [Kind::NotFound, Kind::Corrupt, Kind::Unavailable, Kind::Denied] {
        assert_eq!(lost(kind), libc::EIO);
    }
    assert_eq!(lost(Kind::Invalid), libc::EINVAL);
}
