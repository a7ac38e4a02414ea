use lifeboat_codec::sign::SigningKey;
use lifeboat_format::config::{SIGNATURE_CONTEXT, SignedConfig};
use lifeboat_store::{ErrorKind, Verb, mem};
use lifeboat_testkit::fault::{FaultStore, Moment, Rule};

use super::testing::{
    CHEAP, PASSPHRASE, bytes_of, init_options, key_file, keys, lose, new, open_options, passphrase,
    reopen, replace,
};
use super::*;
use crate::slots;

mod exclusive;

fn try_open(store: &Arc<dyn lifeboat_store::Store>, unlock: &Unlock) -> Result<Repository> {
    open(Io::new(Arc::clone(store)).unwrap(), unlock, &open_options(9))
}

fn refusal(store: &Arc<dyn lifeboat_store::Store>, unlock: &Unlock) -> (Kind, String) {
    let error = try_open(store, unlock).unwrap_err();
    (error.kind(), error.to_string())
}

#[test]
fn what_was_created_opens_and_is_the_same() {
    let (store, created) = new(1);
    let opened = reopen(&store, 2);
    assert_eq!(opened.config(), created.config());
    assert_eq!(opened.keyring().bundle(), created.keyring().bundle());
    assert_eq!(opened.config_bytes(), created.config_bytes());
    assert_eq!(opened.opened_by(), created.opened_by());
    assert!(opened.warnings().is_empty());
    opened.require_writable().unwrap();
    let owner = opened.keyring().signer(&SigningRole::Write).unwrap().public();
    assert!(opened.grants(&owner, &SigningRole::Maintain));
    assert!(!opened.grants(&owner, &SigningRole::Root));
    assert_ne!(owner, opened.keyring().root_public());
}

#[test]
fn a_place_is_taken_once() {
    let (store, _) = new(1);
    let error = init(Io::new(Arc::clone(&store)).unwrap(), &init_options(2)).unwrap_err();
    assert_eq!(error.kind(), Kind::AlreadyExists);
    assert!(error.to_string().contains("there is a repository already"), "{error}");
    assert_eq!(keys(&store, "").len(), 2);
    reopen(&store, 3);
}

#[test]
fn two_inits_at_once_make_one_repository() {
    for round in 0..20 {
        let store = mem();
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let inits: Vec<_> = (0..3)
                .map(|number| {
                    let io = Io::new(Arc::clone(&store)).unwrap();
                    scope.spawn(move || init(io, &init_options(round * 3 + number)))
                })
                .collect();
            inits.into_iter().map(|init| init.join().unwrap()).collect()
        });
        let (created, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        assert_eq!(created.len(), 1);
        for refused in refused {
            assert_eq!(refused.unwrap_err().kind(), Kind::AlreadyExists);
        }
        assert_eq!(reopen(&store, 99).id(), created[0].as_ref().unwrap().id());
    }
}

#[test]
fn a_lost_answer_to_config_is_read_back() {
    for moment in [Moment::Before, Moment::After] {
        let store = mem();
        let fault = FaultStore::new(Arc::clone(&store));
        let rule = Rule::on(Verb::Put).below("config").forever();
        fault.add(rule.fails(ErrorKind::Unavailable, moment));
        let outcome = init(Io::new(Arc::new(fault)).unwrap(), &init_options(1));
        match moment {
            Moment::After => drop(outcome.unwrap()),
            Moment::Before => assert_eq!(outcome.unwrap_err().kind(), Kind::Unavailable),
        }
    }
}

#[test]
fn an_init_that_fails_anywhere_can_be_repeated() {
    for number in 1.. {
        let store = mem();
        let fault = FaultStore::new(Arc::clone(&store));
        fault.add(Rule::any().call(number));
        let outcome = init(Io::new(Arc::new(fault.clone())).unwrap(), &init_options(1));
        if fault.injected() == 0 {
            outcome.unwrap();
            assert!(number > 3);
            return;
        }
        if outcome.is_err() {
            let (kind, text) = refusal(&store, &passphrase(PASSPHRASE));
            assert_eq!(kind, Kind::NotFound, "{text}");
            init(Io::new(Arc::clone(&store)).unwrap(), &init_options(2)).unwrap();
        }
        reopen(&store, 3);
    }
}

