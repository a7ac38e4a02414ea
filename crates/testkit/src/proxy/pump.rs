//! Moves the bytes of one connection, each way through its lane.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, sleep_until};

use super::lane::AHEAD;
use super::{Link, Way};

/// How much of one connection may be on its way: a window of TCP as large as long links need.
const WINDOW_BYTES: usize = 8 << 20;

/// The most bytes that set out together.
const PIECE_BYTES: usize = 64 << 10;

/// Which of a connection's sides speaks, and what becomes of the answer.
#[derive(Debug, Default)]
struct Turn {
    /// The server was the last to speak.
    answered: AtomicBool,
    /// The number of the request, from 1.
    request: AtomicU64,
    /// How many bytes of the answer are still let through, plus one; 0 for all.
    left: AtomicU64,
}

struct Moving {
    arrives: Instant,
    bytes: Bytes,
    _window: OwnedSemaphorePermit,
}

/// Forwards both ways until both sides have ended; `None` if the connection is to be reset.
pub(super) async fn both(
    client: &mut TcpStream,
    server: &mut TcpStream,
    link: &Link,
) -> Option<()> {
    client.set_nodelay(true).ok()?;
    server.set_nodelay(true).ok()?;
    let turn = Turn::default();
    let (client_reads, client_writes) = client.split();
    let (server_reads, server_writes) = server.split();
    let up = one(client_reads, server_writes, Way::Up, link, &turn);
    let down = one(server_reads, client_writes, Way::Down, link, &turn);
    tokio::try_join!(up, down).ok().map(drop)
}

/// The connection is to be reset.
struct Reset;

async fn one<R, W>(reads: R, writes: W, way: Way, link: &Link, turn: &Turn) -> Result<(), Reset>
where
    R: tokio::io::AsyncRead + Unpin,
    W: tokio::io::AsyncWrite + Unpin,
{
    let (sender, receiver) = mpsc::unbounded_channel();
    let taken = take_in(reads, sender, way, link, turn);
    let given = give_out(writes, receiver, link);
    tokio::try_join!(taken, given).map(drop)
}

/// Reads what a side says, and sends it off when the lane is free.
async fn take_in<R: tokio::io::AsyncRead + Unpin>(
    mut reads: R,
    sender: mpsc::UnboundedSender<Moving>,
    way: Way,
    link: &Link,
    turn: &Turn,
) -> Result<(), Reset> {
    let window = Arc::new(Semaphore::new(WINDOW_BYTES));
    loop {
        let mut piece = BytesMut::with_capacity(PIECE_BYTES);
        let read = reads.read_buf(&mut piece).await;
        // A side that breaks off has ended, too; the other is told so.
        let count = read.unwrap_or(0);
        if count == 0 {
            return Ok(());
        }
        link.thawed().await;
        let mut bytes = piece.freeze();
        let whole = turn.pass(way, &mut bytes, link);
        let count = u32::try_from(bytes.len()).expect("a piece is smaller than that");
        let permit = Arc::clone(&window).acquire_many_owned(count).await;
        let permit = permit.expect("nobody closes the window");
        let slot = link.lane(way).take(Instant::now(), u64::from(count));
        link.count(way, u64::from(count));
        let moving = Moving { arrives: slot.arrived, bytes, _window: permit };
        if sender.send(moving).is_err() {
            return Ok(());
        }
        if !whole {
            // What was let through arrives before the end does.
            sleep_until(slot.arrived + AHEAD).await;
            return Err(Reset);
        }
        sleep_until(slot.sent.checked_sub(AHEAD).unwrap_or(slot.sent)).await;
    }
}

/// Writes what arrives, at its time.
async fn give_out<W: tokio::io::AsyncWrite + Unpin>(
    mut writes: W,
    mut receiver: mpsc::UnboundedReceiver<Moving>,
    link: &Link,
) -> Result<(), Reset> {
    while let Some(moving) = receiver.recv().await {
        sleep_until(moving.arrives).await;
        link.thawed().await;
        writes.write_all(&moving.bytes).await.map_err(|_gone| Reset)?;
    }
    writes.shutdown().await.map_err(|_gone| Reset)
}

impl Turn {
    /// Notes who speaks, and shortens an answer that is to be; whether all of it goes on.
    fn pass(&self, way: Way, bytes: &mut Bytes, link: &Link) -> bool {
        let begun = self.request.load(Ordering::Relaxed) > 0;
        match way {
            Way::Up if !begun || self.answered.swap(false, Ordering::Relaxed) => {
                let mut orders = link.orders();
                orders.requests += 1;
                self.request.store(orders.requests, Ordering::Relaxed);
                true
            }
            Way::Up => true,
            Way::Down => {
                if !self.answered.swap(true, Ordering::Relaxed) {
                    self.begin_answer(link);
                }
                self.let_through(bytes)
            }
        }
    }

    fn begin_answer(&self, link: &Link) {
        let mut orders = link.orders();
        let request = self.request.load(Ordering::Relaxed);
        let left = match orders.swallow {
            Some(number) if number == request => {
                orders.swallow = None;
                Some(0)
            }
            _ => orders.cut.take(),
        };
        self.left.store(left.map_or(0, |left| left.saturating_add(1)), Ordering::Relaxed);
    }

    fn let_through(&self, bytes: &mut Bytes) -> bool {
        let Some(left) = self.left.load(Ordering::Relaxed).checked_sub(1) else { return true };
        let length = bytes.len() as u64;
        if length < left {
            self.left.store(left - length + 1, Ordering::Relaxed);
            return true;
        }
        bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        false
    }
}
