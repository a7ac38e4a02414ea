//! What of which kind of file comes back on which file system: docs/fidelity.md is made by this test.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    os::unix::{
        fs::{FileExt as _, PermissionsExt as _, symlink},
        net::UnixListener,
    },
    path::Path,
    process::Command,
    thread,
    time::Duration,
};

use e2e::{Mount, Place, noise};
use lifeboat_testkit::{
    same_tree::{Aspect, differences},
    skip::skip,
};

const TARGETS: [&str; 4] = ["ext4", "xfs", "btrfs", "tmpfs"];
const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/fidelity.md");
/// Writes the document instead of comparing it.
const WRITE: &str = "LIFEBOAT_TEST_WRITE_DOCS";

/// The kinds, each with what it can have beside its kind.
const KINDS: [(&str, &[Aspect]); 8] = [
    (
        "file",
        &[
            Aspect::Content,
            Aspect::Size,
            Aspect::Mode,
            Aspect::Owner,
            Aspect::Mtime,
            Aspect::Xattrs,
            Aspect::Flags,
            Aspect::Links,
        ],
    ),
    ("sparse", &[Aspect::Content, Aspect::Size, Aspect::Holes]),
    ("directory", &[Aspect::Mode, Aspect::Owner, Aspect::Mtime, Aspect::Xattrs, Aspect::Flags]),
    ("symlink", &[Aspect::Target, Aspect::Owner, Aspect::Mtime]),
    ("fifo", &[Aspect::Mode, Aspect::Owner, Aspect::Mtime, Aspect::Links]),
    ("socket", &[Aspect::Mode, Aspect::Owner, Aspect::Mtime]),
    ("character device", &[Aspect::Device, Aspect::Mode, Aspect::Owner, Aspect::Mtime]),
    ("block device", &[Aspect::Device, Aspect::Mode, Aspect::Owner, Aspect::Mtime]),
];

fn run(command: &str, dir: &Path) {
    let done = Command::new("bash").args(["-euc", command]).current_dir(dir).status().unwrap();
    assert!(done.success(), "{command}");
}

