//! What the golden repositories hold: the items of their roots, made up by hand.
//!
//! Knows paths, metadata and content as pieces; not how any of that is stored. Everything here comes
//! out the same each time it is asked for.

use std::collections::BTreeMap;
use std::ops::Range;

use lifeboat_codec::hash::IdKeys;
use lifeboat_format::Time;
use lifeboat_format::tree::{
    Device, Entry, EntryKind, INLINE_MAX, NOTE_CHANGED_WHILE_READ, PathKey, XATTR_INLINE_MAX,
};
use lifeboat_testkit::entropy::entropy;

/// Everything below one root, in path order.
pub(crate) type Items = BTreeMap<PathKey, Item>;

/// One path of a root.
#[derive(Clone, Debug, Default)]
pub(crate) struct Item {
    /// Its metadata; content and attributes are filled in when it is written.
    pub(crate) entry: Entry,
    /// What a file consists of.
    pub(crate) content: Vec<Piece>,
    /// Its extended attributes.
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// A stretch of a file, and how it is to be stored.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    /// Cut by the repository's chunker.
    Cut(Vec<u8>),
    /// One chunk, whatever the chunker would say.
    Chunk(Vec<u8>),
    /// A part of one chunk.
    Part(Vec<u8>, Range<usize>),
    /// In the entry itself.
    Inline(Vec<u8>),
    /// A hole.
    Hole(u64),
    /// Zero bytes that have a place on the disk.
    Zeros(u64),
}

/// The time of the first item; each has its own, a day and some nanoseconds later.
const FIRST_TIME: i64 = 1_700_000_000;
const DAY: i64 = 86_400;

/// The paths of the root `/srv/data` as the full backup finds it.
pub(crate) fn data(ids: &IdKeys) -> Items {
    let mut root = Builder::default();
    root.dir("", 0o755);
    kinds(&mut root);
    contents(&mut root, ids);
    links_and_attributes(&mut root);
    names(&mut root);
    root.dir("many", 0o755);
    for number in 0..160_u32 {
        let path = format!("many/{number:03}");
        if number % 8 == 0 {
            root.file(&path, vec![Piece::Inline(path.clone().into_bytes())]);
        } else {
            root.symlink(&path, format!("{:03}", number - 1).as_bytes());
        }
    }
    root.items
}

/// The same root a day later: something new, grown, touched, renamed and gone.
pub(crate) fn edited_data(ids: &IdKeys) -> Items {
    let mut items = data(ids);
    let mut news = Builder { next: 1000, ..Builder::default() };
    let mut grown = noise(1, 12_000);
    grown.push(b'!');
    news.file("content/cut", vec![Piece::Cut(grown)]);
    news.file("many/050a", vec![Piece::Inline(b"between two others".to_vec())]);
    items.extend(news.items);
    let renamed = items.remove(&key(b"content/text")).expect("the file is there");
    items.insert(key(b"content/text.old"), renamed);
    items.remove(&key(b"many/101")).expect("the file is there");
    let touched = items.get_mut(&key(b"content/large-chunk")).expect("the file is there");
    touched.entry.mtime.secs += DAY;
    items
}

/// The root whose path is no UTF-8: a little directory.
pub(crate) fn odd() -> Items {
    let mut root = Builder { next: 2000, ..Builder::default() };
    root.dir("", 0o700);
    root.file("shared-with-data", vec![Piece::Cut(noise(1, 12_000))]);
    root.items
}

/// A root that is a file.
pub(crate) fn single_file() -> Items {
    let mut root = Builder { next: 3000, ..Builder::default() };
    root.file("", vec![Piece::Cut(b"key = \"value\"\n".repeat(20))]);
    root.items
}