#[test]
fn places_without_a_repository_are_told_apart() {
    let store = mem();
    let (kind, text) = refusal(&store, &passphrase(PASSPHRASE));
    assert_eq!((kind, text.contains("there is no repository")), (Kind::NotFound, true), "{text}");

    let io = Io::new(Arc::clone(&store)).unwrap();
    io.block_on(store.put_new("photos/cat.jpg", vec![1].into())).unwrap();
    let (kind, text) = refusal(&store, &passphrase(PASSPHRASE));
    assert_eq!((kind, text.contains("photos/cat.jpg")), (Kind::NotFound, true), "{text}");
    let error = init(io, &init_options(1)).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid, "{error}");

    let (store, repository) = new(1);
    crate::log::commit(
        &repository,
        &mut crate::log::Fold::load(&repository).unwrap(),
        lifeboat_format::id::RunId([0; 16]),
        vec![crate::log::testing::object(1)],
        Vec::new(),
    )
    .unwrap();
    lose(&store, "config");
    let (kind, text) = refusal(&store, &passphrase(PASSPHRASE));
    assert_eq!((kind, text.contains("'config' is missing")), (Kind::Corrupt, true), "{text}");
    let error = init(Io::new(Arc::clone(&store)).unwrap(), &init_options(2)).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt, "{error}");
}

#[test]
fn the_wrong_secret_is_refused() {
    let (store, repository) = new(1);
    let (kind, text) = refusal(&store, &passphrase("wrong"));
    assert_eq!((kind, text.contains("wrong passphrase")), (Kind::WrongKey, true), "{text}");

    let sheet = slots::export(&repository, "sheet").unwrap();
    let mut file = sheet.file.clone();
    file.slot = None;
    file.key = lifeboat_format::keys::Secret32::new([7; 32]);
    let (kind, text) = refusal(&store, &key_file(&file));
    assert_eq!((kind, text.contains("wrong key file")), (Kind::WrongKey, true), "{text}");

    file.repository = RepositoryId([9; 16]);
    let (kind, text) = refusal(&store, &key_file(&file));
    assert_eq!((kind, text.contains("of repository 0909")), (Kind::WrongKey, true), "{text}");
}

#[test]
fn a_kind_of_secret_without_a_slot_is_named() {
    let (store, repository) = new(1);
    let sheet = slots::export(&repository, "sheet").unwrap();
    lose(&store, &format!("keys/{}", repository.opened_by().slot));
    let (kind, text) = refusal(&store, &passphrase(PASSPHRASE));
    assert_eq!((kind, text.contains("opens with a passphrase")), (Kind::WrongKey, true), "{text}");
    try_open(&store, &key_file(&sheet.file)).unwrap();
}

#[test]
fn damaged_slots_are_passed_over_or_named() {
    let (store, repository) = new(1);
    let key = format!("keys/{}", repository.opened_by().slot);
    let whole = bytes_of(&store, &key);
    // Any one byte: the slot is damaged, or the key is not the right one any more.
    for place in (0..whole.len()).step_by(37) {
        let mut damaged = whole.clone();
        damaged[place] ^= 1;
        replace(&store, &key, damaged);
        let (kind, text) = refusal(&store, &passphrase(PASSPHRASE));
        assert!(
            matches!(kind, Kind::Corrupt | Kind::WrongKey | Kind::Unsupported),
            "byte {place}: {kind:?} {text}"
        );
    }
    replace(&store, &key, whole[..whole.len() / 2].to_vec());
    let (kind, text) = refusal(&store, &passphrase(PASSPHRASE));
    assert_eq!((kind, text.contains(&key)), (Kind::Corrupt, true), "{text}");

    let second = slots::add(&repository, &testing::passphrase_slot("second")).unwrap();
    let opened = try_open(&store, &passphrase("second")).unwrap();
    assert_eq!(opened.opened_by().slot, second);
    if second > repository.opened_by().slot {
        assert!(opened.warnings()[0].contains(&key), "{:?}", opened.warnings());
    }
}

