use lifeboat_format::tree::Extent;
use lifeboat_repo::tree::{TreeRoot, nodes};

use lifeboat_format::id::ChunkId;
use lifeboat_format::snapshot::{Root, Snapshot};

use super::testing::{Shop, dir, plain, show, snapshot};
use super::*;

const OWNER: Owner = Owner { uid: 5, gid: 6 };

fn browser(shop: &Shop, snapshots: &[Snapshot]) -> Browser {
    Browser::new(shop.reader(), show(snapshots), OWNER, 64 << 20)
}

/// What is at a path below the top, links not followed.
fn walk(browser: &Browser, path: &str) -> Option<Seen> {
    let mut names = path.split('/').filter(|name| !name.is_empty());
    let top = browser.see(TOP).unwrap();
    names.try_fold(top, |seen, name| browser.look_up(seen.number, name.as_bytes()).unwrap())
}

fn names(browser: &Browser, path: &str) -> Vec<String> {
    let number = walk(browser, path).unwrap().number;
    let directory = browser.open_dir(number).unwrap();
    let mut names = Vec::new();
    let listed = browser.list(&directory, 0, &mut |listed| {
        names.push(String::from_utf8(listed.name.to_vec()).unwrap());
        true
    });
    listed.unwrap();
    // What was lost on the way is told here.
    let end = names.len() as u64;
    browser.list(&directory, end, &mut |_| panic!("that was all")).unwrap();
    names
}

fn read(browser: &Browser, path: &str) -> Vec<u8> {
    let file = browser.open_file(walk(browser, path).unwrap().number).unwrap();
    browser.read(&file, 0, 1 << 20).unwrap()
}

fn inline(shop: &Shop, text: &str) -> Entry {
    shop.file(&[Extent::Inline(text.as_bytes().to_vec())])
}

/// Two snapshots of `/home/ann`, the second newer and with another root.
fn two(shop: &Shop) -> [Snapshot; 2] {
    let first = shop.root("/home/ann", &[("", dir()), ("a", inline(shop, "old"))]);
    let second = [
        shop.root("/home/ann", &[("", dir()), ("a", inline(shop, "new")), ("b", dir())]),
        shop.root("/etc/passwd", &[("", inline(shop, "root"))]),
    ];
    [
        snapshot(1, "castle", "2026-01-01T00:00:00Z", &["kept"], vec![first]),
        snapshot(2, "castle", "2026-01-02T00:00:00Z", &[], second.to_vec()),
    ]
}

#[test]
fn the_directories_above_and_their_links() {
    let shop = Shop::new();
    let browser = browser(&shop, &two(&shop));
    assert_eq!(browser.snapshots(), 2);
    assert_eq!(names(&browser, ""), ["hosts", "ids", "snapshots", "tags"]);
    assert_eq!(names(&browser, "ids"), ["01010101", "02020202", "latest"]);
    let times = ["2026-01-01T00-00-00Z", "2026-01-02T00-00-00Z", "latest"];
    assert_eq!(names(&browser, "snapshots"), times);
    assert_eq!(names(&browser, "hosts"), ["castle"]);
    assert_eq!(names(&browser, "hosts/castle"), times);
    assert_eq!(names(&browser, "tags/kept"), [times[0], "latest"]);
    for (link, target) in [
        ("ids/latest", "02020202"),
        ("snapshots/latest", times[1]),
        ("hosts/castle/latest", times[1]),
        ("tags/kept/latest", times[0]),
        (&format!("ids/{}", "02".repeat(16)), "02020202"),
    ] {
        let seen = walk(&browser, link).unwrap();
        assert_eq!(seen.attributes.kind, EntryKind::Symlink);
        assert_eq!(browser.link_target(seen.number).unwrap(), target.as_bytes());
        assert_eq!(seen.lasts, Lasts::AsLongAsShown);
        assert!(browser.is_above_snapshots(seen.number));
    }
    for absent in ["x", "ids/0101", "hosts/castle/x", "hosts/latest", "tags/none", "ids/latest/x"] {
        assert!(walk(&browser, absent).is_none(), "{absent}");
    }
    let seen = walk(&browser, "hosts/castle").unwrap();
    assert_eq!((seen.attributes.uid, seen.attributes.mode), (5, 0o555));
}

#[test]
fn a_snapshot_is_one_tree_of_absolute_paths() {
    let shop = Shop::new();
    let browser = browser(&shop, &two(&shop));
    for door in ["ids/02020202", "hosts/castle/2026-01-02T00-00-00Z"] {
        assert_eq!(names(&browser, door), ["etc", "home"]);
        assert_eq!(names(&browser, &format!("{door}/etc")), ["passwd"]);
        assert_eq!(names(&browser, &format!("{door}/home/ann")), ["a", "b"]);
        assert_eq!(names(&browser, &format!("{door}/home/ann/b")), [""; 0]);
        assert_eq!(read(&browser, &format!("{door}/home/ann/a")), b"new");
        assert_eq!(read(&browser, &format!("{door}/etc/passwd")), b"root");
    }
    assert_eq!(read(&browser, "ids/01010101/home/ann/a"), b"old");
    assert!(walk(&browser, "ids/01010101/etc").is_none());
    assert!(walk(&browser, "ids/01010101/home/bob").is_none());
    let made_up = walk(&browser, "ids/02020202/home").unwrap();
    assert_eq!((made_up.attributes.uid, made_up.attributes.mtime.secs), (5, 1_767_312_000));
    let own = walk(&browser, "ids/02020202/home/ann").unwrap();
    assert_eq!((own.attributes.uid, own.attributes.mode), (1000, 0o750));
    assert_eq!(own.lasts, Lasts::Always);
}

