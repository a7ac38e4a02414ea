use std::sync::Mutex;
use std::time::SystemTime;

use futures::stream;
use http::{HeaderMap, HeaderValue};
use object_store::client::HttpRequestBody;

use super::*;
use crate::cloud::client::body::Pieces;

/// A server that is a function.
#[derive(Debug, Default)]
struct Server {
    what: What,
    asked: Mutex<Vec<(String, HeaderMap, u64)>>,
}

#[derive(Clone, Copy, Debug, Default)]
enum What {
    #[default]
    Answers,
    Says(u16, &'static str),
    NeverAnswers,
    NeverReads,
    StopsAfterOneByte,
    Breaks,
}

#[async_trait]
impl Carry for Server {
    async fn carry(
        &self,
        head: http::request::Parts,
        body: Option<Pieces>,
    ) -> Result<http::Response<Arriving>, Trouble> {
        if matches!(self.what, What::NeverReads) {
            std::future::pending::<()>().await;
        }
        let mut bytes = 0;
        let mut pieces = body.unwrap_or_else(|| stream::empty().boxed());
        while let Some(piece) = pieces.next().await {
            bytes += piece.len() as u64;
        }
        self.asked.lock().unwrap().push((head.uri.to_string(), head.headers, bytes));
        let one = stream::iter([Ok(Bytes::from_static(b"1"))]);
        let (status, body): (u16, Arriving) = match self.what {
            What::Answers => (200, one.boxed()),
            What::Says(status, body) => {
                (status, stream::iter([Ok(Bytes::from_static(body.as_bytes()))]).boxed())
            }
            What::StopsAfterOneByte => (200, one.chain(stream::pending()).boxed()),
            What::Breaks => {
                let broken = stream::iter([Err(Trouble::Broken("reset".to_owned()))]);
                (200, one.chain(broken).boxed())
            }
            What::NeverAnswers | What::NeverReads => std::future::pending().await,
        };
        Ok(http::Response::builder().status(status).body(body).unwrap())
    }
}

const STALL: Duration = Duration::from_secs(30);

fn service(far: What) -> (Arc<Server>, Arc<Server>, Service) {
    let far = Arc::new(Server { what: far, asked: Mutex::default() });
    let nearby = Arc::new(Server { what: What::Says(404, ""), asked: Mutex::default() });
    let service = Service::new(Inner {
        far: Arc::clone(&far) as _,
        nearby: Arc::clone(&nearby) as _,
        upload: Bandwidth::unlimited(),
        download: Bandwidth::unlimited(),
        stall: STALL,
        traffic: Traffic::default(),
        now: Arc::new(|| SystemTime::UNIX_EPOCH),
        aim: OnceLock::new(),
    });
    service.aim(Aim { base: Uri::from_static("http://host:1/bucket"), signer: Signer::Done });
    (far, nearby, service)
}

fn call(class: RequestClass) -> Arc<Call> {
    let mut call = Call::new(class);
    call.headers.insert("x-ours", HeaderValue::from_static("1"));
    Arc::new(call)
}

async fn ask(
    service: &Service,
    call: &Arc<Call>,
    uri: &str,
    body: usize,
) -> Result<(StatusCode, Bytes), HttpError> {
    let body = HttpRequestBody::from(vec![0; body]);
    let request = http::Request::builder().uri(uri).body(body).unwrap();
    let asked = async {
        let answer = service.call(request).await?;
        Ok((answer.status(), answer.into_body().bytes().await?))
    };
    call.run(asked).await
}

const OBJECT: &str = "http://host:1/bucket/key";

#[tokio::test]
async fn a_request_to_the_bucket_gets_our_headers_and_is_counted() {
    let (far, _, service) = service(What::Answers);
    let put = call(RequestClass::Put);
    let (status, body) = ask(&service, &put, OBJECT, 200_000).await.unwrap();
    assert_eq!((status, &body[..]), (StatusCode::OK, &b"1"[..]));
    let asked = far.asked.lock().unwrap();
    let [(uri, headers, bytes)] = &asked[..] else { panic!("one request: {asked:?}") };
    assert_eq!((uri.as_str(), *bytes), (OBJECT, 200_000));
    assert_eq!(headers["x-ours"], "1");
    assert_eq!(headers["content-length"], "200000");
    let counted = service.traffic().of(RequestClass::Put);
    assert_eq!((counted.requests, counted.failures), (1, 0));
    assert_eq!((counted.bytes_up, counted.bytes_down), (200_000, 1));
}

#[tokio::test]
async fn other_places_are_asked_for_credentials_without_our_headers() {
    let (far, nearby, service) = service(What::Answers);
    for uri in ["http://host:1/buckets", "https://host:1/bucket", "http://host/bucket", "http://x/"]
    {
        ask(&service, &call(RequestClass::Put), uri, 0).await.unwrap();
    }
    let asked = std::mem::take(&mut *far.asked.lock().unwrap());
    assert_eq!(asked.len(), 4);
    assert!(asked.iter().all(|(_, headers, _)| !headers.contains_key("x-ours")));
    let get = call(RequestClass::Get);
    ask(&service, &get, "http://169.254.169.254/latest", 0).await.unwrap_err();
    assert_eq!(nearby.asked.lock().unwrap().len(), 1);
    let trouble = get.seen().trouble.unwrap();
    let Trouble::Credentials { host, status, .. } = &trouble else { panic!("{trouble:?}") };
    assert_eq!((host.as_str(), status.unwrap()), ("169.254.169.254", StatusCode::NOT_FOUND));
    let counted = service.traffic().of(RequestClass::Credentials);
    assert_eq!((counted.requests, counted.failures), (5, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_stuck_in_whichever_phase_is_given_up() {
    for what in [What::NeverReads, What::NeverAnswers, What::StopsAfterOneByte] {
        let (_, _, service) = service(what);
        let put = call(RequestClass::Put);
        let begun = tokio::time::Instant::now();
        ask(&service, &put, OBJECT, 10).await.unwrap_err();
        assert_eq!(put.seen().trouble, Some(Trouble::Stuck(STALL)), "{what:?}");
        assert_eq!(begun.elapsed(), STALL, "{what:?}");
        assert_eq!(service.traffic().of(RequestClass::Put).failures, 1, "{what:?}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_is_written_down() {
    let (_, _, service) = service(What::Breaks);
    let get = call(RequestClass::Get);
    ask(&service, &get, OBJECT, 0).await.unwrap_err();
    let seen = get.seen();
    assert_eq!(seen.answer.unwrap().status, StatusCode::OK);
    assert_eq!(seen.trouble, Some(Trouble::Broken("reset".to_owned())));
}

#[tokio::test]
async fn an_error_is_understood_and_handed_on() {
    const BODY: &str = "<Error><Code>SlowDown</Code></Error>";
    let (_, _, service) = service(What::Says(503, BODY));
    let get = call(RequestClass::Get);
    let (status, body) = ask(&service, &get, OBJECT, 0).await.unwrap();
    assert_eq!((status.as_u16(), &body[..]), (503, BODY.as_bytes()));
    assert_eq!(get.seen().answer.unwrap().code.as_deref(), Some("SlowDown"));
    let counted = service.traffic().of(RequestClass::Get);
    assert_eq!((counted.failures, counted.throttled), (1, 1));
}

#[tokio::test]
async fn a_copy_that_ends_badly_has_failed_though_it_began_well() {
    let (_, _, failing) = service(What::Says(200, "<Error><Code>InternalError</Code></Error>"));
    let copy = call(RequestClass::Copy);
    let (status, _) = ask(&failing, &copy, OBJECT, 0).await.unwrap();
    assert_eq!(status.as_u16(), 500);
    assert_eq!(copy.seen().answer.unwrap().code.as_deref(), Some("InternalError"));
    let (_, _, fine) = service(What::Says(200, "<CopyObjectResult/>"));
    let (status, _) = ask(&fine, &call(RequestClass::Copy), OBJECT, 0).await.unwrap();
    assert_eq!(status.as_u16(), 200);
}

#[tokio::test]
async fn an_answer_that_is_not_there_or_there_already_is_no_failure() {
    for status in [404, 412, 409, 416] {
        let (_, _, service) = service(What::Says(status, ""));
        ask(&service, &call(RequestClass::Get), OBJECT, 0).await.unwrap();
        assert_eq!(service.traffic().of(RequestClass::Get).failures, 0, "{status}");
    }
}
