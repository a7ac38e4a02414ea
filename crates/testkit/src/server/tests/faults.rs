//! What is scripted happens, to the requests that are meant, and nothing else does.

use std::time::Instant;

use super::raw::send;
use super::*;

fn server() -> S3Server {
    let server = S3Server::start(S3Options::default());
    server.plant("x", "content");
    server
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}

fn get(server: &Server) -> String {
    status(&send(server, "GET /bucket/x", "")).to_owned()
}

#[test]
fn a_fault_is_about_the_requests_it_names() {
    let server = server();
    server.script(Fault::status(503).on(Operation::Get).about("x").from_number(2).times(2));
    send(&server, "HEAD /bucket/x", "");
    send(&server, "GET /bucket/other", "");
    let answers: Vec<_> = (0..4).map(|_| get(&server)).collect();
    assert_eq!(answers, ["200", "503", "503", "200"]);
    server.script(Fault::status(500).forever());
    assert_eq!(get(&server), "500");
    server.heal();
    assert_eq!(get(&server), "200");
    assert_eq!(server.injected(), 3);
    let faulty = server.requests().iter().filter(|request| request.faulty).count();
    assert_eq!(faulty, 3);
}

#[test]
fn dice_decide_as_often_as_asked_and_the_same_by_seed() {
    let run = |seed| {
        let server = server();
        server.script(Fault::status(503).forever().now_and_then(300, seed));
        (0..100).map(|_| get(&server)).collect::<Vec<_>>()
    };
    let first = run(7);
    let failed = first.iter().filter(|answer| *answer == "503").count();
    assert!((15..50).contains(&failed), "{failed}");
    assert_eq!(first, run(7));
    assert_ne!(first, run(8));
}

#[test]
fn a_refusal_says_when_to_come_back() {
    let server = server();
    server.script(Fault::retry_after(429, Duration::from_secs(3)));
    let answer = send(&server, "GET /bucket/x", "");
    assert!(answer.starts_with("HTTP/1.1 429"), "{answer}");
    assert!(answer.contains("retry-after: 3\r\n"), "{answer}");
}

#[test]
fn an_answer_can_be_lost_before_or_after_the_effect() {
    let server = server();
    server.script(Fault::reset());
    assert_eq!(send(&server, "PUT /bucket/before", "1"), "");
    server.script(Fault::lost_answer());
    assert_eq!(send(&server, "PUT /bucket/after", "1"), "");
    server.script(Fault::status(500).after_the_effect());
    assert_eq!(status(&send(&server, "PUT /bucket/told", "1")), "500");
    assert_eq!(server.keys(), ["after", "told", "x"]);
    let statuses: Vec<_> = server.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [None, None, Some(500)]);
}

#[test]
fn content_can_be_cut_flipped_or_slow() {
    let server = server();
    let content = |answer: &str| answer.split_once("\r\n\r\n").unwrap().1.to_owned();
    server.script(Fault::truncated_answer(3));
    let answer = send(&server, "GET /bucket/x", "");
    assert!(answer.contains("content-length: 7\r\n"), "{answer}");
    assert_eq!(content(&answer), "con");
    server.script(Fault::flipped_answer(0));
    assert_eq!(content(&send(&server, "GET /bucket/x", "")), "bontent");
    server.script(Fault::flipped_request(0));
    send(&server, "PUT /bucket/y", "content");
    assert_eq!(server.object("y").unwrap().bytes, "bontent");
    server.script(Fault::slow_answer(20));
    let started = Instant::now();
    assert_eq!(content(&send(&server, "GET /bucket/x", "")), "content");
    assert!(started.elapsed() >= Duration::from_millis(300));
    server.script(Fault::delay(Duration::from_millis(100)));
    let started = Instant::now();
    assert_eq!(get(&server), "200");
    assert!(started.elapsed() >= Duration::from_millis(100));
}

#[test]
fn what_hangs_hangs_until_the_client_goes() {
    for (fault, begun) in [
        (Fault::hang(), false),
        (Fault::hang().after_the_effect(), false),
        (Fault::stalled_answer(3), true),
        (Fault::stalled_request(1), false),
    ] {
        let server = server();
        server.script(fault);
        let mut stream = TcpStream::connect(server.address()).unwrap();
        // Long enough for the beginning of an answer to arrive on a busy machine.
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let method = if begun { "GET" } else { "PUT" };
        let request =
            format!("{method} /bucket/x HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nab");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let error = stream.read_to_end(&mut answer).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
        assert_eq!(answer.is_empty(), !begun, "{}", String::from_utf8_lossy(&answer));
        // Stopping does not wait for it.
        drop(server);
    }
}
