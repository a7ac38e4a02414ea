use lifeboat_format::id::RunId;
use lifeboat_format::key::ObjectKey;

use super::*;
use crate::log::testing::{checkpoint, snapshot};
use crate::log::{Decision, EntryDraft, append, commit};
use crate::open::testing::{bytes_of, new, reopen, replace};

const RUN: RunId = RunId([5; 16]);

fn put(repository: &Repository, fold: &mut Fold, snapshot: &Snapshot) {
    let sealed = seal(repository, snapshot).unwrap();
    commit(repository, fold, RUN, Vec::new(), vec![sealed]).unwrap();
}

fn with(snapshots: &[Snapshot]) -> (Repository, Fold, Snapshots) {
    let (_, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    for snapshot in snapshots {
        put(&repository, &mut fold, snapshot);
    }
    let loaded = Snapshots::load(&repository, &fold).unwrap();
    (repository, fold, loaded)
}

fn firsts<'s>(snapshots: impl IntoIterator<Item = &'s Known>) -> Vec<u8> {
    snapshots.into_iter().map(|known| known.snapshot.id.0[0]).collect()
}

#[test]
fn snapshots_come_back_whole() {
    let wanted = snapshot(1, "a", 10);
    let (_, fold, loaded) = with(std::slice::from_ref(&wanted));
    assert_eq!(loaded.all().len(), 1);
    assert_eq!(loaded.all()[0].snapshot, wanted);
    assert_eq!(loaded.all()[0].sealed_hash, object_hash(&fold.snapshots()[0].sealed));
    assert!(loaded.unreadable().is_empty());
}

#[test]
fn checkpoints_give_way_to_later_snapshots_of_their_source() {
    let (_, _, loaded) = with(&[
        checkpoint(1, "a", 1),
        checkpoint(2, "b", 2),
        checkpoint(3, "a", 3),
        snapshot(4, "a", 4),
        checkpoint(5, "a", 5),
    ]);
    assert_eq!(firsts(loaded.live()), [2, 4, 5]);
    assert_eq!(loaded.all()[0].standing, Standing::Superseded(loaded.all()[4].snapshot.id));
    assert_eq!(firsts(loaded.select(&Filter::default())), [4]);
    let all = Filter { checkpoints: true, ..Filter::default() };
    assert_eq!(firsts(loaded.select(&all)), [2, 4, 5]);
    assert_eq!(firsts(loaded.latest(&all)), [5]);
    assert_eq!(firsts(loaded.latest(&Filter::default())), [4]);
}

/// What the first form reaches was kept for ever, and nobody could forget it: no list showed it.
#[test]
fn a_checkpoint_with_other_marks_gives_way_in_all_forms() {
    let (repository, mut fold, loaded) = with(&[checkpoint(1, "a", 1)]);
    let first = loaded.all()[0].snapshot.id;
    let edit = TagEdit { add: vec!["mark".to_owned()], ..TagEdit::default() };
    tag(&repository, &mut fold, first, &edit).unwrap();
    put(&repository, &mut fold, &snapshot(2, "a", 2));
    let loaded = Snapshots::load(&repository, &fold).unwrap();
    let superseded = Standing::Superseded(loaded.all()[2].snapshot.id);
    let standings: Vec<Standing> = loaded.all().iter().map(|known| known.standing).collect();
    assert_eq!(standings, [superseded, superseded, Standing::Live]);
}

