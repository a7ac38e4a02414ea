//! A virtual machine with the real `lifeboat` in it: a kernel of its own to pull the plug of.
//!
//! Knows how it is booted, spoken to over its serial line, and killed; not what runs in it. It is
//! emulated, so what happens in it takes about ten times as long.
#![expect(clippy::print_stdout, reason = "what the machine said is all that is left of it")]

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::binary;

/// The variable by which `cargo xtask deep` says where the machine's chroot is.
const VARIABLE: &str = "LIFEBOAT_TEST_MACHINE";

/// What machines are made from: a chroot with an emulator, a kernel and a RAM disk, and in it a
/// folder for the disks of this value's machines.
#[derive(Debug)]
pub struct Machine {
    chroot: PathBuf,
    disks: TempDir,
}

impl Machine {
    /// The one that `cargo xtask deep` made.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "cargo xtask deep tells in this variable")]
    pub fn of_environment() -> Self {
        let Some(chroot) = std::env::var_os(VARIABLE) else {
            panic!("{VARIABLE} is not set; run this by `cargo xtask deep`");
        };
        let chroot = PathBuf::from(chroot);
        let disks = tempfile::tempdir_in(chroot.join("tmp"));
        let disks = disks.unwrap_or_else(|error| panic!("{}: {error}", chroot.display()));
        Self { chroot, disks }
    }

    /// The chroot's folder.
    #[must_use]
    pub fn chroot(&self) -> &Path {
        &self.chroot
    }

    /// Makes an empty disk of `mebibytes` with an ext4 file system, and gives its path.
    #[must_use]
    pub fn disk(&self, name: &str, mebibytes: u32) -> PathBuf {
        let path = self.disks.path().join(name);
        format(&path, mebibytes, None);
        path
    }

    /// Boots a machine that runs `script` in its shell and then switches itself off. `disk` is its
    /// `/dev/vdb`. Files named in `tools` are in its folder `/tools`.
    #[must_use]
    pub fn boot(&self, script: &str, disk: Option<&Path>, tools: &[(&str, &[u8])]) -> Guest {
        let tools = self.tools(script, tools);
        let inside = |path: &Path| {
            let path = path.strip_prefix(&self.chroot).unwrap_or(path);
            format!("file=/{},format=raw,if=virtio,cache=writeback", path.display())
        };
        let mut qemu = Command::new("setpriv");
        // Should this process be killed, the machine goes with it.
        qemu.args(["--pdeathsig", "KILL", "chroot"]).arg(&self.chroot);
        qemu.args(["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max"]);
        qemu.args(["-smp", "1", "-m", "1024", "-nographic", "-no-reboot"]);
        qemu.args(["-kernel", "/vmlinuz", "-initrd", "/initrd.gz"]);
        qemu.args(["-append", "console=ttyS0 edd=off quiet panic=-1 no_timer_check"]);
        qemu.args(["-nic", "user,model=virtio-net-pci", "-drive", &inside(&tools)]);
        if let Some(disk) = disk {
            qemu.args(["-drive", &inside(disk)]);
        }
        Guest::start(&mut qemu)
    }

    /// The disk with the programs, their libraries and the script.
    fn tools(&self, script: &str, files: &[(&str, &[u8])]) -> PathBuf {
        let folder = self.disks.path().join("tools");
        let (bin, lib) = (folder.join("bin"), folder.join("lib"));
        for path in [&bin, &lib] {
            fs::create_dir_all(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        let lifeboat = bin.join("lifeboat");
        if !lifeboat.exists() {
            run(Command::new("strip").arg("-o").arg(&lifeboat).arg(binary()));
            libraries(Command::new("ldd").arg(&lifeboat), Path::new("/"), &lib);
            let tc = self.chroot.join("sbin/tc");
            run(Command::new("cp").arg(tc).arg(bin.join("tc")));
            let mut needs = Command::new("chroot");
            libraries(needs.arg(&self.chroot).args(["ldd", "/sbin/tc"]), &self.chroot, &lib);
        }
        for (name, content) in files.iter().chain(&[("run", script.as_bytes())]) {
            let path = folder.join(name);
            fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        let disk = self.disks.path().join("tools.img");
        format(&disk, 160, Some(&folder));
        disk
    }
}

/// Copies the libraries that `ldd` names, unless there is one of that name, below `root`.
fn libraries(ldd: &mut Command, root: &Path, to: &Path) {
    let output = run(ldd);
    let paths = output.split_whitespace().filter(|word| word.starts_with('/'));
    for path in paths {
        let from = root.join(path.trim_start_matches('/'));
        if let Some(name) = from.file_name()
            && !to.join(name).exists()
        {
            run(Command::new("cp").arg("-L").arg(&from).arg(to.join(name)));
        }
    }
}

/// Makes the file `path` a disk of `mebibytes`, holding what is in `folder`.
fn format(path: &Path, mebibytes: u32, folder: Option<&Path>) {
    let mut mkfs = Command::new("mkfs.ext4");
    mkfs.args(["-q", "-F"]);
    if let Some(folder) = folder {
        mkfs.arg("-d").arg(folder);
    }
    let made = fs::File::create(path).and_then(|file| file.set_len(u64::from(mebibytes) << 20));
    made.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    run(mkfs.arg(path));
}

/// Runs a command that must succeed, and gives what it printed.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("run {command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}, {said}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A running machine; it loses its power when the value is dropped.
#[derive(Debug)]
pub struct Guest {
    qemu: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Guest {
    fn start(qemu: &mut Command) -> Self {
        let child = qemu.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("run {qemu:?}: {error}"));
        let (sender, lines) = mpsc::channel();
        let streams: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|stream| Box::new(stream) as _),
            child.stderr.take().map(|stream| Box::new(stream) as _),
        ];
        for stream in streams.into_iter().flatten() {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                    let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                    // Whoever stopped listening has all that he wanted.
                    drop(sender.send(line));
                }
            });
        }
        Self { qemu: child, lines, said: Vec::new() }
    }

    /// Waits at most `patience` for a line that begins with `start`, and gives the rest of it.
    #[track_caller]
    pub fn wait_for(&mut self, start: &str, patience: Duration) -> String {
        let until = Instant::now() + patience;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    println!("machine: {line}");
                    let rest = line.strip_prefix(start).map(str::to_owned);
                    self.said.push(line);
                    if let Some(rest) = rest {
                        return rest.trim().to_owned();
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("the machine did not say {start:?}"),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("the machine ended without {start:?}")
                }
            }
        }
    }

    /// Pulls the plug: what only its memory held is gone. Gives all lines that it said.
    #[must_use]
    pub fn cut_power(mut self) -> Vec<String> {
        self.kill();
        self.rest()
    }

    /// Waits at most `patience` until it has switched itself off, and gives all lines that it said.
    #[must_use]
    #[track_caller]
    pub fn finish(mut self, patience: Duration) -> Vec<String> {
        let code = self.wait_for("MACHINE done", patience);
        assert_eq!(code, "0", "the script's exit code; it said {:#?}", self.said);
        self.rest()
    }

    fn rest(&mut self) -> Vec<String> {
        self.said.extend(self.lines.iter().inspect(|line| println!("machine: {line}")));
        std::mem::take(&mut self.said)
    }

    fn kill(&mut self) {
        // An error means that it has ended already.
        drop(self.qemu.kill());
        drop(self.qemu.wait());
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.kill();
    }
}