/// One of each kind, with everything that it can have.
fn build(root: &Path) {
    fs::write(root.join("file"), noise(1, 200_000)).unwrap();
    fs::hard_link(root.join("file"), root.join("other name of file")).unwrap();
    let sparse = fs::File::create(root.join("sparse")).unwrap();
    sparse.write_all_at(&noise(2, 100_000), 8 << 20).unwrap();
    sparse.set_len(32 << 20).unwrap();
    fs::create_dir(root.join("directory")).unwrap();
    symlink("no such target", root.join("symlink")).unwrap();
    drop(UnixListener::bind(root.join("socket")).unwrap());
    run(
        "mkfifo fifo; ln fifo 'other name of fifo'
         mknod 'character device' c 1 3; mknod 'block device' b 7 200
         chown -h 1234:2345 *
         setfattr -n user.comment -v text file; setfattr -n user.comment -v text directory
         setfattr -n trusted.own -v text file
         setfacl -m u:4321:r file; setfacl -m u:4321:rx,d:g:77:rwx directory
         chattr +Ad file directory
         touch -h -d '1999-12-31 23:59:59.123456789' symlink fifo socket 'character device' 'block device' directory
         touch -d '2038-02-01 00:00:00.987654321' file",
        root,
    );
    for (name, mode) in [
        ("file", 0o6755),
        ("sparse", 0o600),
        ("directory", 0o3771),
        ("fifo", 0o620),
        ("socket", 0o711),
        ("character device", 0o666),
        ("block device", 0o640),
    ] {
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    run(
        "setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 sparse || true; touch -h -d '1999-12-31 23:59:59.123456789' directory",
        root,
    );
}

/// Which aspects of which kinds differ after a restore onto this file system.
fn lost_on(kind: &str, place: &Place) -> Option<BTreeMap<String, Vec<Aspect>>> {
    let at = place.folder(kind);
    let mount = match kind {
        "tmpfs" => Mount::tmpfs(&at, 200),
        _ => Mount::image(&at, &place.path(format!("{kind}.image")), 320, kind, "noatime"),
    };
    let mount = match mount {
        Ok(mount) => mount,
        Err(reason) => {
            skip(reason);
            return None;
        }
    };
    let part = format!("latest:{}", place.path("src").display());
    let target = at.join("out");
    let said =
        place.run(["restore", &part, "--target", target.to_str().unwrap(), "--verify", "--json"]);
    let report = said.json();
    let mut lost: BTreeMap<String, Vec<Aspect>> = BTreeMap::new();
    for difference in differences(&place.path("src"), &target).unwrap() {
        let path = String::from_utf8(difference.path.clone()).unwrap();
        let kind = path.trim_start_matches("other name of ").to_owned();
        lost.entry(kind).or_default().push(difference.aspect);
    }
    // What is lost is told.
    let told = report["problems"]["count"].as_u64().unwrap() > 0;
    assert_eq!(told, !lost.is_empty(), "{kind}: {lost:?}: {report:#}");
    drop(mount);
    Some(lost)
}

#[test]
fn the_matrix_is_as_documented() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can make devices and mount file systems");
    }
    let place = Place::new().keyed(&[]);
    build(&place.folder("src"));
    thread::sleep(Duration::from_millis(60));
    place.ok(["backup", "src"]);
    let mut columns = Vec::new();
    for kind in TARGETS {
        let Some(lost) = lost_on(kind, &place) else { return };
        columns.push(lost);
    }
    let mut table = String::from(
        "# What comes back, and where\n\n\
         One of each kind of file, with all that it can have, is backed up from ext4 and restored by root onto each of \
         these file systems. *yes* is the same to the byte and the nanosecond; *no* is lost, and the restore says so and \
         ends with 3. This table is made by the test that restores them (`tests/tests/it/fidelity.rs`).\n\n| kind | what | ",
    );
    table.push_str(&TARGETS.join(" | "));
    table.push_str(" |\n|---|---|");
    table.push_str(&"---|".repeat(TARGETS.len()));
    table.push('\n');
    for (kind, aspects) in KINDS {
        for aspect in aspects {
            write!(table, "| {kind} | {} |", name(*aspect)).unwrap();
            for lost in &columns {
                let is_lost = lost.get(kind).is_some_and(|lost| {
                    lost.contains(aspect)
                        || lost.contains(&Aspect::Presence)
                        || lost.contains(&Aspect::Kind)
                });
                table.push_str(if is_lost { " no |" } else { " yes |" });
            }
            table.push('\n');
        }
    }
    #[expect(clippy::disallowed_methods, reason = "a switch of the test, not of the product")]
    let writes = std::env::var_os(WRITE).is_some();
    if writes {
        fs::write(DOCUMENT, &table).unwrap();
    }
    let documented = fs::read_to_string(DOCUMENT).unwrap_or_default();
    assert!(
        documented == table,
        "docs/fidelity.md is not what is true: run this test with {WRITE}=1\n{table}"
    );
}

fn name(aspect: Aspect) -> &'static str {
    match aspect {
        Aspect::Presence => "presence",
        Aspect::Kind => "kind",
        Aspect::Mode => "mode, with set-id and sticky bits",
        Aspect::Owner => "owner and group",
        Aspect::Mtime => "time of the last change",
        Aspect::Size => "length",
        Aspect::Content => "content",
        Aspect::Holes => "holes",
        Aspect::Target => "target",
        Aspect::Device => "number",
        Aspect::Xattrs => "extended attributes and access control lists",
        Aspect::Flags => "file flags",
        Aspect::Links => "hard links",
    }
}

#[test]
fn what_a_target_cannot_hold_is_told_once_for_all_files() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can mount file systems");
    }
    let place = Place::new().keyed(&[]);
    for number in 0..5 {
        place.file(format!("src/{number}"), noise(number, 5000));
    }
    run("setfattr -n user.comment -v text *; chattr +A *", &place.path("src"));
    thread::sleep(Duration::from_millis(60));
    place.ok(["backup", "src"]);
    // A file system of few talents.
    let at = place.folder("poor");
    let mount = match Mount::ramfs(&at) {
        Ok(mount) => mount,
        Err(reason) => return skip(reason),
    };
    let part = format!("latest:{}", place.path("src").display());
    let target = at.join("out");
    let report = place.json_with(3, ["restore", &part, "--target", target.to_str().unwrap()]);
    let losses = report["losses"].as_array().unwrap();
    let told: BTreeMap<&str, u64> = losses
        .iter()
        .map(|loss| (loss["operation"].as_str().unwrap(), loss["files"].as_u64().unwrap()))
        .collect();
    let wanted = [("set extended attribute of", 5), ("set file flags of", 5)];
    assert_eq!(told, BTreeMap::from(wanted), "{report:#}");
    assert_eq!(report["problems"]["count"], 2, "{report:#}");
    assert_eq!(report["files"], 5, "{report:#}");
    drop(mount);
}
