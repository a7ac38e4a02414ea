//! Restores that are killed over a link with faults: the same command goes on, and fetches little again.

use std::{
    os::unix::fs::PermissionsExt as _,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use e2e::{Place, noise};
use lifeboat_testkit::{
    proxy::{Proxy, ProxyOptions},
    same_tree::assert_same_tree,
    server::{Operation, Request, S3Options, S3Server},
};

use super::{restored, s3_place, s3_variables};

const KILLS: u64 = 10;
/// Half of it in one file.
const LARGE_BYTES: usize = 80 << 20;
const MEBIBYTES: u64 = 160;
/// A whole restore takes some seconds at this rate, on any machine.
const RATE: u64 = 40 << 20;
const ROUND_TRIP: Duration = Duration::from_millis(10);
/// What a killed run may have fetched in vain: with these 96 MiB of memory 24 MiB are on their way at most, and the
/// kernel and the proxy hold some more.
const MEMORY: &str = "96MiB";
const AGAIN_MAX: u64 = 40 << 20;

fn start(place: &Place) -> Child {
    let mut command = place.lifeboat();
    command.args(["restore", "latest", "--target", "out", "--memory", MEMORY, "--json"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// A large file, many of 2 MiB, and small ones.
fn place_with_much(endpoint: &str) -> Place {
    let place = s3_place(endpoint);
    place.file("src/large", noise(1, LARGE_BYTES));
    for number in 0..MEBIBYTES / 4 {
        place.file(format!("src/{number:03}"), noise(number + 2, 2 << 20));
    }
    for number in 0..500 {
        place.file(format!("src/small/{number:03}"), noise(number + 1000, 3000));
    }
    thread::sleep(Duration::from_millis(60));
    place.ok(["backup", "src"]);
    place
}

#[test]
fn a_restore_that_is_killed_again_and_again_comes_to_its_end() {
    let server = S3Server::start(S3Options::default());
    let place = place_with_much(&server.endpoint());
    let proxy = Proxy::start(server.address(), ProxyOptions::link(RATE, ROUND_TRIP));
    let place = place.with([("AWS_ENDPOINT_URL", proxy.endpoint())]);
    let fetched = || proxy.bytes().1;
    let all = MEBIBYTES << 20;
    for kill in 0..KILLS {
        // Between 5 and 95 % of the transfer, a little further each time.
        let at = all / 20 + kill * (all * 9 / 10) / KILLS;
        let before = fetched();
        let mut child = start(&place);
        let started = Instant::now();
        // What earlier kills cost comes on top.
        while fetched() < at.max(before + (1 << 20)) {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
            assert!(started.elapsed() < Duration::from_secs(60), "it does not come that far");
            thread::sleep(Duration::from_millis(2));
        }
        match kill % 3 {
            0 => proxy.reset(),
            1 => proxy.cut_answer(100_000),
            _ => {}
        }
        thread::sleep(Duration::from_millis(7 * kill));
        child.kill().unwrap();
        child.wait().unwrap();
        // What has not its own mode is marked.
        let large = restored(&place, "out").join("large");
        if let Ok(found) = large.metadata() {
            let mode = found.permissions().mode() & 0o7777;
            assert!(
                mode == 0o1600
                    || mode
                        == place.path("src/large").metadata().unwrap().permissions().mode()
                            & 0o7777
            );
        }
    }
    assert!(place.path("out/.lifeboat-restore").exists());
    let end = start(&place).wait_with_output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&end.stdout).unwrap();
    assert_eq!((end.status.code(), &report["resumed"]), (Some(0), &true.into()), "{report:#}");
    let total = fetched();
    println!("{total} bytes were fetched of {all}, with {KILLS} kills");
    assert!(total <= all + KILLS * AGAIN_MAX + (8 << 20), "{total}");
    assert!(!place.path("out/.lifeboat-restore").exists());
    assert_same_tree(&place.path("src"), &restored(&place, "out"));
    // Nothing is left to do.
    let again = place.json(["restore", "latest", "--target", "out"]);
    assert_eq!((&again["bytes"], &again["resumed"]), (&0.into(), &false.into()), "{again:#}");
}

/// One small file of a large snapshot takes few requests, each of which has its reason.
#[test]
fn one_file_of_many_takes_few_requests() {
    const FILES: u64 = 20_000;
    let server = S3Server::start(S3Options::default());
    let place = Place::new().with(s3_variables(&server.endpoint())).keyed(&[]);
    for number in 0..FILES {
        let text = format!("file {number} ").repeat(10 + usize::try_from(number % 50).unwrap());
        place.file(format!("src/{:03}/{number}", number % 200), text);
    }
    place.file("src/100/wanted", noise(1, 4096));
    thread::sleep(Duration::from_millis(60));
    place.ok(["backup", "src"]);
    server.forget_requests();
    let part = format!("latest:{}", place.path("src/100/wanted").display());
    place.ok(["restore", &part, "--target", "out"]);
    let requests = server.requests();
    let of = |folder: &str, operation: Operation| {
        let is_it =
            |request: &&Request| request.key.contains(folder) && request.operation == operation;
        requests.iter().filter(is_it).count()
    };
    let named: Vec<String> =
        requests.iter().map(|request| format!("{:?} {}", request.operation, request.key)).collect();
    // Opening: the configuration, what there is of keys and log, and one entry.
    assert!(named.len() <= 24, "{}: {named:#?}", named.len());
    assert!(of("/keys/", Operation::Get) == 1 && of("/log/", Operation::Get) <= 2, "{named:#?}");
    // The index: the two ends of its only segment, and two blocks at most for each node and the chunk. Where ids
    // fall decides how many of these are the same.
    assert!(of("/index/", Operation::Get) <= 10, "{named:#?}");
    // The way down the tree, of two levels or three; and the file's one frame.
    assert!(of("/trees/", Operation::Get) <= 4, "{named:#?}");
    assert!(of("/packs/", Operation::Get) <= 2, "{named:#?}");
    assert_eq!(std::fs::read(place.path("out/wanted")).unwrap(), noise(1, 4096));
}