#[test]
fn filters_and_order() {
    let tagged =
        Snapshot { tags: vec!["daily".to_owned(), "db".to_owned()], ..snapshot(3, "c", 5) };
    let moved = Snapshot {
        time: Some(lifeboat_format::time::Time { secs: 1, nanos: 0 }),
        ..snapshot(4, "d", 99)
    };
    let (_, _, loaded) = with(&[snapshot(1, "a", 30), snapshot(2, "b", 20), tagged, moved]);
    let select = |filter: Filter| firsts(loaded.select(&filter));
    assert_eq!(select(Filter::default()), [4, 3, 2, 1]);
    assert_eq!(select(Filter { source: Some("b".to_owned()), ..Filter::default() }), [2]);
    assert_eq!(select(Filter { host: Some("host".to_owned()), ..Filter::default() }).len(), 4);
    assert!(select(Filter { host: Some("other".to_owned()), ..Filter::default() }).is_empty());
    let tags = |tags: &[&str]| Filter {
        tags: tags.iter().map(ToString::to_string).collect(),
        ..Filter::default()
    };
    assert_eq!(select(tags(&["db", "daily"])), [3]);
    assert!(select(tags(&["db", "weekly"])).is_empty());
    let paths = |path: &[u8]| Filter { paths: vec![path.to_vec()], ..Filter::default() };
    assert_eq!(select(paths(b"/srv/data/")).len(), 4);
    assert!(select(paths(b"/srv/data/x/y")).is_empty());
    assert!(select(paths(b"/srv/database")).is_empty());
    assert!(select(paths(b"/srv")).is_empty());
}

#[test]
fn what_a_user_types_names_one_snapshot_or_is_refused() {
    let mut near = snapshot(0x12, "b", 2);
    near.id.0[1] = 0xff;
    let (_, _, loaded) = with(&[snapshot(0x12, "a", 1), near.clone(), checkpoint(0x30, "c", 3)]);
    let resolve = |text: &str| loaded.resolve(text, &Filter::default());
    assert_eq!(resolve("latest").unwrap().snapshot.id, near.id);
    assert_eq!(resolve("12f").unwrap().snapshot.id, near.id);
    assert_eq!(resolve(&near.id.to_string()).unwrap().snapshot.id, near.id);
    assert_eq!(resolve("3").unwrap().snapshot.id.0[0], 0x30);
    let error = resolve("12").unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.to_string().contains(&near.id.to_string()), "{error}");
    assert_eq!(resolve("ab").unwrap_err().kind(), Kind::NotFound);
    for text in ["", "newest", "12 ", "AB"] {
        assert_eq!(resolve(text).unwrap_err().kind(), Kind::Invalid, "{text}");
    }
    let nobody = Filter { host: Some("nobody".to_owned()), ..Filter::default() };
    assert_eq!(loaded.resolve("latest", &nobody).unwrap_err().kind(), Kind::NotFound);
}

#[test]
fn latest_is_refused_where_a_newer_one_may_be_lost() {
    let (store, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    for number in 1..=3 {
        put(&repository, &mut fold, &snapshot(number, "a", number.into()));
    }
    let tags = TagEdit { add: vec!["keep".to_owned()], ..TagEdit::default() };
    let damage = |number| {
        let key = ObjectKey::Log(number).to_string();
        let mut bytes = bytes_of(&store, &key);
        bytes[20] ^= 1;
        replace(&store, &key, bytes);
        let fold = Fold::load(&repository).unwrap();
        let loaded = Snapshots::load(&repository, &fold).unwrap();
        (fold, loaded)
    };
    // What is older than the snapshot does not matter.
    let (_, loaded) = damage(1);
    assert_eq!(firsts([loaded.resolve("latest", &Filter::default()).unwrap()]), [3]);
    let (mut fold, loaded) = damage(2);
    let refused = |loaded: &Snapshots| {
        let error = loaded.resolve("latest", &Filter::default()).unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt, "{error}");
        assert!(error.to_string().contains("log/0000000000000002"), "{error}");
    };
    refused(&loaded);
    assert_eq!(firsts([loaded.resolve("01", &Filter::default()).unwrap()]), [1]);
    // A record of other tags has a later entry, and no newer content.
    let id = loaded.all()[0].snapshot.id;
    tag(&repository, &mut fold, id, &tags).unwrap();
    let loaded = Snapshots::load(&repository, &fold).unwrap();
    refused(&loaded);
    put(&repository, &mut fold, &snapshot(4, "a", 4));
    let loaded = Snapshots::load(&repository, &fold).unwrap();
    assert_eq!(firsts([loaded.resolve("latest", &Filter::default()).unwrap()]), [4]);
}