/// One of every kind of entry, and of every field that is not content.
fn kinds(root: &mut Builder) {
    root.dir("kinds", 0o2755);
    root.dir("kinds/empty-dir", 0o1777);
    root.file("kinds/empty-file", Vec::new());
    root.symlink("kinds/symlink", b"../content/\xff\x01");
    root.special("kinds/fifo", EntryKind::Fifo, None).mtime =
        Time { secs: 16_725_225_600, nanos: 1 };
    root.special("kinds/socket", EntryKind::Socket, None);
    root.special("kinds/null", EntryKind::Char, Some(Device { major: 1, minor: 3 }));
    root.special("kinds/disk", EntryKind::Block, Some(Device { major: 259, minor: 1 << 20 }));
    let setuid = root.file("kinds/setuid", vec![Piece::Inline(b"#!/bin/true\n".to_vec())]);
    setuid.entry.mode = 0o4755;
    let owned = root.file("kinds/owned", vec![Piece::Inline(b"mine".to_vec())]);
    owned.entry.uid = 4_294_967_294;
    owned.entry.gid = 70_000;
    owned.entry.user = "jos\u{e9}".into();
    owned.entry.group = b"staff".to_vec();
    let old = root.file("kinds/before-1970", vec![Piece::Inline(b"old".to_vec())]);
    old.entry.mtime = Time { secs: -1_000_000, nanos: 999_999_999 };
    let flagged = root.file("kinds/nodump", vec![Piece::Inline(b"flags".to_vec())]);
    flagged.entry.flags = 0x40;
    let changed = root.file("kinds/changed-while-read", vec![Piece::Inline(b"mix".to_vec())]);
    changed.entry.notes = NOTE_CHANGED_WHILE_READ;
    root.dir("kinds/mounted", 0o755);
    let mounted = root.file("kinds/mounted/file", vec![Piece::Inline(b"elsewhere".to_vec())]);
    mounted.entry.device = 1;
}

/// Files whose content is stored in every way there is.
fn contents(root: &mut Builder, ids: &IdKeys) {
    root.dir("content", 0o755);
    root.file("content/inline", vec![Piece::Inline(noise(2, INLINE_MAX))]);
    root.file("content/one-chunk", vec![Piece::Cut(noise(3, INLINE_MAX + 1))]);
    root.file("content/cut", vec![Piece::Cut(noise(1, 12_000))]);
    root.file("content/cut-copy", vec![Piece::Cut(noise(1, 12_000))]);
    let line = b"the quick brown fox jumps over the lazy dog\n";
    root.file("content/text", vec![Piece::Cut(line.repeat(200))]);
    root.file("content/large-chunk", vec![Piece::Chunk(noise(4, 9000))]);
    root.file(
        "content/sparse",
        vec![Piece::Hole(65_536), Piece::Cut(noise(5, 3000)), Piece::Hole(1 << 20)],
    );
    root.file("content/only-a-hole", vec![Piece::Hole(10 << 20)]);
    root.file(
        "content/zeros",
        vec![Piece::Zeros(4096), Piece::Cut(noise(6, 700)), Piece::Hole(4096), Piece::Zeros(96)],
    );
    let chunk = noise(7, 3000);
    root.file(
        "content/parts",
        vec![
            Piece::Part(chunk.clone(), 1000..2000),
            Piece::Inline(b"between".to_vec()),
            Piece::Part(chunk.clone(), 0..10),
            Piece::Chunk(chunk),
        ],
    );
    let pieces = (0..150).map(|number| Piece::Chunk(noise(1000 + number, 66))).collect();
    root.file("content/map-moved-out", pieces);
    let pieces = vec![Piece::Chunk(piece_ending_chunk(ids)); 150];
    root.file("content/map-moved-out-twice", pieces);
}

/// Hard links, within and across directories, and extended attributes.
fn links_and_attributes(root: &mut Builder) {
    root.dir("links", 0o755);
    let first = root.file("links/a", vec![Piece::Cut(noise(8, 200))]);
    first.entry.links = 3;
    let first = first.clone();
    root.again("links/b", first.clone());
    root.again("many-links", first);
    let pipe = root.special("links/fifo-a", EntryKind::Fifo, None);
    pipe.links = 2;
    let pipe = Item { entry: pipe.clone(), ..Item::default() };
    root.again("links/fifo-b", pipe);
    let attributed = root.file("links/xattrs", vec![Piece::Inline(b"x".to_vec())]);
    let acl = [2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 4, 0, 4, 0, 255, 255, 255, 255];
    attributed.xattrs = BTreeMap::from([
        (b"user.empty".to_vec(), Vec::new()),
        (b"user.comment".to_vec(), "gr\u{fc}n".into()),
        (b"system.posix_acl_access".to_vec(), acl.to_vec()),
        (b"user.limit".to_vec(), noise(9, XATTR_INLINE_MAX)),
        (b"user.moved-out".to_vec(), noise(10, XATTR_INLINE_MAX + 1)),
        (b"user.name\xfe".to_vec(), b"odd".to_vec()),
    ]);
}

