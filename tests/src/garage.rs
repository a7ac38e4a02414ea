//! A cluster of Garage on loopback, of which nodes can be killed.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{Account, ganesha::free_port};

/// The variable by which `cargo xtask deep` says where the program is.
const VARIABLE: &str = "LIFEBOAT_TEST_GARAGE";

const KEY: &str = "GK0123456789abcdef01234567";
const SECRET: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// The name of the only bucket.
pub const GARAGE_BUCKET: &str = "backups";

/// Running nodes, each with a copy of every object; they end with this value.
#[derive(Debug)]
pub struct Garage {
    program: PathBuf,
    folder: TempDir,
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    config: PathBuf,
    s3: u16,
    server: Child,
}

impl Garage {
    /// Starts `count` nodes that know each other, with the bucket [`GARAGE_BUCKET`].
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "cargo xtask deep tells in this variable")]
    pub fn start(count: usize) -> Self {
        let Some(program) = std::env::var_os(VARIABLE) else {
            panic!("{VARIABLE} is not set; run this by `cargo xtask deep`");
        };
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("a folder: {error}"));
        let program = PathBuf::from(program);
        let start = |number| Node::start(&program, folder.path(), number, count);
        let nodes = (0..count).map(start).collect();
        let cluster = Self { program, folder, nodes };
        cluster.lay_out();
        cluster
    }

    /// Tells the nodes of each other, and makes the key and the bucket.
    fn lay_out(&self) {
        let ids: Vec<String> =
            self.nodes.iter().map(|node| self.ask(node, &["node", "id", "-q"])).collect();
        let first = &self.nodes[0];
        for id in &ids[1..] {
            self.ask(first, &["node", "connect", id.trim()]);
        }
        for (number, id) in ids.iter().enumerate() {
            let id = id.split('@').next().unwrap_or_default();
            self.ask(first, &["layout", "assign", "-z", &format!("z{number}"), "-c", "1G", id]);
        }
        self.ask(first, &["layout", "apply", "--version", "1"]);
        self.ask(first, &["key", "import", "--yes", "-n", "tests", KEY, SECRET]);
        self.ask(first, &["bucket", "create", GARAGE_BUCKET]);
        let allow = ["bucket", "allow", "--read", "--write", "--owner", GARAGE_BUCKET];
        self.ask(first, &[&allow[..], &["--key", "tests"]].concat());
    }

    /// Asks a node on the command line, again until it can answer: it waits for the others first.
    fn ask(&self, node: &Node, arguments: &[&str]) -> String {
        let started = Instant::now();
        loop {
            let mut command = Command::new(&self.program);
            let command = command.arg("-c").arg(&node.config).args(arguments);
            let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
            if output.status.success() {
                return String::from_utf8_lossy(&output.stdout).into_owned();
            }
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(started.elapsed() < Duration::from_secs(60), "{command:?}: {said}");
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// `kill -9` of a node.
    pub fn kill(&mut self, number: usize) {
        let server = &mut self.nodes[number].server;
        server.kill().unwrap_or_else(|error| panic!("kill node {number}: {error}"));
        server.wait().unwrap_or_else(|error| panic!("wait for node {number}: {error}"));
    }

    /// Starts a killed node again, and waits until the first one has found it.
    pub fn restart(&mut self, number: usize) {
        let (program, folder) = (self.program.clone(), self.folder.path().to_owned());
        let node = &mut self.nodes[number];
        node.server = run(&program, &folder, &node.config, node.s3);
        let id = self.ask(&self.nodes[number], &["node", "id", "-q"]);
        let first = &self.nodes[0];
        let started = Instant::now();
        while self.ask(first, &["status"]).contains("FAILED NODES") {
            assert!(started.elapsed() < Duration::from_secs(60), "node {number} is not found");
            self.ask(first, &["node", "connect", id.trim()]);
            thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Account for Garage {
    fn variables(&self) -> Vec<(String, String)> {
        let endpoint = format!("http://127.0.0.1:{}", self.nodes[0].s3);
        let variables = [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "garage"),
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
        ];
        variables.map(|(name, value)| (name.into(), value.into())).into()
    }
}

impl Drop for Garage {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            // An error means that it has ended already.
            drop(node.server.kill());
            drop(node.server.wait());
        }
    }
}

impl Node {
    fn start(program: &Path, folder: &Path, number: usize, copies: usize) -> Self {
        let (s3, rpc, admin) = (free_port(), free_port(), free_port());
        let own = folder.join(number.to_string());
        let config = folder.join(format!("{number}.toml"));
        let text = format!(
            "metadata_dir = \"{own}/meta\"
            data_dir = \"{own}/data\"
            db_engine = \"sqlite\"
            replication_factor = {copies}
            rpc_bind_addr = \"127.0.0.1:{rpc}\"
            rpc_public_addr = \"127.0.0.1:{rpc}\"
            rpc_secret = \"{SECRET}\"
            [s3_api]
            s3_region = \"garage\"
            api_bind_addr = \"127.0.0.1:{s3}\"
            [admin]
            api_bind_addr = \"127.0.0.1:{admin}\"
            ",
            own = own.display(),
        );
        let written = fs::create_dir_all(&own).and_then(|()| fs::write(&config, text));
        written.unwrap_or_else(|error| panic!("{}: {error}", config.display()));
        let server = run(program, folder, &config, s3);
        Self { config, s3, server }
    }
}

fn run(program: &Path, folder: &Path, config: &Path, port: u16) -> Child {
    let log = fs::File::options().create(true).append(true).open(folder.join("log"));
    let log = log.unwrap_or_else(|error| panic!("Garage's log: {error}"));
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(program).arg("-c").arg(config).arg("server");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let mut server = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let started = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let ended = server.try_wait().ok().flatten();
        assert!(ended.is_none(), "Garage ended: {ended:?}");
        assert!(started.elapsed() < Duration::from_secs(60), "Garage does not listen");
        thread::sleep(Duration::from_millis(50));
    }
    server
}
