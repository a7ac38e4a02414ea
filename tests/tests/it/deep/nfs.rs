//! A repository on a network mount: the kernel's own NFSv4.2 client, in a virtual machine, against
//! a server that is killed meanwhile.

use std::{fs, process::Command, thread, time::Duration};

use e2e::{Ganesha, Machine};

use crate::remote::broken_promises;

/// Ample for what an emulated machine does in a second or two.
const PATIENCE: Duration = Duration::from_secs(400);

/// Mounts the server's file system and fills a tree to back up.
fn mounted(port: u16) -> String {
    format!(
        "modprobe nfsv4
        mount -t nfs4 -o vers=4.2,addr=10.0.2.2,clientaddr=10.0.2.15,port={port},proto=tcp,hard \
            10.0.2.2:/exp /mnt || exit
        grep ' /mnt nfs4 ' /proc/mounts
        export LIFEBOAT_REPO=nfs:///mnt/repo LIFEBOAT_KEY_FILE=/tmp/key
        same() {{ # source, copy
            (cd \"$1\" && find . -exec stat -c '%n %F %a %Y %u %g' {{}} + | sort) >/tmp/a
            (cd \"$2\" && find . -exec stat -c '%n %F %a %Y %u %g' {{}} + | sort) >/tmp/b
            diff /tmp/a /tmp/b && diff -r \"$1\" \"$2\"
        }}
        fill() {{ # number of files of 256 KiB, name
            for i in $(seq $1); do
                dd if=/dev/urandom of=/tmp/src/$2-$i bs=64k count=4 2>/dev/null
            done
        }}
        mkdir -p /tmp/src/empty && echo text >/tmp/src/text && ln -s text /tmp/src/link
        chmod 640 /tmp/src/text
        lifeboat init --pack-size 1MiB --quiet || exit
        "
    )
}

/// The variable that makes a process of the suite: the URL of the place that is tried.
const CONFORMANCE: &str = "LIFEBOAT_TEST_CONFORMANCE";

/// What runs in the machine, which has this test binary; an ordinary run has nothing to do here.
#[test]
fn conforms_where_it_is_asked_to() {
    #[expect(clippy::disallowed_methods, reason = "the test that starts it tells in this variable")]
    let Ok(url) = std::env::var(CONFORMANCE) else { return };
    let failures = broken_promises(&url, Vec::new(), |_| {});
    println!("CONFORMANCE {} broken: {failures:#?}", failures.len());
    assert!(failures.is_empty());
}

#[test]
#[ignore = "run by `cargo xtask deep nfs`"]
fn a_network_mount_keeps_every_promise() {
    let machine = Machine::of_environment();
    let server = Ganesha::start(&machine, &machine.disk("export.img", 1024));
    let stripped = tempfile::NamedTempFile::new().unwrap();
    let mut strip = Command::new("strip");
    strip.arg("-o").arg(stripped.path()).arg(std::env::current_exe().unwrap());
    assert!(strip.status().unwrap().success());
    let suite = fs::read(stripped.path()).unwrap();
    let script = mounted(server.port())
        + &format!(
            "cp /tools/suite /tmp/suite && chmod +x /tmp/suite
            {CONFORMANCE}=nfs:///mnt/store /tmp/suite --nocapture --exact \
                deep::nfs::conforms_where_it_is_asked_to || exit
            umount /mnt"
        );
    let guest = machine.boot(&script, None, &[("suite", &suite)]);
    let lines = guest.finish(PATIENCE);
    assert!(lines.iter().any(|line| line.contains("CONFORMANCE 0 broken")), "{lines:#?}");
}

#[test]
#[ignore = "run by `cargo xtask deep nfs`"]
fn the_main_job_on_a_network_mount() {
    let machine = Machine::of_environment();
    let server = Ganesha::start(&machine, &machine.disk("export.img", 1024));
    let script = mounted(server.port())
        + "fill 40 first
        lifeboat backup /tmp/src --quiet || exit
        fill 3 second; rm /tmp/src/first-7; echo more >>/tmp/src/text
        lifeboat backup /tmp/src --json || exit
        lifeboat restore latest --target /tmp/out --quiet || exit
        same /tmp/src /tmp/out/tmp/src || exit
        lifeboat check --read-data || exit
        ls /mnt/repo
        umount /mnt";
    let lines = machine.boot(&script, None, &[]).finish(PATIENCE);
    assert!(lines.iter().any(|line| line.contains("nfs4 rw") && line.contains("vers=4.2")));
}

#[test]
#[ignore = "run by `cargo xtask deep nfs`"]
fn a_server_that_is_killed_during_backups_loses_nothing() {
    const ROUNDS: u32 = 4;
    let machine = Machine::of_environment();
    let disk = machine.disk("export.img", 1024);
    let mut server = Ganesha::start(&machine, &disk);
    let script = mounted(server.port())
        + &format!(
            "rm /tmp/src/link # whose time this cp would not copy
            for n in $(seq {ROUNDS}); do
                fill 32 round-$n
                echo \"BEGIN $n\"
                lifeboat backup /tmp/src --tag n$n --quiet --limit-upload 2M || exit
                cp -a /tmp/src /tmp/copy-$n
                rm -f /tmp/src/round-$n-1*
                echo \"COMMITTED $n\"
            done
            lifeboat check --read-data || exit
            for n in $(seq {ROUNDS}); do
                lifeboat restore latest --tag n$n --target /tmp/out --quiet || exit
                same /tmp/copy-$n /tmp/out/tmp/src || exit
                echo \"SAME $n\"
                rm -r /tmp/out
            done
            umount /mnt"
        );
    let mut guest = machine.boot(&script, None, &[]);
    for round in 1..=ROUNDS {
        guest.wait_for(&format!("BEGIN {round}"), PATIENCE);
        // While packs are on their way: with that limit they take four seconds.
        thread::sleep(Duration::from_millis(500 + 400 * u64::from(round)));
        server.kill();
        thread::sleep(Duration::from_secs(2));
        server.restart();
        guest.wait_for(&format!("COMMITTED {round}"), PATIENCE);
    }
    let lines = guest.finish(PATIENCE);
    let same = lines.iter().filter(|line| line.starts_with("SAME ")).count();
    println!("{same} snapshots restored after {ROUNDS} kills of the server");
    assert_eq!(same, ROUNDS as usize);
}
