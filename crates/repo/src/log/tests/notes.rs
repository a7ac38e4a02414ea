//! Notes: who is believed.

use lifeboat_format::config::GrantedKey;
use lifeboat_format::locks::{Extended, LockNote};
use lifeboat_format::scrub::{Condition, ScrubNote, ShortName};

use super::*;
use crate::log::fetch::Fetched;

fn note(fold: &Fold, when: u64) -> LogHeader {
    let name = ShortName::from(&object(1).name);
    let scrub = ScrubNote { when, objects: [(name, Condition::Verified)].into() };
    LogHeader {
        kind: LogKind::Note,
        may_skip: true,
        objects: Vec::new(),
        scrub: Some(scrub),
        ..header(fold)
    }
}

/// A node that was taken over could say of what it has damaged that it was read and is good.
#[test]
fn what_scrubs_have_found_is_believed_of_maintainers_only() {
    let (_, repository) = new(1);
    let node = SigningKey::from_secret(&Secret32::new([9; 32]));
    let mut rules = repository.config().clone();
    let roles = vec![SigningRole::Write, SigningRole::Replicate];
    rules.keys.push(GrantedKey { public: node.public(), roles });
    let mut fold = Fold::of_rules(Arc::new(rules));
    let add = |fold: &mut Fold, header: &LogHeader, signer: &SigningKey| {
        fold.apply(&Fetched::new(signed(header, signer).into())).unwrap();
    };
    let maintainer = repository.keyring().signer(&SigningRole::Maintain).unwrap();
    let own = note(&fold, 100);
    add(&mut fold, &own, maintainer);
    let others = note(&fold, 200);
    add(&mut fold, &others, &node);
    // It is in order all the same, and the log goes on.
    assert_eq!((fold.next_number(), fold.void_count()), (2, 0));
    let seen = fold.ledger().seen(&object(1).name).unwrap();
    assert_eq!((seen.when, fold.ledger().last_run()), (100, Some(100)));
    // A note that must not be skipped says something that nobody here knows.
    let odd = LogHeader { may_skip: false, ..note(&fold, 300) };
    let error = fold.apply(&Fetched::new(signed(&odd, maintainer).into())).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
}

/// A node that was taken over could say that everything is locked for long, or have objects removed that it names as left.
#[test]
fn what_is_locked_is_believed_of_maintainers_only() {
    let (_, repository) = new(1);
    let node = SigningKey::from_secret(&Secret32::new([9; 32]));
    let mut rules = repository.config().clone();
    rules.keys.push(GrantedKey { public: node.public(), roles: vec![SigningRole::Write] });
    let mut fold = Fold::of_rules(Arc::new(rules));
    let maintainer = repository.keyring().signer(&SigningRole::Maintain).unwrap();
    for (signer, until) in [(maintainer, 100), (&node, 200)] {
        let extended = Some(Extended { through: 0, until });
        let locks = Some(LockNote { extended, ..LockNote::default() });
        let header = LogHeader { scrub: None, locks, ..note(&fold, 0) };
        fold.apply(&Fetched::new(signed(&header, signer).into())).unwrap();
    }
    assert_eq!((fold.next_number(), fold.void_count()), (2, 0));
    assert_eq!(fold.locks().unwrap().extended.unwrap().until, 100);
    // Another note that says nothing of locks leaves them as they are.
    let scrub = note(&fold, 300);
    fold.apply(&Fetched::new(signed(&scrub, maintainer).into())).unwrap();
    assert_eq!(fold.locks().unwrap().extended.unwrap().until, 100);
}
