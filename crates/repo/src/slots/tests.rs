use lifeboat_store::{ErrorKind, Verb, mem};
use lifeboat_testkit::fault::{FaultStore, Moment, Rule};

use super::*;
use crate::open::testing::{
    CHEAP, PASSPHRASE, bytes_of, keys, new, new_in, open_options, passphrase, passphrase_slot,
    reopen, replace,
};
use crate::open::{Unlock, open};

fn opens(store: &Arc<dyn lifeboat_store::Store>, unlock: &Unlock) -> bool {
    open(Io::new(Arc::clone(store)).unwrap(), unlock, &open_options(9)).is_ok()
}

#[test]
fn slots_are_added_listed_and_removed() {
    let (store, repository) = new(1);
    let first = repository.opened_by().slot;
    let second = add(&repository, &passphrase_slot("second")).unwrap();
    let listed: Vec<_> =
        list(&repository).unwrap().into_iter().map(|found| found.slot.unwrap().slot).collect();
    assert_eq!(listed.len(), 2);
    assert!(listed.contains(&first) && listed.contains(&second));
    assert!(opens(&store, &passphrase("second")));
    remove(&repository, first).unwrap();
    assert!(!opens(&store, &passphrase(PASSPHRASE)));
    assert!(opens(&store, &passphrase("second")));
    assert_eq!(remove(&repository, first).unwrap_err().kind(), Kind::NotFound);
}

#[test]
fn the_last_slot_stays() {
    let (store, repository) = new(1);
    let first = repository.opened_by().slot;
    let error = remove(&repository, first).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(opens(&store, &passphrase(PASSPHRASE)));
    // A damaged slot is no help, and may go.
    let second = add(&repository, &passphrase_slot("second")).unwrap();
    replace(&store, &format!("keys/{second}"), b"{".to_vec());
    assert_eq!(remove(&repository, first).unwrap_err().kind(), Kind::Invalid);
    remove(&repository, second).unwrap();
    // Nor is one of an init that was interrupted, of another repository.
    let other = new_in(&mem(), 2);
    let foreign = seal_slots(
        other.keyring().bundle(),
        &passphrase_slot("x"),
        other.entropy(),
        other.clock(),
        other.memory_bytes(),
        3,
    )
    .unwrap();
    // Each has other bytes; one is put.
    assert_ne!(foreign[0].encode(), foreign[1].encode());
    assert_eq!(foreign[0].slot, foreign[2].slot);
    let foreign = &foreign[2];
    let key = ObjectKey::Slot(foreign.slot);
    repository.io().put_new(&key, foreign.encode().into()).unwrap();
    assert_eq!(remove(&repository, first).unwrap_err().kind(), Kind::Invalid);
    remove(&repository, foreign.slot).unwrap();
}

#[test]
fn a_passphrase_is_changed_without_a_moment_without_one() {
    let (store, repository) = new(1);
    let new = passwd(&repository, Zeroizing::new("changed".to_owned()), CHEAP).unwrap();
    assert_eq!(keys(&store, "keys/"), [format!("keys/{new}")]);
    assert!(opens(&store, &passphrase("changed")));
    assert!(!opens(&store, &passphrase(PASSPHRASE)));
}

#[test]
fn a_change_that_fails_leaves_a_way_in() {
    for moment in [Moment::Before, Moment::After] {
        for verb in [Verb::Put, Verb::Delete] {
            let store = mem();
            let fault = FaultStore::new(Arc::clone(&store));
            let faulty: Arc<dyn lifeboat_store::Store> = Arc::new(fault.clone());
            let repository = new_in(&faulty, 1);
            fault.add(Rule::on(verb).below("keys/").fails(ErrorKind::Unavailable, moment));
            let outcome = passwd(&repository, Zeroizing::new("changed".to_owned()), CHEAP);
            assert!(outcome.is_err());
            assert!(
                opens(&store, &passphrase("changed")) || opens(&store, &passphrase(PASSPHRASE)),
                "{verb:?} {moment:?}"
            );
        }
    }
}

#[test]
fn a_repository_opened_by_key_file_has_no_passphrase_to_change() {
    let (store, repository) = new(1);
    let sheet = export(&repository, "sheet").unwrap();
    let unlock = Unlock::KeyFile(Box::new(sheet.file));
    let opened = open(Io::new(store).unwrap(), &unlock, &open_options(2)).unwrap();
    assert_eq!(opened.opened_by().slot, sheet.slot);
    let error = passwd(&opened, Zeroizing::new("x".to_owned()), CHEAP).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
}

#[test]
fn sheets_open_as_plain_key_files_while_the_slot_is_there() {
    let (store, repository) = new(1);
    let sheet = export(&repository, "sheet").unwrap();
    assert!(sheet.text.contains("Lifeboat recovery sheet"));
    let plain = KeyFile { config: None, slot: None, ..sheet.file };
    assert!(opens(&store, &Unlock::KeyFile(Box::new(plain))));
}

#[test]
fn passphrases_and_costs_that_are_none_are_refused() {
    let (_, repository) = new(1);
    assert_eq!(add(&repository, &passphrase_slot("")).unwrap_err().kind(), Kind::Invalid);
    let cost = KdfCost { lanes: 0, ..CHEAP };
    let secret = SlotSecret::Passphrase(Zeroizing::new("x".to_owned()), cost);
    let slot = NewSlot { label: String::new(), secret };
    assert_eq!(add(&repository, &slot).unwrap_err().kind(), Kind::Invalid);
}

#[test]
fn slots_are_found_by_the_beginning_of_their_ids() {
    let (_, repository) = new(1);
    let id = repository.opened_by().slot;
    assert_eq!(resolve(&repository, &id.to_string()[..6]).unwrap(), id);
    assert_eq!(resolve(&repository, "").unwrap_err().kind(), Kind::NotFound);
    assert_eq!(resolve(&repository, "zz").unwrap_err().kind(), Kind::NotFound);
    let mut firsts = std::collections::HashSet::from([id.to_string().remove(0)]);
    let shared = loop {
        let text = add(&repository, &passphrase_slot("x")).unwrap().to_string();
        if !firsts.insert(text.clone().remove(0)) {
            break text;
        }
    };
    assert_eq!(resolve(&repository, &shared[..1]).unwrap_err().kind(), Kind::Invalid);
}

#[test]
fn nothing_secret_is_printed() {
    let (store, repository) = new(1);
    let slot = passphrase_slot("hunter2");
    let text =
        format!("{slot:?} {repository:?} {:?} {:?}", repository.keyring(), passphrase("hunter2"));
    assert!(!text.contains("hunter2"));
    let bundle = String::from_utf8(repository.keyring().bundle().encode().to_vec()).unwrap();
    let value: serde_json::Value = serde_json::from_str(&bundle).unwrap();
    let secret = value["content"]["cut"].as_str().unwrap();
    assert!(!text.contains(secret));
    for key in keys(&store, "") {
        let bytes = bytes_of(&store, &key);
        assert!(!String::from_utf8_lossy(&bytes).contains(secret), "{key}");
    }
    drop(reopen(&store, 2));
}
