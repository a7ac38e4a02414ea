//! The README's tour, run as a new user would: every shell line of it, in its order.

use e2e::{Outcome, Place};

const README: &str = include_str!("../../../README.md");

/// Where the tour lives in the README, and in this test in a place of its own.
const FOLDER: &str = "/tmp/tour";

#[test]
fn the_tour_works_as_it_is_written() {
    let place = Place::new();
    let script = script(&place.path("tour").display().to_string());
    assert!(script.lines().count() > 20, "the README has lost its tour:\n{script}");
    let said = Outcome::of(&mut place.shell(&script)).expect_code(0);
    assert!(said.stdout().contains("harbour.raw"), "{said:?}");
}

/// The tour's shell blocks, without what builds the program or cleans up.
fn script(folder: &str) -> String {
    let (_, tour) = README.split_once("## A tour").expect("the tour is there");
    let (tour, _) = tour.split_once("\n## ").expect("more follows it");
    let blocks = tour.split("```sh\n").skip(1).filter_map(|rest| rest.split_once("```"));
    let lines = blocks.flat_map(|(block, _)| block.lines());
    let lines =
        lines.filter(|line| !line.starts_with("cargo ") && !line.starts_with("export PATH"));
    let checked = lines.map(|line| match line.split_once("# prints nothing") {
        Some((silent, _)) => format!("test -z \"$({silent})\"\n"),
        None => format!("{line}\n"),
    });
    checked.collect::<String>().replace(FOLDER, folder)
}