#[test]
fn a_root_in_another_is_in_its_place() {
    let shop = Shop::new();
    let outer = [("", dir()), ("mnt", dir()), ("mnt/disk", dir()), ("mnt/z", plain())];
    let inner = [("", Entry { mode: 0o711, ..dir() }), ("file", inline(&shop, "inner"))];
    let roots = vec![
        shop.root("/", &outer),
        shop.root("/mnt/disk", &inner),
        shop.root("/mnt/made/up", &[("", dir())]),
    ];
    let browser = browser(&shop, &[snapshot(1, "h", "2026-01-01T00:00:00Z", &[], roots)]);
    assert_eq!(names(&browser, "ids/01010101/mnt"), ["disk", "made", "z"]);
    assert_eq!(names(&browser, "ids/01010101/mnt/disk"), ["file"]);
    assert_eq!(walk(&browser, "ids/01010101/mnt/disk").unwrap().attributes.mode, 0o711);
    assert_eq!(names(&browser, "ids/01010101/mnt/made"), ["up"]);
    assert_eq!(read(&browser, "ids/01010101/mnt/disk/file"), b"inner");
}

#[test]
fn a_listing_goes_on_and_back_wherever_it_is_asked_to() {
    let shop = Shop::new();
    let numbered: Vec<String> = (0..3000).map(|number| format!("d/{number:05}")).collect();
    let mut entries = vec![("", dir()), ("d", dir()), ("e", plain())];
    // Each a directory with something in it, which is no member of this one.
    let inner: Vec<String> = numbered.iter().step_by(7).map(|name| format!("{name}/x")).collect();
    entries.extend(
        numbered
            .iter()
            .enumerate()
            .map(|(number, name)| (name.as_str(), if number % 7 == 0 { dir() } else { plain() })),
    );
    entries.extend(inner.iter().map(|name| (name.as_str(), plain())));
    let root = shop.root("/r", &entries);
    let browser = browser(&shop, &[snapshot(1, "h", "2026-01-01T00:00:00Z", &[], vec![root])]);
    let wanted: Vec<&str> = numbered.iter().map(|name| &name[2..]).collect();
    assert_eq!(names(&browser, "ids/01010101/r/d"), wanted);
    let seen = walk(&browser, "ids/01010101/r/d").unwrap();
    let directory = browser.open_dir(seen.number).unwrap();
    for from in [0, 2990, 100, 1500, 255, 256, 257, 2999, 0, 3000, 4000] {
        let mut found = Vec::new();
        let each = &mut |listed: &Listed<'_>| {
            assert_eq!(listed.position, from + found.len() as u64);
            found.push(String::from_utf8(listed.name.to_vec()).unwrap());
            found.len() < 300
        };
        browser.list(&directory, from, each).unwrap();
        let from = usize::try_from(from).unwrap().min(wanted.len());
        assert_eq!(found, &wanted[from..wanted.len().min(from + 300)]);
    }
}

#[test]
fn what_a_listing_tells_is_what_a_look_up_finds() {
    let shop = Shop::new();
    let linked = Entry { links: 2, inode: 9, ..inline(&shop, "twice") };
    let entries = [("", dir()), ("a", linked.clone()), ("b", linked), ("c", plain())];
    let root = shop.root("/r", &entries);
    let browser = browser(&shop, &[snapshot(1, "h", "2026-01-01T00:00:00Z", &[], vec![root])]);
    let seen = walk(&browser, "ids/01010101/r").unwrap();
    let kept = browser.kept();
    let directory = browser.open_dir(seen.number).unwrap();
    let mut numbers = Vec::new();
    let each = &mut |listed: &Listed<'_>| {
        numbers.push(listed.seen.number);
        assert_eq!(browser.keep_listed(listed).number, listed.seen.number);
        let found = browser.look_up(seen.number, listed.name).unwrap().unwrap();
        assert_eq!(found.number, listed.seen.number);
        assert_eq!(found.attributes, listed.seen.attributes);
        true
    };
    browser.list(&directory, 0, each).unwrap();
    // Two names of one file are one place.
    assert_eq!(numbers[0], numbers[1]);
    assert_eq!(browser.kept(), kept + 2);
    browser.let_go(numbers[0], 4);
    browser.let_go(numbers[2], 2);
    assert_eq!(browser.kept(), kept);
    assert!(matches!(browser.see(numbers[2]), Err(Failure::Stale)));
}

