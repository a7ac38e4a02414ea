use super::*;
use crate::log::testing::object;

const DAY: u64 = 86_400;

fn candidate(number: u64, entry: u64, read: Option<u64>, since: u64) -> Candidate {
    let listed = object(number);
    Candidate { key: listed.kind.key(listed.name), size: 10, entry, read, since, is_new: false }
}

fn goal(every_s: Option<u64>, now: u64, last_run: Option<u64>) -> Goal {
    Goal { every_s, bytes_max: None, now, last_run }
}

fn entries(objects: &[Candidate]) -> Vec<u64> {
    objects.iter().map(|object| object.entry).collect()
}

#[test]
fn without_a_period_all_is_read_the_newest_unread_first() {
    let objects = vec![
        candidate(1, 1, Some(50), 50),
        candidate(2, 2, None, 10),
        candidate(3, 3, Some(20), 20),
        candidate(4, 4, None, 40),
    ];
    let found = plan(objects.clone(), &goal(None, 100, Some(50)));
    assert_eq!(entries(&found.objects), [4, 2, 3, 1]);
    assert_eq!((found.late, found.behind.len()), (0, 0));
    let limited = Goal { bytes_max: Some(25), ..goal(None, 100, Some(50)) };
    let found = plan(objects, &limited);
    assert_eq!(entries(&found.objects), [4, 2]);
    assert!(found.behind.is_empty(), "nothing was promised");
}

#[test]
fn what_is_due_comes_first_and_what_can_not_be_read_is_told() {
    let now = 100 * DAY;
    let objects: Vec<Candidate> = vec![
        candidate(1, 1, Some(69 * DAY), 69 * DAY),
        candidate(2, 2, Some(71 * DAY), 71 * DAY),
        candidate(3, 3, Some(90 * DAY), 90 * DAY),
        candidate(4, 4, None, 99 * DAY),
    ];
    let every = goal(Some(30 * DAY), now, Some(99 * DAY));
    let found = plan(objects.clone(), &every);
    // The first was due yesterday, the second will be tomorrow; they are more than a day's share.
    assert_eq!((entries(&found.objects), found.late), (vec![1, 2], 1));
    assert_eq!(found.behind, []);
    let found = plan(objects, &Goal { bytes_max: Some(19), ..every });
    assert_eq!((entries(&found.objects), entries(&found.behind)), (vec![1], vec![2]));
}

#[test]
fn a_time_of_the_future_is_not_believed() {
    let future = vec![candidate(1, 1, Some(1 << 40), 1 << 40)];
    assert_eq!(plan(future, &goal(Some(DAY), 100 * DAY, Some(99 * DAY))).objects.len(), 1);
}

#[test]
fn odd_goals_are_answered() {
    let one = || vec![candidate(1, 1, None, 5)];
    assert_eq!(plan(one(), &goal(Some(0), 10, Some(9))).objects.len(), 1);
    assert_eq!(plan(one(), &goal(Some(u64::MAX), 10, Some(20))).objects.len(), 1);
    let nothing = Goal { bytes_max: Some(0), ..goal(Some(1), u64::MAX, None) };
    assert_eq!(plan(one(), &nothing).behind.len(), 1);
    assert_eq!(plan(Vec::new(), &goal(Some(1), 1, None)), Plan::default());
}

/// Days of a repository that grows: what each scrub read, and the longest that any object went unread.
fn simulate(days: u64, every: u64, is_run: impl Fn(u64) -> bool) -> (Vec<u64>, u64) {
    let mut objects: Vec<Candidate> = Vec::new();
    let (mut last_run, mut runs, mut longest) = (None, Vec::new(), 0);
    for day in 0..days {
        let now = (1000 + day) * DAY;
        // The first day brings most of it.
        for number in 0..if day == 0 { 300 } else { 3 } {
            let since = last_run.unwrap_or(now);
            let is_new = last_run.is_some();
            objects.push(Candidate { is_new, ..candidate(day << 10 | number, day, None, since) });
        }
        if is_run(day) {
            let goal = goal(Some(every * DAY), now, last_run);
            let found = plan(objects.clone(), &goal);
            assert_eq!((found.late, found.behind.len()), (0, 0), "day {day}");
            for read in &found.objects {
                let object = objects.iter_mut().find(|object| object.key == read.key).unwrap();
                (object.read, object.since) = (Some(now), now);
            }
            objects.iter_mut().for_each(|object| object.is_new = false);
            runs.push(found.objects.len() as u64);
            last_run = Some(now);
        }
        let oldest = objects.iter().map(|object| now - object.since).max();
        longest = longest.max(oldest.unwrap_or(0) / DAY);
    }
    (runs, longest)
}

#[test]
fn every_day_the_promise_is_kept_and_the_work_is_spread() {
    let (runs, longest) = simulate(200, 30, |_| true);
    assert!(longest <= 30, "{longest} days");
    // 300 objects and 3 a day: some 30 more for each period that went by, and what comes new.
    let most = runs.iter().max().unwrap();
    assert!(*most <= 35, "{runs:?}");
    assert!(runs.iter().all(|count| *count > 0), "{runs:?}");
}

#[test]
fn seldom_or_at_odd_times_it_is_kept_too() {
    let (_, longest) = simulate(200, 30, |day| day % 7 == 0);
    assert!(longest <= 30, "{longest} days");
    let (_, longest) = simulate(200, 30, |day| day % 5 == 0 || day % 7 == 3);
    assert!(longest <= 30, "{longest} days");
}
