//! A link with delay and loss, made by the kernel in a virtual machine, between the real binary and
//! an S3 server on the host.

use std::time::Duration;

use e2e::Machine;
use lifeboat_testkit::server::{Operation, S3Options, S3Server};

/// Ample for what an emulated machine does behind a bad link.
const PATIENCE: Duration = Duration::from_secs(580);

#[test]
#[ignore = "run by `cargo xtask deep netem`"]
fn the_main_job_over_a_link_with_delay_and_loss() {
    let machine = Machine::of_environment();
    let server = S3Server::start(S3Options::default());
    let port = server.address().port();
    let script = format!(
        "modprobe sch_netem
        /tools/bin/tc qdisc add dev eth0 root netem delay 50ms 10ms loss 1% || exit
        ping -c 3 -q 10.0.2.2
        export AWS_ENDPOINT_URL=http://10.0.2.2:{port} AWS_ALLOW_HTTP=true AWS_REGION=us-east-1
        export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
        export LIFEBOAT_REPO=s3://{bucket}/repo LIFEBOAT_KEY_FILE=/tmp/key
        mkdir -p /tmp/src/dir
        for i in $(seq 30); do
            dd if=/dev/urandom of=/tmp/src/dir/$i bs=100k count=$((i % 10 + 1)) 2>/dev/null
        done
        lifeboat init --pack-size 1MiB --quiet || exit
        start=$(cut -d ' ' -f 1 /proc/uptime)
        lifeboat backup /tmp/src --quiet || exit
        echo \"FIRST from $start to $(cut -d ' ' -f 1 /proc/uptime) s\"
        echo changed >/tmp/src/dir/7
        lifeboat backup /tmp/src --quiet || exit
        start=$(cut -d ' ' -f 1 /proc/uptime)
        lifeboat restore latest --target /tmp/out --quiet || exit
        echo \"RESTORE from $start to $(cut -d ' ' -f 1 /proc/uptime) s\"
        diff -r /tmp/src /tmp/out/tmp/src || exit
        lifeboat check --read-data || exit
        /tools/bin/tc -s qdisc show dev eth0",
        bucket = server.bucket(),
    );
    let lines = machine.boot(&script, None, &[]).finish(PATIENCE);
    // The kernel did lose some of what it was given to send.
    let sent = lines.iter().find(|line| line.trim().starts_with("Sent ")).unwrap();
    println!(
        "{sent}; {} puts, {} gets",
        server.count(Operation::Put),
        server.count(Operation::Get)
    );
    assert!(!sent.contains("(dropped 0,"), "{sent}");
}
