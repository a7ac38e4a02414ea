//! The thread, the port and the connections of a server.
//!
//! Requests of all connections are served side by side; what blocks (hashing, the disk) is done on
//! threads of its own. Dropping it stops it: nothing of it is left, and connections break.

use std::convert::Infallible;
use std::fmt;
use std::future::{pending, poll_fn};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Response;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::answer::{Answer, Content, flip};
use super::bucket::Bucket;
use super::fault::{Effect, Script, Verdict};
use super::guard;
use super::request::{Head, Request};

/// How long work on the disk may go on when a server stops.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// How much room is made for content before it has come.
const CONTENT_BYTES_ROOM: usize = 256 << 20;

/// The language that a server speaks.
pub(super) trait Dialect: fmt::Debug + Send + Sync {
    /// Does what a request asks for. May block.
    fn answer(&self, bucket: &Bucket, head: &Head, content: &Bytes) -> Answer;
}

/// All that the connections of a server have in common.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) bucket: Bucket,
    pub(super) dialect: Box<dyn Dialect>,
    pub(super) script: Mutex<Script>,
    pub(super) log: Mutex<Vec<Request>>,
}

/// A thread that listens.
#[derive(Debug)]
pub(super) struct Host {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Host {
    /// Listens on this port of the loopback, or on any that is free for 0.
    pub(super) fn start(port: u16, site: Arc<Site>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread =
            std::thread::Builder::new().name("test-server".to_owned()).spawn(move || {
                runtime.block_on(async {
                    let listener = tokio::net::TcpListener::from_std(listener)
                        .expect("the runtime takes a listener that does not block");
                    tokio::select! {
                        () = accept(listener, site) => {}
                        _ = stopped => {}
                    }
                });
                runtime.shutdown_timeout(STOP_PATIENCE);
            })?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // It is enough that the sender goes.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has failed the requests already, and this may be a panic's unwinding.
            drop(thread.join());
        }
    }
}

async fn accept(listener: tokio::net::TcpListener, site: Arc<Site>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(connection(stream, Arc::clone(&site)))),
            // Out of descriptors: others are given back in a moment.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Serves one connection until it ends or a fault ends it.
async fn connection(stream: TcpStream, site: Arc<Site>) {
    // Small answers must not wait for the acknowledgement of the one before.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let reset = Arc::new(AtomicBool::new(false));
    let service = {
        let reset = Arc::clone(&reset);
        service_fn(move |request| {
            let (site, reset) = (Arc::clone(&site), Arc::clone(&reset));
            Box::pin(async move {
                let response = serve(&site, request).await;
                reset.store(response.is_none(), Ordering::Release);
                response.ok_or_else(|| io::Error::other("the test resets the connection"))
            })
        })
    };
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new());
    let mut connection = http.serve_connection(TokioIo::new(stream), service);
    // How a client ends its connection is its own affair.
    let _ended = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let stream = connection.into_parts().io.into_inner();
    if reset.load(Ordering::Acquire) {
        // The other side gets a reset when it is closed.
        drop(stream.set_zero_linger());
    }
}

/// The answer to one request; `None` resets the connection.
async fn serve(site: &Arc<Site>, request: hyper::Request<Incoming>) -> Option<Response<Content>> {
    let (parts, mut body) = request.into_parts();
    let head = Head::new(parts);
    let verdict = guard(&site.script).decide(head.operation(), head.subject());
    let entry = Request { faulty: verdict.effect.is_some(), ..head.entry() };
    let number = {
        let mut log = guard(&site.log);
        log.push(entry);
        log.len() - 1
    };
    let note = |change: &dyn Fn(&mut Request)| {
        // Unless the log was forgotten meanwhile.
        if let Some(entry) = guard(&site.log).get_mut(number) {
            change(entry);
        }
    };
    tokio::time::sleep(verdict.delay).await;
    if verdict.before() == Some(Effect::Reset) {
        return None;
    }
    let content = receive(&mut body, &verdict).await?;
    note(&|entry| entry.received_bytes = content.len() as u64);
    let answer = match verdict.before() {
        Some(Effect::Hang) => pending().await,
        Some(Effect::Status { code, retry_after }) => Answer::injected(code, retry_after),
        _ => done(site, head.clone(), content).await,
    };
    let answer = match verdict.after() {
        Some(Effect::Reset) => return None,
        Some(Effect::Hang) => pending().await,
        Some(Effect::Status { code, retry_after }) => Answer::injected(code, retry_after),
        _ => answer,
    };
    let answer = if head.method == http::Method::HEAD { answer.head_only() } else { answer };
    note(&|entry| {
        entry.status = Some(answer.status);
        entry.sent_bytes = answer.content.len() as u64;
    });
    Some(answer.into_response(verdict.after()))
}

/// The content of a request, as far as a fault lets it through; `None` if the client went away.
async fn receive(body: &mut Incoming, verdict: &Verdict) -> Option<Bytes> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(0);
    let mut content = BytesMut::with_capacity(announced.min(CONTENT_BYTES_ROOM));
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.ok()?.into_data() {
            content.extend_from_slice(&data);
        }
        if let Some(Effect::StalledRequest { bytes }) = verdict.before()
            && content.len() as u64 >= bytes
        {
            pending::<Infallible>().await;
        }
    }
    let content = content.freeze();
    match verdict.before() {
        Some(Effect::FlippedRequest { bit }) => Some(flip(&content, bit)),
        _ => Some(content),
    }
}

async fn done(site: &Arc<Site>, head: Head, content: Bytes) -> Answer {
    let site = Arc::clone(site);
    let work = move || site.dialect.answer(&site.bucket, &head, &content);
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(error) => Answer::error(500, "InternalError", &error.to_string()),
    }
}