#[test]
fn slots_of_kinds_unknown_here_do_not_hinder() {
    let (store, repository) = new(1);
    let key = format!("keys/{}", repository.opened_by().slot);
    let text = String::from_utf8(bytes_of(&store, &key)).unwrap();
    let other = "ff".repeat(16);
    let alien = text
        .replace("\"passphrase\"", "\"kms\"")
        .replace(&repository.opened_by().slot.to_string(), &other);
    let io = Io::new(Arc::clone(&store)).unwrap();
    io.block_on(store.put_new(&format!("keys/{other}"), alien.into_bytes().into())).unwrap();
    reopen(&store, 2);
    assert_eq!(slots::list(&repository).unwrap().len(), 2);
}

#[test]
fn no_slots_at_all_is_damage_that_a_sheet_mends() {
    let (store, repository) = new(1);
    let sheet = slots::export(&repository, "sheet").unwrap();
    for key in keys(&store, "keys/") {
        lose(&store, &key);
    }
    let (kind, text) = refusal(&store, &passphrase(PASSPHRASE));
    assert_eq!((kind, text.contains("no key slot")), (Kind::Corrupt, true), "{text}");
    let text = sheet.text.to_string();
    let parsed = KeyFile::parse(&text).unwrap();
    assert_eq!(parsed, sheet.file);
    let opened = try_open(&store, &key_file(&parsed)).unwrap();
    // With it, new slots can be made.
    slots::add(&opened, &testing::passphrase_slot("new")).unwrap();
    try_open(&store, &passphrase("new")).unwrap();
}

#[test]
fn a_sheet_stands_in_for_a_lost_or_damaged_config() {
    let (store, repository) = new(1);
    let sheet = slots::export(&repository, "sheet").unwrap();
    let whole = bytes_of(&store, "config");
    let mut flipped = whole.clone();
    flipped[2] ^= 1;
    replace(&store, "config", flipped);
    let (kind, text) = refusal(&store, &passphrase(PASSPHRASE));
    assert_eq!((kind, text.contains("config")), (Kind::Corrupt, true), "{text}");
    for lost in [false, true] {
        if lost {
            lose(&store, "config");
        }
        let opened = try_open(&store, &key_file(&sheet.file)).unwrap();
        assert_eq!(opened.config(), repository.config());
        assert!(opened.warnings()[0].contains("recovery sheet"), "{:?}", opened.warnings());
        assert_eq!(opened.require_writable().unwrap_err().kind(), Kind::Unsupported);
    }
}

#[test]
fn an_altered_config_is_noticed() {
    let (store, repository) = new(1);
    let text = String::from_utf8(bytes_of(&store, "config")).unwrap();
    for (from, to) in [("lifeboat test", "lifeboat tesT"), ("33554432", "33554431")] {
        assert!(text.contains(from), "{text}");
        replace(&store, "config", text.replace(from, to).into_bytes());
        let (kind, text) = refusal(&store, &passphrase(PASSPHRASE));
        assert_eq!((kind, text.contains("signature")), (Kind::Corrupt, true), "{text}");
    }
    // One that is signed well, by somebody else's root key.
    let root = SigningKey::from_secret(&lifeboat_format::keys::Secret32::new([3; 32]));
    let mut config = repository.config().clone();
    config.keys[0].public = root.public();
    let signature = root.sign(SIGNATURE_CONTEXT, config.unsigned_text().as_bytes());
    replace(&store, "config", config.encode(&signature));
    let (kind, text) = refusal(&store, &passphrase(PASSPHRASE));
    assert_eq!((kind, text.contains("root key")), (Kind::Corrupt, true), "{text}");
}

