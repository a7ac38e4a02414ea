//! Real file systems of a few MiB, mounted for the test: full ones, read-only ones, and some that
//! sync in other ways. Needs root, and says so where it can't mount.

use std::process::Command;

use lifeboat_testkit::skip::skip;

use super::*;
use crate::conformance;

struct Mount(TempDir);

impl Mount {
    fn tmpfs(mebibytes: u32) -> Option<Self> {
        let size = format!("size={mebibytes}m");
        Self::new(&["-t", "tmpfs", "-o", &size, "tmpfs"])
    }

    /// A file system in a file, made by `mkfs` and its arguments, mounted with `options`.
    fn image(dir: &Path, mebibytes: u64, mkfs: &[&str], options: &str) -> Option<Self> {
        let image = dir.join("image");
        fs::File::create(&image).unwrap().set_len(mebibytes << 20).unwrap();
        let made = Command::new(mkfs[0])
            .args(&mkfs[1..])
            .arg(&image)
            .output()
            .is_ok_and(|output| output.status.success());
        if !made {
            skip(format_args!("{mkfs:?} does not work here"));
            return None;
        }
        Self::new(&["-o", options, image.to_str().unwrap()])
    }

    fn new(arguments: &[&str]) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = rustix::process::geteuid().is_root()
            && Command::new("mount")
                .args(arguments)
                .arg(dir.path())
                .output()
                .is_ok_and(|output| output.status.success());
        if !mounted {
            skip(format_args!("mount {arguments:?} does not work here (needs root)"));
        }
        mounted.then(|| Self(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn remount(&self, options: &str) {
        let mut mount = Command::new("mount");
        assert!(mount.args(["-o", options]).arg(self.path()).status().unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: what the test still holds open goes away with it.
        let done = Command::new("umount").arg("--lazy").arg(self.path()).status();
        assert!(done.unwrap().success());
    }
}

const EXT4: [&str; 5] = ["/sbin/mkfs.ext4", "-q", "-F", "-m", "0"];

#[tokio::test]
async fn a_full_disk_is_said_so_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    for sync in [SyncMode::Each, SyncMode::Together] {
        for mount in [Mount::tmpfs(4), Mount::image(dir.path(), 4, &EXT4, "loop")] {
            let Some(mount) = mount else { continue };
            let repository = mount.path().join("repo");
            let store = LocalStore::create(&repository).unwrap();
            let store = store.with_options(LocalOptions { sync });
            let error = store.put_soon("packs/x", vec![1; 6 << 20].into()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NoSpace);
            let text = error.to_string();
            let said = text.contains(mount.path().to_str().unwrap()) && text.contains("free some");
            assert!(said, "{text}");
            assert_eq!(keys(&store, "").await, Vec::<String>::new());
            assert_eq!(fs::read_dir(repository.join("tmp")).unwrap().count(), 0);
            // There was no loss: what is small enough goes in.
            store.put_soon("packs/x", vec![1; 1 << 20].into()).await.unwrap();
            store.sync().await.unwrap();
            assert_eq!(store.head("packs/x").await.unwrap().size, 1 << 20);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn file_systems_that_sync_in_other_ways_conform() {
    let journal = "loop,sync,dirsync,data=journal";
    let kinds: [(&str, u64, &[&str], &str); 4] = [
        ("ext2", 96, &["/sbin/mkfs.ext2", "-q", "-F"], "loop"),
        ("ext4, in step", 96, &EXT4, journal),
        ("xfs", 320, &["/sbin/mkfs.xfs", "-q", "-f"], "loop"),
        ("btrfs", 192, &["/sbin/mkfs.btrfs", "-q", "-f"], "loop"),
    ];
    for (name, mebibytes, mkfs, options) in kinds {
        let dir = tempfile::tempdir().unwrap();
        let Some(mount) = Mount::image(dir.path(), mebibytes, mkfs, options) else {
            continue;
        };
        for sync in [SyncMode::Each, SyncMode::Together] {
            let place = mount.path().join(format!("{sync:?}"));
            let store = LocalStore::create(&place).unwrap().with_options(LocalOptions { sync });
            let store: Arc<dyn Store> = Arc::new(store);
            if sync == SyncMode::Together {
                assert_eq!(conformance::run(&store, "probe/").await, Ok(()), "{name}");
            }
            for number in 0..20 {
                let key = format!("packs/{number:02x}/{number}");
                store.put_soon(&key, vec![number; 10_000].into()).await.unwrap();
            }
            store.sync().await.unwrap();
            let listed: Vec<_> = store.list("packs/").await.unwrap().try_collect().await.unwrap();
            assert_eq!(listed.len(), 20, "{name}, {sync:?}");
        }
    }
}

#[tokio::test]
async fn a_read_only_file_system_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mount) = Mount::image(dir.path(), 8, &EXT4, "loop") else { return };
    let place = mount.path().join("repo");
    let store = LocalStore::create(&place).unwrap();
    store.put_new("packs/x", b"1".into()).await.unwrap();
    drop(store);
    mount.remount("remount,ro");
    let store = LocalStore::open(&place).unwrap();
    assert_eq!(store.get("packs/x").await.unwrap(), "1");
    assert_eq!(keys(&store, "").await, ["packs/x"]);
    for put in [store.put_new("y", b"2".into()).await, store.delete("packs/x").await] {
        let error = put.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert!(error.to_string().contains("read-only"), "{error}");
    }
}