#[test]
fn what_cannot_be_opened_is_listed() {
    let (_, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    put(&repository, &mut fold, &snapshot(1, "a", 1));
    let mut damaged = seal(&repository, &snapshot(2, "a", 2)).unwrap();
    *damaged.sealed.last_mut().unwrap() ^= 1;
    let mut swapped = seal(&repository, &snapshot(3, "a", 3)).unwrap();
    swapped.id = SnapshotId([9; 16]);
    let short = ListedSnapshot { id: SnapshotId([8; 16]), sealed: vec![1] };
    commit(&repository, &mut fold, RUN, Vec::new(), vec![damaged, swapped, short]).unwrap();
    let loaded = Snapshots::load(&repository, &fold).unwrap();
    assert_eq!((loaded.all().len(), loaded.unreadable().len()), (1, 3));
    assert!(loaded.unreadable()[1].reason.contains("holds snapshot"));
    let error = loaded.resolve("09", &Filter::default()).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt, "{error}");
}

#[test]
fn tags_are_changed_by_a_record_that_stands_for_the_old_one() {
    let (repository, mut fold, loaded) =
        with(&[snapshot(1, "a", 1), checkpoint(2, "a", 2), snapshot(3, "b", 3)]);
    let first = loaded.all()[0].snapshot.id;
    let edit = TagEdit { add: vec!["keep".to_owned()], ..TagEdit::default() };
    let tagged = tag(&repository, &mut fold, first, &edit).unwrap();
    assert_eq!((tagged.old, tagged.tags.as_slice()), (first, &["keep".to_owned()][..]));
    // Once more, by the first id.
    let edit = TagEdit { add: vec!["new".to_owned(), "keep".to_owned()], ..TagEdit::default() };
    let again = tag(&repository, &mut fold, first, &edit).unwrap();
    assert_eq!((again.old, again.tags.len()), (tagged.new, 2));
    let unchanged = tag(&repository, &mut fold, again.new, &edit).unwrap();
    assert_eq!((unchanged.old, unchanged.new), (again.new, again.new));

    let loaded = Snapshots::load(&repository, &fold).unwrap();
    let live: Vec<_> = loaded.live().map(|known| known.snapshot.id).collect();
    // The checkpoint of the same source is not older than the record.
    assert_eq!(live, [loaded.all()[1].snapshot.id, loaded.all()[2].snapshot.id, again.new]);
    let newest = loaded.resolve(&first.to_string(), &Filter::default()).unwrap();
    assert_eq!((newest.snapshot.id, newest.snapshot.original), (again.new, Some(first)));
    assert_eq!(newest.snapshot.roots, loaded.all()[0].snapshot.roots);
    let in_between = loaded.resolve(&tagged.new.to_string(), &Filter::default()).unwrap();
    assert_eq!(in_between.snapshot.id, tagged.new);

    let edit = TagEdit {
        set: Some(vec!["x".to_owned(), "y".to_owned()]),
        remove: vec!["x".to_owned()],
        ..TagEdit::default()
    };
    assert_eq!(tag(&repository, &mut fold, first, &edit).unwrap().tags, ["y"]);
}