/// Puts the configuration with a change, signed by the repository's own root key.
fn amend(
    store: &Arc<dyn lifeboat_store::Store>,
    repository: &Repository,
    change: impl FnOnce(&mut Config),
) {
    let mut config = repository.config().clone();
    change(&mut config);
    let root = repository.keyring().signer(&SigningRole::Root).unwrap();
    let signature = root.sign(SIGNATURE_CONTEXT, config.unsigned_text().as_bytes());
    let bytes = config.encode(&signature);
    if config.format == 1 && config.features.read_required.is_empty() {
        SignedConfig::decode(&bytes).unwrap();
    }
    replace(store, "config", bytes);
}

#[test]
fn what_only_a_newer_version_can_read_or_write_is_refused_by_name() {
    let (store, repository) = new(1);
    amend(&store, &repository, |config| config.format = 2);
    let (kind, text) = refusal(&store, &passphrase(PASSPHRASE));
    assert_eq!((kind, text.contains("format 2")), (Kind::Unsupported, true), "{text}");

    let feature = || vec!["teleport".to_owned()];
    amend(&store, &repository, |config| config.features.read_required = feature());
    let (kind, text) = refusal(&store, &passphrase(PASSPHRASE));
    assert_eq!((kind, text.contains("teleport")), (Kind::Unsupported, true), "{text}");

    amend(&store, &repository, |config| config.features.write_required = feature());
    let opened = reopen(&store, 2);
    let error = opened.require_writable().unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    assert!(error.to_string().contains("teleport"), "{error}");
    assert!(slots::add(&opened, &testing::passphrase_slot("x")).is_err());
    let mut fold = crate::log::Fold::load(&opened).unwrap();
    let run = lifeboat_format::id::RunId([0; 16]);
    let objects = vec![crate::log::testing::object(1)];
    assert!(crate::log::commit(&opened, &mut fold, run, objects, Vec::new()).is_err());
    assert!(keys(&store, "log/").is_empty());
}

#[test]
fn deriving_a_key_minds_the_memory_budget() {
    let mut options = init_options(1);
    options.memory_bytes = 4096;
    let error = init(Io::new(mem()).unwrap(), &options).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.to_string().contains("budget"), "{error}");

    let (store, repository) = new(1);
    let cost = slots::KdfCost { memory_kib: 2048, ..CHEAP };
    slots::passwd(&repository, Zeroizing::new("dear".to_owned()), cost).unwrap();
    let options = OpenOptions { memory_bytes: 1 << 20, ..open_options(2) };
    let io = Io::new(Arc::clone(&store)).unwrap();
    let error = open(io, &passphrase("dear"), &options).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.to_string().contains("2 MiB"), "{error}");
    try_open(&store, &passphrase("dear")).unwrap();
}

#[test]
fn every_flipped_byte_of_config_is_noticed() {
    let (store, _) = new(1);
    let whole = bytes_of(&store, "config");
    for place in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[place] ^= 1;
        replace(&store, "config", damaged);
        let (kind, text) = refusal(&store, &passphrase(PASSPHRASE));
        assert!(
            matches!(kind, Kind::Corrupt | Kind::Unsupported | Kind::WrongKey),
            "byte {place}: {kind:?} {text}"
        );
    }
}

#[test]
fn without_a_slot_nothing_is_created() {
    let mut options = init_options(1);
    options.slots.clear();
    let store = mem();
    let error = init(Io::new(Arc::clone(&store)).unwrap(), &options).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    options = init_options(1);
    options.chunker.min = options.chunker.max + 1;
    let error = init(Io::new(Arc::clone(&store)).unwrap(), &options).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid, "{error}");
    assert!(keys(&store, "").is_empty());
}
