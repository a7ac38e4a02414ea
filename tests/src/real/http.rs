//! One request over HTTP at a time, to a server on loopback: all that preparing a bucket needs.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

pub(super) use http::Method;
use object_store::client::{HttpRequest, HttpRequestBody};

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status, such as 403.
    pub status: u16,
    /// The body as text.
    pub body: String,
}

/// Sends a request that `sign` has signed, and reads the answer to its end.
pub(super) fn exchange(
    method: Method,
    endpoint: &str,
    path_and_query: &str,
    headers: &[(&str, &str)],
    body: &str,
    sign: impl FnOnce(&mut HttpRequest),
) -> Answer {
    let uri = format!("{endpoint}{path_and_query}");
    let mut request = http::Request::builder().method(method).uri(&uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.header("content-length", body.len());
    let request = request.body(HttpRequestBody::from(body.to_owned()));
    let mut request = request.unwrap_or_else(|error| panic!("{uri}: {error}"));
    sign(&mut request);
    let host = endpoint.trim_start_matches("http://");
    let answered = send(host, path_and_query, &request, body);
    let answer = answered.unwrap_or_else(|error| panic!("{uri}: {error}"));
    parse(&answer).unwrap_or_else(|| panic!("{uri}: this is no HTTP: {answer}"))
}

fn send(host: &str, path: &str, request: &HttpRequest, body: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut head = format!("{} {path} HTTP/1.1\r\n", request.method());
    if !request.headers().contains_key("host") {
        head += &format!("host: {host}\r\n");
    }
    for (name, value) in request.headers() {
        head += &format!("{name}: {}\r\n", value.to_str().unwrap_or_default());
    }
    stream.write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn parse(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}
