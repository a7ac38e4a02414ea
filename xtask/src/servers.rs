//! Real servers on loopback: what `setup` installs, and what runs while the tests run.
//!
//! Knows how each program is installed, started and asked whether it is ready; not what the tests
//! do with it. They find a server by its variable, and [`REQUIRED`] names those that must be there.
//! Nothing that was started here survives this process, however it ends.

mod azurite;
mod ceph;
mod guard;
mod moto;

use std::{
    net::TcpListener,
    path::PathBuf,
    process::Command,
    sync::mpsc::{self, Receiver},
    thread::JoinHandle,
    time::Instant,
};

use anyhow::{Context, Result, anyhow, bail};

use self::guard::Guard;
use crate::step::{root, run, step};

/// Names the servers, with commas between them, without which a test may not be skipped.
const REQUIRED: &str = "LIFEBOAT_TEST_SERVERS";

/// A command to run beside the servers.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The command, after `--`
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Starts the servers, runs a command that finds them in its environment, and stops them.
pub(crate) fn with_servers(options: &Options) -> Result<()> {
    let servers = Starting::begin().wait()?;
    let (program, arguments) = options.command.split_first().context("no command")?;
    let mut command = Command::new(program);
    command.args(arguments);
    servers.tell(&mut command);
    run(&mut command)
}

/// Installs what is missing. Ceph needs root and a Debian mirror; it is skipped without.
pub(crate) fn install() -> Result<()> {
    std::thread::scope(|scope| {
        // It takes longest and waits for the network, as the others do.
        let ceph = scope.spawn(ceph::install);
        step("setup: moto", moto::install)?;
        step("setup: Azurite", azurite::install)?;
        step("setup: Ceph", || {
            let installed = ceph.join().map_err(|_panic| anyhow!("installing Ceph failed"))?;
            if let Err(reason) = installed {
                println!("SKIPPED: tests against Ceph, since {reason:#}");
            }
            Ok(())
        })
    })
}

/// Where what belongs to `server` is: in the build folder.
pub(crate) fn folder(server: &str) -> PathBuf {
    root().join("target/servers").join(server)
}

/// A server that runs, and what tells the tests where.
#[derive(Debug)]
struct Running {
    name: &'static str,
    variables: Vec<(&'static str, String)>,
    /// Stops it when dropped.
    _guard: Guard,
}

/// Servers that were started and may not be ready yet.
///
/// Dropping it stops them.
#[derive(Debug)]
pub(crate) struct Starting {
    answers: Receiver<Result<Running>>,
    threads: Vec<JoinHandle<()>>,
}

impl Starting {
    /// Starts all that are installed, and comes back at once.
    pub(crate) fn begin() -> Self {
        let (sender, answers) = mpsc::channel();
        let mut starts: Vec<fn() -> Result<Running>> = vec![moto::start, azurite::start];
        match ceph::missing() {
            None => starts.push(ceph::start),
            Some(reason) => println!("SKIPPED: tests against Ceph, since {reason}"),
        }
        let start = |start: fn() -> Result<Running>| {
            let sender = sender.clone();
            // If nobody listens any more the answer comes back and stops its server.
            std::thread::spawn(move || drop(sender.send(start())))
        };
        Self { answers, threads: starts.into_iter().map(start).collect() }
    }

    /// Waits until each answers; if one does not, all are stopped.
    pub(crate) fn wait(self) -> Result<Servers> {
        step("servers", || {
            let expected = self.threads.len();
            let mut running = Vec::new();
            for answer in self.answers.iter().take(expected) {
                running.push(answer?);
            }
            if running.len() < expected {
                bail!("a server could not be started");
            }
            Ok(Servers { running })
        })
    }
}

/// Servers that answer; dropping them stops them.
#[derive(Debug)]
pub(crate) struct Servers {
    running: Vec<Running>,
}

impl Servers {
    /// Tells `command` where they are, and that its tests may not do without them.
    pub(crate) fn tell(&self, command: &mut Command) {
        let names: Vec<&str> = self.running.iter().map(|server| server.name).collect();
        command.env(REQUIRED, names.join(","));
        for (name, place) in self.running.iter().flat_map(|server| &server.variables) {
            command.env(name, place);
        }
    }
}

/// Ports of loopback that nobody uses at the moment.
fn free_ports<const N: usize>() -> Result<[u16; N]> {
    // All are held until the last is found, so that they differ.
    let held: Vec<TcpListener> = (0..N)
        .map(|_| TcpListener::bind(("127.0.0.1", 0)))
        .collect::<Result<_, _>>()
        .context("look for a free port")?;
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&held) {
        *port = listener.local_addr().context("look for a free port")?.port();
    }
    Ok(ports)
}

/// Says how long `name` took to answer.
fn ready(name: &str, since: Instant) {
    println!("== {name}: ready after {:.1} s", since.elapsed().as_secs_f64());
}
