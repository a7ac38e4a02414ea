use super::*;
use crate::browse::testing::{show, snapshot};

fn names(row: &Row) -> Vec<&str> {
    row.members.keys().map(String::as_str).collect()
}

#[test]
fn by_id_time_host_and_tag() {
    let snapshots = [
        snapshot(1, "a", "2026-01-02T03:04:05.5Z", &["x", "y"], vec![]),
        snapshot(2, "b", "2025-01-02T03:04:05Z", &["x"], vec![]),
        snapshot(3, "a", "2026-01-02T03:04:05.1Z", &[], vec![]),
    ];
    let catalogue = Catalogue::new(show(&snapshots));
    assert_eq!(names(&catalogue.ids), ["01010101", "02020202", "03030303"]);
    let times = ["2025-01-02T03-04-05Z", "2026-01-02T03-04-05Z", "2026-01-02T03-04-05Z-2"];
    assert_eq!(names(&catalogue.snapshots), times);
    // The newest is not the last that was added, nor the last by name.
    assert_eq!(Row::latest(&catalogue.snapshots), Some("2026-01-02T03-04-05Z"));
    assert_eq!(Row::latest(&catalogue.ids), Some("01010101"));
    assert_eq!(catalogue.hosts.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(names(&catalogue.hosts["a"]), &times[1..]);
    assert_eq!(names(&catalogue.tags["x"]), &times[..2]);
    assert_eq!(Row::latest(&catalogue.tags["x"]), Some(times[1]));
    assert_eq!(names(&catalogue.tags["y"]), &times[1..2]);
    // A name stays when another snapshot of its second is added.
    let more = [snapshots.as_slice(), &snapshots[..1]].concat();
    assert_eq!(Catalogue::new(show(&more)).snapshots.members[times[1]].id, snapshots[0].id);
}

#[test]
fn an_id_that_begins_like_another_is_longer() {
    let mut other = snapshot(1, "a", "2026-01-02T03:04:05Z", &[], vec![]);
    other.id.0[15] = 2;
    let snapshots = [snapshot(1, "a", "2026-01-02T03:04:05Z", &[], vec![]), other];
    let catalogue = Catalogue::new(show(&snapshots));
    assert_eq!(names(&catalogue.ids), ["01010101", "010101010"]);
    assert_eq!(catalogue.ids.members["010101010"].id, snapshots[1].id);
    assert_eq!(catalogue.ids.short_for(&snapshots[1].id.to_string()), Some("010101010"));
}

#[test]
fn what_is_no_file_name_becomes_one() {
    assert_eq!(file_name("web-1.example"), "web-1.example");
    assert_eq!(file_name("a/b%c"), "a%2Fb%25c");
    assert_eq!(file_name(".."), "%2E%2E");
    assert_eq!(file_name("."), "%2E");
    assert_eq!(file_name(""), "%");
}

#[test]
fn what_may_be_outdated_is_not_called_the_latest() {
    let snapshots = [
        snapshot(1, "a", "2026-01-01T00:00:00Z", &[], vec![]),
        snapshot(2, "b", "2026-01-02T00:00:00Z", &[], vec![]),
    ];
    let lost = snapshots.iter().zip([true, false]);
    let shown = lost.map(|(snapshot, may_be_outdated)| ToShow { snapshot, may_be_outdated });
    let catalogue = Catalogue::new(shown);
    // After the damage there is a newer one of everything, but not of this host.
    assert_eq!(catalogue.snapshots.latest(), Some("2026-01-02T00-00-00Z"));
    assert_eq!(catalogue.hosts["a"].latest(), None);
    assert_eq!(catalogue.hosts["b"].latest(), Some("2026-01-02T00-00-00Z"));
}
