//! Requests that no library makes: wrong checksums, headers of locks and tags, what is not supported.

use super::*;

/// Sends one request on a connection of its own; the whole answer as text.
pub(super) fn send(server: &Server, head: &str, content: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    let length = content.len();
    let (line, headers) = head.split_once('\n').unwrap_or((head, ""));
    let headers: String = headers.lines().map(|line| format!("{}\r\n", line.trim())).collect();
    write!(
        stream,
        "{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n\
         {content}"
    )
    .unwrap();
    let mut answer = String::new();
    // A reset ends it, too.
    let _ended = stream.read_to_string(&mut answer);
    answer
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

#[test]
fn checksums_are_checked() {
    let server = S3Server::start(S3Options::default());
    // Of "abc".
    let right = [
        ("content-md5", "kAFQmDzST7DWlj99KOF/cg=="),
        ("x-amz-checksum-sha256", "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="),
        ("x-amz-checksum-sha1", "qZk+NkcGgWq6PiVxeFDCbJzQ2J0="),
        ("x-amz-checksum-crc32", "NSRBwg=="),
        ("x-amz-checksum-crc32c", "Nks/tw=="),
        ("x-amz-checksum-crc64nvme", "BeXKuz/B+us="),
    ];
    for (header, value) in right {
        let answer = send(&server, &format!("PUT /bucket/x\n{header}: {value}"), "abc");
        assert_eq!(status(&answer), 200, "{header}: {answer}");
        let answer = send(&server, &format!("PUT /bucket/y\n{header}: {value}"), "abd");
        assert!(answer.contains("BadDigest"), "{header}: {answer}");
    }
    let other = "x-amz-content-sha256: 00";
    let answer = send(&server, &format!("PUT /bucket/y\n{other}"), "abc");
    assert!(answer.contains("XAmzContentSHA256Mismatch"), "{answer}");
    assert_eq!(server.keys(), ["x"]);
}

#[test]
fn headers_of_a_put_are_kept_and_described() {
    let server = S3Server::start(S3Options::default());
    let headers = "x-amz-tagging: a=b\nx-amz-storage-class: STANDARD_IA\nx-amz-meta-q: 1";
    send(&server, &format!("PUT /bucket/x\n{headers}\nx-amz-date: today"), "abc");
    let stored = server.object("x").unwrap();
    assert_eq!(stored.header("x-amz-tagging"), Some("a=b"));
    assert_eq!(stored.header("x-amz-storage-class"), Some("STANDARD_IA"));
    assert_eq!(stored.header("x-amz-date"), None);
    let answer = send(&server, "HEAD /bucket/x", "");
    assert!(answer.contains("x-amz-storage-class: STANDARD_IA\r\n"), "{answer}");
    assert!(answer.contains("content-length: 3\r\n"), "{answer}");
    assert!(!answer.contains("tagging") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[test]
fn locked_objects_stay_until_their_time() {
    let server = S3Server::start(S3Options { object_lock: true, ..Default::default() });
    assert!(send(&server, "GET /bucket?versioning", "").contains("<Status>Enabled<"));
    let lock = "x-amz-object-lock-mode: COMPLIANCE\n\
                x-amz-object-lock-retain-until-date: 2999-01-01T00:00:00Z";
    let put =
        |key: &str, more: &str| send(&server, &format!("PUT /bucket/{key}\n{lock}{more}"), "abc");
    assert_eq!(status(&put("x", "")), 400, "a lock needs a checksum");
    let answer = put("x", "\nx-amz-checksum-crc32: NSRBwg==");
    assert_eq!(status(&answer), 200, "{answer}");
    let (_, tag) = answer.split_once("etag: \"").unwrap();
    let version = tag.split('"').next().unwrap();
    assert!(send(&server, "GET /bucket/x?retention", "").contains("2999-01-01T00:00:00Z"));
    let delete = format!("DELETE /bucket/x?versionId={version}");
    assert_eq!(status(&send(&server, &delete, "")), 403);
    // Without a version it is only hidden.
    assert_eq!(status(&send(&server, "DELETE /bucket/x", "")), 204);
    assert_eq!(status(&send(&server, "GET /bucket/x", "")), 404);
    assert_eq!(status(&send(&server, &delete, "")), 403);
    let plain = S3Server::start(S3Options::default());
    assert_eq!(status(&send(&plain, &format!("PUT /bucket/x\n{lock}"), "abc")), 400);
    assert!(!send(&plain, "GET /bucket?versioning", "").contains("Status"));
}

#[test]
fn retention_can_be_given_later() {
    let server = S3Server::start(S3Options { object_lock: true, ..Default::default() });
    server.plant("x", "abc");
    assert_eq!(status(&send(&server, "GET /bucket/x?retention", "")), 404);
    let date = "<RetainUntilDate>2999-01-01T00:00:00Z</RetainUntilDate>";
    let document = format!("<Retention><Mode>GOVERNANCE</Mode>{date}</Retention>");
    assert_eq!(status(&send(&server, "PUT /bucket/x?retention", &document)), 200);
    assert!(send(&server, "GET /bucket/x?retention", "").contains("<Mode>GOVERNANCE<"));
}

#[test]
fn what_is_not_supported_is_refused() {
    let server = S3Server::start(S3Options::default());
    for request in [
        "POST /bucket/x?uploads",
        "PUT /bucket/x?partNumber=1&uploadId=1",
        "GET /bucket?list-type=1",
        "GET /bucket/x?uploads",
        "DELETE /bucket",
    ] {
        let answer = send(&server, request, "");
        assert_eq!(status(&answer), 501, "{request}: {answer}");
    }
    assert!(send(&server, "GET /other?list-type=2", "").contains("NoSuchBucket"));
    server.plant("x", "abc");
    assert_eq!(status(&send(&server, "GET /bucket/x\nrange: bytes=9-", "")), 416);
}
