use super::*;

#[test]
fn what_came_later_can_be_told() {
    let meter = Meter::new();
    meter.call_begins(Verb::Put);
    meter.call_ends(Verb::Put, Duration::from_millis(3), 10, 0);
    meter.call_repeated(Verb::Put);
    meter.hedge_sent();
    let before = meter.snapshot();
    // Without HTTP every attempt is a request.
    assert_eq!((before.calls(), before.retries(), before.requests()), (1, 1, 3));
    assert_eq!(meter.snapshot().since(&before), Metrics::default());
    meter.call_begins(Verb::Delete);
    meter.call_ends(Verb::Delete, Duration::from_millis(1), 0, 1);
    meter.call_throttled(Verb::Delete);
    let later = meter.snapshot().since(&before);
    assert_eq!((later.calls(), later.requests(), later.throttled()), (1, 1, 1));
    assert_eq!(later.of(Verb::Delete).failures, 1);
    assert_eq!(later.of(Verb::Put), &VerbMetrics::default());
}

#[test]
fn requests_are_those_of_http_where_there_are_some() {
    let traffic = Traffic::default();
    let meter = Meter::over_http(traffic.clone(), PriceTable::of(crate::url::Provider::S3));
    meter.call_begins(Verb::List);
    traffic.request(RequestClass::List);
    traffic.request(RequestClass::List);
    traffic.failure(RequestClass::List, Some(http::StatusCode::SERVICE_UNAVAILABLE));
    let metrics = meter.snapshot();
    assert_eq!((metrics.calls(), metrics.requests(), metrics.throttled()), (1, 2, 1));
    assert_eq!(metrics.http(RequestClass::List).failures, 1);
    assert_eq!(metrics.http(RequestClass::Put), ClassTraffic::default());
}