/// Names that are awkward somewhere, and siblings whose order is easily got wrong.
fn names(root: &mut Builder) {
    root.dir("names", 0o755);
    root.dir("names/a", 0o755);
    root.file("names/a/member", Vec::new());
    let long = [b'n'; 255];
    let awkward: [&[u8]; 9] = [
        b"a!",
        b"a.b",
        b"ab",
        b"\xff\xfe",
        b"line\nfeed",
        b"-rf",
        b"tab\t\"quoted\" \\",
        "\u{e9}".as_bytes(),
        &long,
    ];
    for name in awkward {
        let path = [b"names/".as_slice(), name].concat();
        root.file_at(&path, vec![Piece::Inline(name[..name.len().min(INLINE_MAX)].to_vec())]);
    }
    let mut path = b"names".to_vec();
    for _level in 0..20 {
        path.extend_from_slice(b"/deep");
        root.add(&path, Entry { kind: EntryKind::Dir, mode: 0o755, ..Entry::default() });
    }
}

/// Adds items, each with an inode and times of its own.
#[derive(Default)]
struct Builder {
    items: Items,
    next: u32,
}

impl Builder {
    fn dir(&mut self, path: &str, mode: u16) {
        self.add(path.as_bytes(), Entry { kind: EntryKind::Dir, mode, ..Entry::default() });
    }

    fn file(&mut self, path: &str, content: Vec<Piece>) -> &mut Item {
        self.file_at(path.as_bytes(), content)
    }

    fn file_at(&mut self, path: &[u8], content: Vec<Piece>) -> &mut Item {
        let item = self.add(path, Entry { mode: 0o644, ..Entry::default() });
        item.content = content;
        item
    }

    fn symlink(&mut self, path: &str, target: &[u8]) {
        let target = target.to_vec();
        let entry = Entry { kind: EntryKind::Symlink, mode: 0o777, target, ..Entry::default() };
        self.add(path.as_bytes(), entry);
    }

    fn special(&mut self, path: &str, kind: EntryKind, rdev: Option<Device>) -> &mut Entry {
        let entry = Entry { kind, mode: 0o660, rdev, ..Entry::default() };
        &mut self.add(path.as_bytes(), entry).entry
    }

    /// Another name of the same inode.
    fn again(&mut self, path: &str, item: Item) {
        self.items.insert(key(path.as_bytes()), item);
    }

    fn add(&mut self, path: &[u8], entry: Entry) -> &mut Item {
        let number = self.next;
        self.next += 1;
        let secs = FIRST_TIME + DAY * i64::from(number % 1000);
        let entry = Entry {
            inode: u64::from(number) + 2,
            mtime: Time { secs, nanos: number * 1_000 },
            ctime: Time { secs: secs + 1, nanos: number },
            ..entry
        };
        let item = Item { entry, ..Item::default() };
        self.items.entry(key(path)).insert_entry(item).into_mut()
    }
}

/// The key of a path with slashes.
fn key(path: &[u8]) -> PathKey {
    let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
    names.fold(PathKey::root(), |key, name| key.child(name).expect("a name that may be"))
}

/// Bytes that look random, the same for the same seed.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    entropy(1_000_000 + seed).fill(&mut bytes).expect("a seeded stream does not end");
    bytes
}

/// A chunk after which a piece of a content map ends, because its id begins with a zero byte.
fn piece_ending_chunk(ids: &IdKeys) -> Vec<u8> {
    (0_u32..)
        .map(|number| format!("{number:070}").into_bytes())
        .find(|chunk| ids.data(chunk).as_bytes()[0] == 0)
        .expect("one id in 256 begins so")
}
