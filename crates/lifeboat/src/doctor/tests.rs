use lifeboat_codec::SystemClock;
use lifeboat_format::keys::Secret32;
use lifeboat_repo::open::{InitOptions, init};
use lifeboat_repo::slots::{NewSlot, SlotSecret};
use lifeboat_store::{ErrorKind, Store, Verb, mem};
use lifeboat_testkit::fault::{FaultStore, Moment, Rule};

use super::*;

fn options() -> DoctorOptions {
    let clock = Arc::new(SystemClock::new());
    DoctorOptions { speed_bytes: 0, exclusive: false, locks: false, entropy: Entropy::os(), clock }
}

fn create(store: &Arc<dyn Store>, exclusive: bool) -> RepositoryId {
    let clock = Arc::new(SystemClock::new());
    let mut options = InitOptions::new(Entropy::os(), clock, 1 << 30, "test").unwrap();
    let secret = SlotSecret::KeyFile(Secret32::new([1; 32]));
    options.slots.push(NewSlot { label: String::new(), secret });
    options.exclusive = exclusive;
    init(io(store), &options).unwrap().id()
}

fn io(store: &Arc<dyn Store>) -> Io {
    Io::new(Arc::clone(store)).unwrap()
}

fn examine(store: &Arc<dyn Store>, options: &DoctorOptions) -> DoctorReport {
    doctor(&io(store), options, &Context::default()).unwrap()
}

fn grade_of(report: &DoctorReport, subject: &str) -> Grade {
    let finding = report.findings.iter().find(|finding| finding.subject == subject);
    finding.unwrap_or_else(|| panic!("{subject}: {report:#?}")).grade
}

fn keys(store: &Arc<dyn Store>) -> Vec<String> {
    let mut keys = Vec::new();
    io(store)
        .list("", |listed| {
            keys.push(listed.key);
            Ok(())
        })
        .unwrap();
    keys
}

#[test]
fn an_empty_place_and_a_repository_are_fit_and_left_as_they_were() {
    let store = mem();
    let report = examine(&store, &options());
    assert!(report.is_fit, "{report:#?}");
    assert_eq!((report.repository, grade_of(&report, "config")), (None, Grade::Good));
    assert!(keys(&store).is_empty());
    let id = create(&store, false);
    let before = keys(&store);
    let report = examine(&store, &options());
    assert!(report.is_fit, "{report:#?}");
    assert_eq!(report.repository, Some(Found { id, is_exclusive: false }));
    assert_eq!(
        (grade_of(&report, "config"), grade_of(&report, "writers")),
        (Grade::Good, Grade::Good)
    );
    assert_eq!(keys(&store), before);
}

#[test]
fn a_mark_that_is_not_needed_is_told() {
    let store = mem();
    create(&store, true);
    let report = examine(&store, &options());
    assert!(report.is_fit);
    assert_eq!(grade_of(&report, "writers"), Grade::Note);
    assert!(report.repository.unwrap().is_exclusive);
}

#[test]
fn a_damaged_config_is_told() {
    let store = mem();
    create(&store, false);
    let door = io(&store);
    let whole = door.block_on(store.get("config")).unwrap().to_vec();
    let mut altered = whole.clone();
    let at = whole.windows(6).position(|window| window == b"\"test\"").unwrap();
    altered[at + 1] = b'T';
    for bytes in [altered, whole[..whole.len() / 2].to_vec()] {
        door.block_on(store.delete("config")).unwrap();
        door.block_on(store.put_new("config", bytes.into())).unwrap();
        let report = examine(&store, &options());
        assert!(!report.is_fit);
        assert_eq!(grade_of(&report, "config"), Grade::Unfit);
    }
}

#[test]
fn credentials_that_may_not_create_are_not_fit_to_back_up() {
    let store = mem();
    create(&store, false);
    let fault = FaultStore::new(store);
    fault.add(Rule::on(Verb::Put).forever().fails(ErrorKind::Denied, Moment::Before));
    let store: Arc<dyn Store> = Arc::new(fault);
    let report = examine(&store, &options());
    assert!(!report.is_fit);
    assert_eq!((report.grade(), grade_of(&report, "config")), (Grade::ReadOnly, Grade::Good));
}

#[test]
fn it_stops_when_it_is_asked_to() {
    let store = mem();
    let context = Context::default();
    context.cancel.cancel();
    let error = doctor(&io(&store), &options(), &context).unwrap_err();
    assert_eq!(error.kind(), Kind::Cancelled);
    assert!(keys(&store).is_empty());
}
