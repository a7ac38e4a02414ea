//! An NFS server on loopback, to be killed and started again.

use std::{
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::Machine;

/// A running nfs-ganesha, which lives in the machines' chroot and exports the file system of a disk
/// as `/exp`.
#[derive(Debug)]
pub struct Ganesha {
    command: Command,
    port: u16,
    server: Child,
}

impl Ganesha {
    /// Exports `disk`, one that `machine` made; needs root and loop devices.
    #[must_use]
    pub fn start(machine: &Machine, disk: &Path) -> Self {
        let port = free_port();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../xtask/servers/ganesha-up.sh");
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "unshare", "--mount", "sh"]);
        command.args([script, PathBuf::from(machine.chroot()), disk.to_owned()]);
        command.arg(port.to_string()).stdin(Stdio::null());
        let server = run(&mut command, port);
        Self { command, port, server }
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `kill -9`: what it had not told its file system is gone.
    pub fn kill(&mut self) {
        self.server.kill().unwrap_or_else(|error| panic!("kill ganesha: {error}"));
        self.server.wait().unwrap_or_else(|error| panic!("wait for ganesha: {error}"));
    }

    /// Starts it again on the same port, after [`Ganesha::kill`].
    pub fn restart(&mut self) {
        self.server = run(&mut self.command, self.port);
    }
}

impl Drop for Ganesha {
    fn drop(&mut self) {
        // An error means that it has ended already.
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

fn run(command: &mut Command, port: u16) -> Child {
    let mut server = command.spawn().unwrap_or_else(|error| panic!("run {command:?}: {error}"));
    let started = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let ended = server.try_wait().ok().flatten();
        assert!(ended.is_none(), "ganesha ended: {ended:?}");
        assert!(started.elapsed() < Duration::from_secs(60), "ganesha does not listen");
        thread::sleep(Duration::from_millis(50));
    }
    server
}

/// A port of loopback that nobody uses at the moment.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0));
    let address = listener.and_then(|listener| listener.local_addr());
    address.unwrap_or_else(|error| panic!("look for a free port: {error}")).port()
}
