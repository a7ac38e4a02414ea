//! Numbers, times and modes as people read them.

use lifeboat_format::time::Time;
use lifeboat_format::tree::EntryKind;

/// Bytes with a unit: `1.5 MiB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A count with its noun: `1 file`, `12,345 files`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    let text = digits(number);
    match (number, noun.strip_suffix('y')) {
        (1, _) => format!("{text} {noun}"),
        (_, Some(stem)) => format!("{text} {stem}ies"),
        (_, None) => format!("{text} {noun}s"),
    }
}

/// A number in groups of three digits: `12,345`.
pub(crate) fn digits(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Seconds as `1:02:03` or `4.2 s`.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and shown in whole seconds"
    )]
    let whole = seconds.round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// `a` to `b` as a factor: `3.21`; `-` where there is nothing to divide by.
pub(crate) fn ratio(a: u64, b: u64) -> String {
    if b == 0 {
        return "-".to_owned();
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let factor = a as f64 / b as f64;
    format!("{factor:.2}")
}

/// A time in the local zone, to the second.
pub(crate) fn time_text(time: Time) -> String {
    time_text_in(time, &jiff::tz::TimeZone::system())
}

/// A time in this zone, to the second.
pub(crate) fn time_text_in(time: Time, zone: &jiff::tz::TimeZone) -> String {
    let nanos = i32::try_from(time.nanos).unwrap_or(0);
    match jiff::Timestamp::new(time.secs, nanos) {
        Ok(stamp) => {
            let local = stamp.to_zoned(zone.clone());
            local.strftime("%Y-%m-%d %H:%M:%S").to_string()
        }
        Err(_beyond_what_calendars_know) => format!("@{}", time.secs),
    }
}

/// Kind and permissions as `ls -l` shows them.
pub(crate) fn mode_text(kind: EntryKind, mode: u16) -> String {
    let first = match kind {
        EntryKind::File => '-',
        EntryKind::Dir => 'd',
        EntryKind::Symlink => 'l',
        EntryKind::Fifo => 'p',
        EntryKind::Socket => 's',
        EntryKind::Char => 'c',
        EntryKind::Block => 'b',
    };
    let mut text = String::with_capacity(10);
    text.push(first);
    for (shift, special, set, bare) in
        [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')]
    {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (bits & 1 != 0, mode & special != 0) {
            (true, true) => set,
            (false, true) => bare,
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use lifeboat_format::tree::EntryKind;

    #[test]
    fn numbers() {
        assert_eq!(super::bytes(1023), "1023 B");
        assert_eq!(super::bytes(1536), "1.5 KiB");
        assert_eq!(super::bytes((1 << 20) - 1), "1.0 MiB");
        assert_eq!(super::count(1, "file"), "1 file");
        assert_eq!(super::count(1_234_567, "file"), "1,234,567 files");
        assert_eq!(super::count(2, "directory"), "2 directories");
        assert_eq!(super::duration(3723.0), "1:02:03");
        assert_eq!(super::ratio(3, 0), "-");
    }

    #[test]
    fn modes() {
        assert_eq!(super::mode_text(EntryKind::File, 0o4755), "-rwsr-xr-x");
        assert_eq!(super::mode_text(EntryKind::Dir, 0o1777), "drwxrwxrwt");
        assert_eq!(super::mode_text(EntryKind::Fifo, 0o6644), "prwSr-Sr--");
    }
}