#[test]
fn two_edits_at_once_both_last() {
    let (store, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    let first = snapshot(1, "a", 1);
    put(&repository, &mut fold, &first);
    let other = reopen(&store, 2);
    let mut behind = Fold::load(&other).unwrap();
    let add = |tag: &str| TagEdit { add: vec![tag.to_owned()], ..TagEdit::default() };
    tag(&repository, &mut fold, first.id, &add("one")).unwrap();
    let tagged = tag(&other, &mut behind, first.id, &add("two")).unwrap();
    assert_eq!(tagged.tags, ["one", "two"]);
    let loaded = Snapshots::load(&other, &behind).unwrap();
    assert_eq!(loaded.live().count(), 1);
}

#[test]
fn tags_that_are_none_are_refused() {
    let (repository, mut fold, loaded) = with(&[snapshot(1, "a", 1)]);
    let id = loaded.all()[0].snapshot.id;
    for bad in ["", "a,b", "a\nb", &"x".repeat(TAG_BYTES_MAX + 1)] {
        let edit = TagEdit { add: vec![bad.to_owned()], ..TagEdit::default() };
        assert_eq!(tag(&repository, &mut fold, id, &edit).unwrap_err().kind(), Kind::Invalid);
    }
    let many = (0..=TAGS_MAX).map(|number| number.to_string()).collect();
    let edit = TagEdit { set: Some(many), ..TagEdit::default() };
    assert_eq!(tag(&repository, &mut fold, id, &edit).unwrap_err().kind(), Kind::Invalid);
    let error = tag(&repository, &mut fold, SnapshotId([7; 16]), &TagEdit::default()).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
}

/// A node that was taken over may add snapshots, and must hide none of others.
#[test]
fn a_writer_hides_nothing_of_others() {
    let mut snapshots = Snapshots::default();
    let known = |snapshot: Snapshot, author: u8| Known {
        snapshot,
        entry: 0,
        author: PublicKey([author; 32]),
        sealed_hash: ObjectHash([0; 32]),
        standing: Standing::Live,
        hold: None,
    };
    let (owner, writer, other) = (1, 2, 3);
    let forged =
        |id, replaces: SnapshotId| Snapshot { replaces: Some(replaces), ..snapshot(id, "a", 9) };
    let target = snapshot(1, "a", 1);
    let hidden = snapshot(2, "a", 2);
    snapshots.known = vec![
        known(target.clone(), other),
        known(hidden.clone(), other),
        known(checkpoint(3, "a", 3), other),
        known(checkpoint(4, "b", 4), other),
        known(forged(5, target.id), writer),
        known(snapshot(6, "a", 6), writer),
        known(forged(7, hidden.id), owner),
        known(snapshot(8, "b", 8), owner),
    ];
    snapshots.settle(|author| *author == PublicKey([owner; 32]), |_| None);
    assert_eq!(firsts(snapshots.live()), [1, 3, 5, 6, 7, 8]);
}

#[test]
fn a_writer_knows_its_last_snapshot() {
    let (repository, mut fold, _) = with(&[snapshot(1, "a", 1)]);
    let last = Snapshot { sequence: 41, ..snapshot(2, "a", 2) };
    put(&repository, &mut fold, &last);
    let found = fold.last_snapshot_of(&repository).unwrap();
    assert_eq!(found.sequence, 41);
    assert_eq!(found.hash, object_hash(&fold.snapshots()[1].sealed));
    append(&repository, &mut fold, |_| {
        Ok(Decision::Append(EntryDraft::commit(RUN, SigningRole::Write)))
    })
    .unwrap();
    assert_eq!(fold.last_snapshot_of(&repository).unwrap(), found);
}

fn forget_ids(repository: &Repository, fold: &mut Fold, ids: &[SnapshotId]) -> u64 {
    let draft = EntryDraft {
        ids: ids.to_vec(),
        time: Some(0),
        ..EntryDraft::maintenance(lifeboat_format::entry::LogKind::Forget, RUN)
    };
    append(repository, fold, |_| Ok(Decision::Append(draft.clone()))).unwrap().unwrap().number
}

/// Nothing comes back because what had taken its place is forgotten.
#[test]
fn what_is_forgotten_is_left_out_with_all_that_gave_way_to_it() {
    let (repository, mut fold, loaded) =
        with(&[snapshot(1, "a", 1), checkpoint(2, "b", 2), snapshot(3, "b", 3)]);
    let first = loaded.all()[0].snapshot.id;
    let edit = TagEdit { add: vec!["keep".to_owned()], ..TagEdit::default() };
    let tagged = tag(&repository, &mut fold, first, &edit).unwrap();
    let loaded = Snapshots::load(&repository, &fold).unwrap();
    assert_eq!(loaded.forms().of(&first), [first, tagged.new]);
    assert_eq!(loaded.forms().newest(&first), tagged.new);

    let of_b = loaded.all()[2].snapshot.id;
    let entry = forget_ids(&repository, &mut fold, &[tagged.new, of_b]);
    let loaded = Snapshots::load(&repository, &fold).unwrap();
    assert_eq!(loaded.live().count(), 0);
    let standings: Vec<Standing> = loaded.all().iter().map(|known| known.standing).collect();
    let forgotten = Standing::Forgotten { entry };
    let superseded = Standing::Superseded(of_b);
    assert_eq!(standings, [Standing::Replaced(tagged.new), superseded, forgotten, forgotten]);
    assert_eq!(loaded.forgotten_by(&loaded.all()[0]), Some(entry));
    assert_eq!(loaded.forgotten_by(&loaded.all()[1]), None);
    for name in [first, tagged.new, of_b] {
        let error = loaded.resolve(&name.to_string(), &Filter::default()).unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        assert!(error.to_string().contains(&ObjectKey::Log(entry).to_string()), "{error}");
        assert!(error.hint_text().unwrap().contains("--undo"));
    }
    let error = loaded.resolve("latest", &Filter::default()).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    let error = tag(&repository, &mut fold, first, &edit).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "{error}");
}

