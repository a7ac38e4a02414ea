//! Each rule is needed: without it the model finds a way to lose a snapshot, or to deceive somebody.
//!
//! The ways are printed; `cargo nextest run -p protocol-model mutants --no-capture` shows them.

use protocol_model::{
    Protocol,
    mutants::Mutant,
    properties::{LASTS, TRUE, WHOLE},
    search::{Limits, Order, search, shortest},
    setups,
};

/// A mutant, the search that catches it, and what does not hold then.
const CAUGHT: [(Mutant, &str, &str); 22] = [
    (Mutant::BlindRetry, "two writers, collector", WHOLE),
    (Mutant::PacksOnly, "compaction, writer, collector", LASTS),
    (Mutant::IgnoresOwn, "two writers, collector", LASTS),
    (Mutant::RelyNothing, "two writers, collector", LASTS),
    (Mutant::SinceCondemn, "two writers, collector", LASTS),
    (Mutant::NoRestores, "keeper, two collectors", LASTS),
    (Mutant::EachAlone, "copies, writer, two collectors", LASTS),
    (Mutant::SegmentAlone, "compaction, writer, collector", LASTS),
    (Mutant::DeleteAdds, "compaction, writer, collector", LASTS),
    (Mutant::RemovesFirst, "two writers, collector", WHOLE),
    (Mutant::OldHead, "keeper, two collectors", TRUE),
    (Mutant::OldHeadReturns, "keeper, two collectors", WHOLE),
    (Mutant::NameTwice, "writer, two collectors", LASTS),
    (Mutant::NumberTwice, "writer, two collectors", TRUE),
    (Mutant::DropsCondemned, "compaction, keeper, all forgotten", WHOLE),
    (Mutant::OrphansUnseen, "two writers, collector", LASTS),
    (Mutant::CondemnAtOldMark, "copies, writer, two collectors", LASTS),
    (Mutant::CopyInOtherPlan, "copies, keeper, two collectors", LASTS),
    (Mutant::HalfPlaces, "writer, two collectors", LASTS),
    (Mutant::OnlyLive, "writer, keeper, collector", LASTS),
    (Mutant::ParentAtDeletes, "child, keeper, collector", LASTS),
    (Mutant::OldPlace, "compaction, writer, all forgotten", LASTS),
];

/// Not needed as long as all others are followed.
const HARMLESS: [(Mutant, &str); 1] = [(Mutant::Returns, "keeper, two collectors")];

#[test]
fn every_mutant_is_caught() {
    let mut missed = Vec::new();
    for (mutant, name, property) in CAUGHT {
        let found =
            shortest(&Protocol { setup: setups::named(name).unwrap(), mutant: Some(mutant) });
        match found.failure {
            Some(failure) if failure.property == property => println!("{mutant:?}: {failure}"),
            Some(failure) => missed.push(format!("{mutant:?}: not {property}, but {failure}")),
            None => missed.push(format!("{mutant:?}: holds in {} states", found.states)),
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn a_harmless_mutant_holds() {
    for (mutant, name) in HARMLESS {
        let limits = Limits { order: Order::Broad, threads: 1, time: None };
        let found =
            search(Protocol { setup: setups::named(name).unwrap(), mutant: Some(mutant) }, limits);
        assert!(found.exhausted, "{mutant:?}: {:?}", found.failure);
    }
}

#[test]
fn no_mutant_is_forgotten() {
    for mutant in Mutant::ALL {
        let caught = CAUGHT.iter().filter(|(known, ..)| *known == mutant).count();
        let harmless = HARMLESS.iter().filter(|(known, _)| *known == mutant).count();
        assert_eq!(caught + harmless, 1, "{mutant:?}");
    }
}
