use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use super::lane::Slot;
use super::*;

/// A server that answers each line with the line, and how many lines it has heard in all.
fn echo() -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&heard);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, count) = (stream.unwrap(), Arc::clone(&count));
            std::thread::spawn(move || {
                let mut line = [0; 4];
                while stream.read_exact(&mut line).is_ok() {
                    count.fetch_add(1, Ordering::SeqCst);
                    if stream.write_all(&line).is_err() {
                        break;
                    }
                }
            });
        }
    });
    (address, heard)
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn ask(stream: &mut TcpStream) -> io::Result<[u8; 4]> {
    stream.write_all(b"abc\n")?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

fn far(delay: Duration) -> ProxyOptions {
    let lane = LaneOptions { delay, bytes_per_second: None };
    ProxyOptions { up: lane, down: lane }
}

#[test]
fn what_shares_a_lane_waits_for_it_but_not_for_the_way() {
    let delay = Duration::from_millis(20);
    let mut lane = Lane::new(LaneOptions { delay, bytes_per_second: Some(1000) });
    let now = tokio::time::Instant::now();
    let at = |millis: u64| now + Duration::from_millis(millis);
    assert_eq!(lane.take(now, 100), Slot { sent: at(100), arrived: at(120) });
    assert_eq!(lane.take(now, 50), Slot { sent: at(150), arrived: at(170) });
    // Free again in between.
    assert_eq!(lane.take(at(200), 10), Slot { sent: at(210), arrived: at(230) });
    lane.set(LaneOptions { delay: Duration::ZERO, bytes_per_second: None });
    assert_eq!(lane.take(at(300), u64::MAX), Slot { sent: at(300), arrived: at(300) });
}

#[test]
fn an_answer_takes_a_round_trip_and_can_change_its_link() {
    let (server, _) = echo();
    let proxy = Proxy::start(server, far(Duration::from_millis(60)));
    let mut stream = connect(&proxy);
    for _ in 0..2 {
        let started = Instant::now();
        assert_eq!(ask(&mut stream).unwrap(), *b"abc\n");
        assert!(started.elapsed() >= Duration::from_millis(120));
    }
    proxy.set(ProxyOptions::default());
    assert_eq!(ask(&mut stream).unwrap(), *b"abc\n");
    assert_eq!((proxy.requests(), proxy.connections(), proxy.bytes()), (3, 1, (12, 12)));
}

#[test]
fn connections_share_the_rate_of_the_link() {
    let (server, _) = echo();
    let options = ProxyOptions::link(1_000_000, Duration::from_millis(10));
    let proxy = Proxy::start(server, options);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let stream = connect(&proxy);
                let mut writes = stream.try_clone().unwrap();
                scope.spawn(move || writes.write_all(&[7; 100_000]).unwrap());
                let mut content = vec![0; 100_000];
                (&stream).read_exact(&mut content).unwrap();
            });
        }
    });
    // 400 kB at 1 MB/s; the pauses overlap.
    let elapsed = started.elapsed();
    assert!(elapsed >= Duration::from_millis(400), "{elapsed:?}");
}

#[test]
fn a_frozen_link_keeps_what_it_has() {
    let (server, heard) = echo();
    let proxy = Proxy::start(server, ProxyOptions::default());
    let mut stream = connect(&proxy);
    ask(&mut stream).unwrap();
    proxy.freeze();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let error = ask(&mut stream).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    assert_eq!(heard.load(Ordering::SeqCst), 1);
    proxy.thaw();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(heard.load(Ordering::SeqCst), 2);
}

#[test]
fn connections_can_be_reset_and_refused() {
    let (server, _) = echo();
    let proxy = Proxy::start(server, ProxyOptions::default());
    let mut stream = connect(&proxy);
    ask(&mut stream).unwrap();
    proxy.reset();
    let error = stream.read(&mut [0; 4]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    ask(&mut connect(&proxy)).unwrap();
    proxy.refuse(true);
    ask(&mut connect(&proxy)).unwrap_err();
    proxy.refuse(false);
    ask(&mut connect(&proxy)).unwrap();
}

#[test]
fn an_answer_can_be_swallowed_after_its_request_was_done() {
    let (server, heard) = echo();
    let proxy = Proxy::start(server, ProxyOptions::default());
    let mut stream = connect(&proxy);
    ask(&mut stream).unwrap();
    proxy.swallow_answer(2);
    ask(&mut stream).unwrap();
    ask(&mut stream).unwrap_err();
    assert_eq!(heard.load(Ordering::SeqCst), 3);
    ask(&mut connect(&proxy)).unwrap();
}

#[test]
fn an_answer_can_be_cut() {
    let (server, _) = echo();
    let proxy = Proxy::start(server, ProxyOptions::default());
    proxy.cut_answer(3);
    let mut stream = connect(&proxy);
    stream.write_all(b"abc\n").unwrap();
    let mut answer = [0; 3];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, *b"abc");
    assert!(!matches!(stream.read(&mut answer), Ok(1..)));
    ask(&mut connect(&proxy)).unwrap();
}
