//! A TCP proxy that is a slow, long or broken link.
//!
//! A link has two lanes, each with a rate that all connections share and a delay that each byte takes:
//! what is on its way does not keep others from setting out. Must not know what is said; it only tells
//! one request of a connection from the next by who speaks (HTTP/1 without pipelining).
//!
//! It runs on a thread of its own and stops when it is dropped.

mod lane;
mod pump;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

use lane::Lane;

/// What one direction of a link is like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneOptions {
    /// How long a byte is on its way.
    pub delay: Duration,
    /// How many bytes a second set out, of all connections together; `None` for any number.
    pub bytes_per_second: Option<u64>,
}

/// What a link is like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProxyOptions {
    /// From the client to the server.
    pub up: LaneOptions,
    /// From the server to the client.
    pub down: LaneOptions,
}

impl ProxyOptions {
    /// A link of this rate each way, half of the round trip long.
    pub fn link(bytes_per_second: u64, round_trip: Duration) -> Self {
        let lane = LaneOptions { delay: round_trip / 2, bytes_per_second: Some(bytes_per_second) };
        Self { up: lane, down: lane }
    }
}

/// A proxy that runs.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    link: Arc<Link>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

/// All that the connections of a proxy have in common.
#[derive(Debug)]
struct Link {
    lanes: [Mutex<Lane>; 2],
    bytes: [AtomicU64; 2],
    frozen: watch::Sender<bool>,
    /// Counts the resets: whoever sees it change ends.
    resets: watch::Sender<u64>,
    refuses: AtomicBool,
    connections: AtomicU64,
    orders: Mutex<Orders>,
}

/// What is to be done to single answers.
#[derive(Debug, Default)]
struct Orders {
    /// Requests begun so far.
    requests: u64,
    /// The number of the request whose answer is swallowed.
    swallow: Option<u64>,
    /// After how many bytes the next answer ends.
    cut: Option<u64>,
}

impl Proxy {
    /// Starts a proxy to `upstream`, on any free port of the loopback.
    ///
    /// # Panics
    /// When the system refuses it a port or a thread: a test can't go on without.
    pub fn start(upstream: SocketAddr, options: ProxyOptions) -> Self {
        Self::try_start(upstream, options).expect("there is a free port and a thread")
    }

    fn try_start(upstream: SocketAddr, options: ProxyOptions) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let link = Arc::new(Link::new(options));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(&link);
        let thread =
            std::thread::Builder::new().name("test-proxy".to_owned()).spawn(move || {
                runtime.block_on(async {
                    let listener = TcpListener::from_std(listener)
                        .expect("the runtime takes a listener that does not block");
                    tokio::select! {
                        () = accept(listener, upstream, shared) => {}
                        _ = stopped => {}
                    }
                });
            })?;
        Ok(Self { address, link, stop: Some(stop), thread: Some(thread) })
    }

    /// The address that clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as the endpoint of a server: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes the link another one from now on; what is on its way arrives as before.
    pub fn set(&self, options: ProxyOptions) {
        self.link.lane(Way::Up).set(options.up);
        self.link.lane(Way::Down).set(options.down);
    }

    /// Forwards nothing any more, both ways, and keeps all connections: a half-open link.
    pub fn freeze(&self) {
        self.link.frozen.send_replace(true);
    }

    /// Forwards again.
    pub fn thaw(&self) {
        self.link.frozen.send_replace(false);
    }

    /// Resets all connections that there are.
    pub fn reset(&self) {
        self.link.resets.send_modify(|resets| *resets += 1);
    }

    /// Whether new connections are reset at once from now on.
    pub fn refuse(&self, refuses: bool) {
        self.link.refuses.store(refuses, Ordering::Release);
    }

    /// Lets the server do the `number`th request from now (from 1), and resets its connection when the
    /// answer comes.
    pub fn swallow_answer(&self, number: u64) {
        let mut orders = self.link.orders();
        orders.swallow = Some(orders.requests + number);
    }

    /// Ends the next answer, and its connection, after so many bytes, of which the first are those of
    /// its headers.
    pub fn cut_answer(&self, bytes: u64) {
        self.link.orders().cut = Some(bytes);
    }

    /// How many bytes went up and down so far.
    pub fn bytes(&self) -> (u64, u64) {
        let read = |way: Way| self.link.bytes[way as usize].load(Ordering::Relaxed);
        (read(Way::Up), read(Way::Down))
    }

    /// How many requests have begun so far.
    pub fn requests(&self) -> u64 {
        self.link.orders().requests
    }

    /// How many connections there were so far.
    pub fn connections(&self) -> u64 {
        self.link.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It is enough that the sender goes.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has broken its connections already, and this may be a panic's unwinding.
            drop(thread.join());
        }
    }
}

impl Link {
    fn new(options: ProxyOptions) -> Self {
        Self {
            lanes: [options.up, options.down].map(|options| Mutex::new(Lane::new(options))),
            bytes: Default::default(),
            frozen: watch::Sender::new(false),
            resets: watch::Sender::new(0),
            refuses: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            orders: Mutex::default(),
        }
    }

    fn lane(&self, way: Way) -> MutexGuard<'_, Lane> {
        self.lanes[way as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, way: Way, bytes: u64) {
        self.bytes[way as usize].fetch_add(bytes, Ordering::Relaxed);
    }

    /// Returns when the link is not frozen.
    async fn thawed(&self) {
        let mut frozen = self.frozen.subscribe();
        // The sender is this value's own.
        let _thawed = frozen.wait_for(|frozen| !frozen).await;
    }

    /// How long a packet takes there and back.
    fn round_trip(&self) -> Duration {
        self.lane(Way::Up).delay() + self.lane(Way::Down).delay()
    }
}

async fn accept(listener: TcpListener, upstream: SocketAddr, link: Arc<Link>) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => drop(tokio::spawn(connection(client, upstream, Arc::clone(&link)))),
            // Out of descriptors: others are given back in a moment.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Forwards one connection until it ends or is ended.
async fn connection(mut client: TcpStream, upstream: SocketAddr, link: Arc<Link>) {
    link.connections.fetch_add(1, Ordering::Relaxed);
    let mut resets = link.resets.subscribe();
    let forward = async {
        if link.refuses.load(Ordering::Acquire) {
            return None;
        }
        // The handshake that the client does not see here.
        tokio::time::sleep(link.round_trip()).await;
        let mut server = TcpStream::connect(upstream).await.ok()?;
        pump::both(&mut client, &mut server, &link).await
    };
    let ended = tokio::select! {
        ended = forward => ended,
        _ = resets.changed() => None,
    };
    if ended.is_none() {
        // The client gets a reset when the connection is closed; the server sees it end.
        drop(client.set_zero_linger());
    }
}

#[cfg(test)]
mod tests;
