use super::{FRAMES, Parts, render, verdict};

fn parts(frames: u64, rest: u64) -> Parts {
    Parts::from([(FRAMES, frames), ("5. log", rest)])
}

#[test]
fn the_table_names_every_part() {
    let text = render(10, 8000, 1000, Some(4000), &parts(1050, 900));
    for row in [
        "| `tar` and `zstd -3` | 1000 | 100 |",
        "| Lifeboat | 1950 | 195 |",
        "| 5. log | 900 | 90 |",
    ] {
        assert!(text.contains(row), "{row} is not in {text}");
    }
}

#[test]
fn what_was_promised_is_judged() {
    assert!(verdict(10, 1000, Some(4000), &parts(1050, 900)).is_ok());
    assert!(verdict(10, 1000, None, &parts(1150, 900)).is_err(), "frames");
    assert!(verdict(10, 1000, None, &parts(1050, 2100)).is_err(), "the rest");
    assert!(verdict(10, 1000, Some(1900), &parts(1050, 900)).is_err(), "restic");
}
