use super::*;

#[test]
fn http_requests_are_counted_by_class_and_answer() {
    let meter = Meter::new();
    for status in [200, 404, 429, 500, 503] {
        meter.request_sent(RequestClass::Read);
        meter.request_answered(RequestClass::Read, status);
    }
    meter.request_sent(RequestClass::Write);
    meter.request_lost(RequestClass::Write);
    meter.bytes_moved(3, 5);
    let metrics = meter.snapshot();
    let reads = RequestMetrics { sent: 5, throttled: 2, broken: 1, lost: 0 };
    assert_eq!(metrics.http(RequestClass::Read), reads);
    assert_eq!(metrics.http(RequestClass::Write).lost, 1);
    assert_eq!(metrics.http(RequestClass::List), RequestMetrics::default());
    assert_eq!((metrics.bytes_sent, metrics.bytes_received), (3, 5));
    assert_eq!(metrics.requests(), 6);
    assert_eq!(metrics.throttled(), 2);
}

#[test]
fn what_came_later_can_be_told() {
    let meter = Meter::new();
    meter.call_begins(Verb::Put);
    meter.call_ends(Verb::Put, Duration::from_millis(3), 10, 0);
    meter.request_sent(RequestClass::Write);
    meter.bytes_moved(10, 0);
    let before = meter.snapshot();
    assert_eq!(meter.snapshot().since(&before), Metrics::default());
    meter.call_begins(Verb::Delete);
    meter.call_ends(Verb::Delete, Duration::from_millis(1), 0, 1);
    meter.request_sent(RequestClass::Delete);
    let later = meter.snapshot().since(&before);
    assert_eq!((later.calls(), later.requests()), (1, 1));
    assert_eq!(later.of(Verb::Delete).failures, 1);
    assert_eq!(later.of(Verb::Put), &VerbMetrics::default());
}