#[test]
fn all_forms_are_known_when_all_are_forgotten() {
    let (repository, mut fold, loaded) = with(&[snapshot(1, "a", 1)]);
    let first = loaded.all()[0].snapshot.id;
    let edit = TagEdit { add: vec!["keep".to_owned()], ..TagEdit::default() };
    let second = tag(&repository, &mut fold, first, &edit).unwrap().new;
    forget_ids(&repository, &mut fold, &[first, second]);
    let loaded = Snapshots::load(&repository, &fold).unwrap();
    assert_eq!(loaded.forms().of(&second), [first, second]);
    assert_eq!(loaded.newest_form(first).unwrap().snapshot.id, second);
}

#[test]
fn other_marks_keep_the_hold() {
    use lifeboat_format::entry::Until;
    let (_, repository) = new(1);
    let mut fold = Fold::load(&repository).unwrap();
    let draft = EntryDraft {
        snapshots: vec![seal(&repository, &snapshot(1, "a", 1)).unwrap()],
        until: Some(Until::Time(1 << 40)),
        ..EntryDraft::commit(RUN, SigningRole::Write)
    };
    append(&repository, &mut fold, |_| Ok(Decision::Append(draft.clone()))).unwrap();
    let edit = TagEdit { add: vec!["keep".to_owned()], ..TagEdit::default() };
    let new = tag(&repository, &mut fold, snapshot(1, "a", 1).id, &edit).unwrap().new;
    assert_eq!(fold.hold(&new).map(|hold| hold.until), Some(Until::Time(1 << 40)));
    forget_ids(&repository, &mut fold, &[new]);
    assert_eq!(fold.hidden(&new), None);
}

/// Whoever may change marks must not put other content in the place of what there is.
#[test]
fn a_record_of_other_roots_replaces_nothing() {
    let old = snapshot(1, "a", 1);
    let mut other = Snapshot { replaces: Some(old.id), ..snapshot(2, "a", 1) };
    other.roots[0].entries = 7;
    let (_, _, loaded) = with(&[old, other]);
    assert_eq!(firsts(loaded.live()), [1, 2]);
}

/// A node that calls its snapshots by the source of another must not make the other's last one look like one of many.
#[test]
fn the_last_of_a_source_is_that_of_its_own_node() {
    use crate::forget::Guards;
    let known = |snapshot: Snapshot, author: u8| Known {
        snapshot,
        entry: 0,
        author: PublicKey([author; 32]),
        sealed_hash: ObjectHash([0; 32]),
        standing: Standing::Live,
        hold: None,
    };
    let (node, other, owner) = (1, 2, 3);
    let first = snapshot(1, "a", 1);
    let marked = Snapshot { replaces: Some(first.id), ..snapshot(2, "a", 1) };
    let mut snapshots = Snapshots {
        known: vec![
            known(first, node),
            known(snapshot(3, "a", 3), other),
            known(snapshot(4, "a", 4), other),
            known(snapshot(5, "b", 5), other),
            known(marked.clone(), owner),
        ],
        ..Snapshots::default()
    };
    snapshots.settle(|author| *author == PublicKey([owner; 32]), |_| None);
    let error = Guards::DEFAULT.check(&snapshots, &[marked.id]).unwrap_err();
    assert_eq!(error.kind(), Kind::Denied, "{error}");
    let one_of_two = snapshots.all()[1].snapshot.id;
    Guards::DEFAULT.check(&snapshots, &[one_of_two]).unwrap();
}