#[test]
fn links_and_attributes() {
    let shop = Shop::new();
    let link = Entry { kind: EntryKind::Symlink, target: b"to\xff".to_vec(), ..plain() };
    let xattrs = [(b"user.a".to_vec(), b"1".to_vec())].into_iter().collect();
    let file = Entry { xattrs, ..inline(&shop, "x") };
    let root = shop.root("/r", &[("", dir()), ("file", file), ("link", link)]);
    let browser = browser(&shop, &[snapshot(1, "h", "2026-01-01T00:00:00Z", &[], vec![root])]);
    let link = walk(&browser, "ids/01010101/r/link").unwrap();
    assert_eq!(browser.link_target(link.number).unwrap(), b"to\xff");
    assert_eq!(link.attributes.size, 3);
    let file = walk(&browser, "ids/01010101/r/file").unwrap();
    assert_eq!(browser.xattr_names(file.number).unwrap(), [b"user.a".to_vec()]);
    assert_eq!(browser.xattr(file.number, b"user.a").unwrap(), Some(b"1".to_vec()));
    assert_eq!(browser.xattr(file.number, b"user.b").unwrap(), None);
    assert_eq!(browser.xattr_names(TOP).unwrap(), Vec::<Vec<u8>>::new());
    assert!(browser.open_file(link.number).is_err());
    assert!(browser.open_dir(file.number).is_err());
}

#[test]
fn new_snapshots_are_shown_and_what_is_open_stays() {
    let shop = Shop::new();
    let [first, second] = two(&shop);
    let browser = browser(&shop, std::slice::from_ref(&first));
    let old = walk(&browser, "ids/01010101/home/ann/a").unwrap();
    let link = walk(&browser, "snapshots/latest").unwrap();
    browser.renew(shop.reader(), show(&[second]));
    assert_eq!(names(&browser, "ids"), ["02020202", "latest"]);
    let file = browser.open_file(old.number).unwrap();
    assert_eq!(browser.read(&file, 1, 9).unwrap(), b"ld");
    assert_ne!(walk(&browser, "snapshots/latest").unwrap().number, link.number);
}

#[test]
fn holes_take_no_blocks() {
    let shop = Shop::new();
    let file = shop.file(&[Extent::Hole(1 << 20), Extent::Zeros(5000), Extent::Hole(7)]);
    let attributes = Attributes::of(&file);
    assert_eq!((attributes.size, attributes.blocks), ((1 << 20) + 5007, 10));
}

#[test]
fn a_lost_piece_of_a_directory_is_told_after_the_rest() {
    let shop = Shop::new();
    let numbered: Vec<String> = (0..3000).map(|number| format!("{number:05}")).collect();
    let mut entries = vec![("", dir())];
    entries.extend(numbered.iter().map(|name| (name.as_str(), plain())));
    let root = shop.root("/r", &entries);
    let leaves = leaves(&shop, &root);
    shop.lose(&Extent::Chunk { id: leaves[1], offset: 0, length: 1 });
    let browser = browser(&shop, &[snapshot(1, "h", "2026-01-01T00:00:00Z", &[], vec![root])]);
    let seen = walk(&browser, "ids/01010101/r").unwrap();
    let directory = browser.open_dir(seen.number).unwrap();
    let mut found = 0;
    let mut each = |_: &Listed<'_>| {
        found += 1;
        true
    };
    browser.list(&directory, 0, &mut each).unwrap();
    let listed = browser.list(&directory, found, &mut |_| panic!("that was all"));
    assert!(matches!(listed, Err(Failure::Lost(_))), "{listed:?}");
    assert!(found > 1000 && found < 3000, "{found}");
    assert!(browser.look_up(seen.number, b"00000").unwrap().is_some());
    assert!(browser.look_up(seen.number, b"02999").unwrap().is_some());
}

#[test]
fn a_listing_reads_nothing_of_what_lies_deeper() {
    let shop = Shop::new();
    let inner: Vec<String> = (0..3000).map(|number| format!("a/{number:05}")).collect();
    let mut entries = vec![("", dir()), ("a", dir()), ("b", plain())];
    entries.extend(inner.iter().map(|name| (name.as_str(), plain())));
    let root = shop.root("/r", &entries);
    let leaves = leaves(&shop, &root);
    shop.lose(&Extent::Chunk { id: leaves[leaves.len() / 2], offset: 0, length: 1 });
    let browser = browser(&shop, &[snapshot(1, "h", "2026-01-01T00:00:00Z", &[], vec![root])]);
    assert_eq!(names(&browser, "ids/01010101/r"), ["a", "b"]);
}

/// The leaves of a root's tree.
fn leaves(shop: &Shop, root: &Root) -> Vec<ChunkId> {
    let Root { level, entries, bytes, .. } = *root;
    let tree = TreeRoot { id: root.tree.unwrap(), level, entries, bytes };
    let reader = shop.reader();
    let nodes = nodes::Nodes::new(&reader, &tree, |_| true).map(|(id, node)| (id, node.unwrap()));
    let leaves: Vec<_> = nodes.filter(|(_, node)| node.level() == 0).map(|(id, _)| id).collect();
    assert!(leaves.len() > 3, "{}", leaves.len());
    leaves
}
