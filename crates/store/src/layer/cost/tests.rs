use super::*;
use crate::cloud::Traffic;
use crate::layer::meter::Meter;

#[test]
fn requests_and_bytes_have_their_prices() {
    let traffic = Traffic::default();
    let meter = Meter::over_http(traffic.clone(), PriceTable::of(Provider::S3));
    for _ in 0..2000 {
        traffic.request(RequestClass::Put);
        traffic.request(RequestClass::Head);
        traffic.request(RequestClass::DeleteMany);
    }
    for _ in 0..1000 {
        traffic.request(RequestClass::List);
        traffic.request(RequestClass::Credentials);
        // What fails is not charged.
        traffic.request(RequestClass::Get);
        traffic.failure(RequestClass::Get, None);
    }
    traffic.down(RequestClass::Get, 3 << 30);
    let cost = meter.prices().unwrap().estimate(&meter.snapshot());
    assert!((cost.requests - (2.0 * 0.005 + 2.0 * 0.0004 + 0.005)).abs() < 1e-9, "{cost:?}");
    assert!((cost.download - 0.27).abs() < 1e-9, "{cost:?}");
    assert!((cost.total() - cost.requests - cost.download).abs() < 1e-12);
    assert_eq!(cost.currency, "USD");
}

#[test]
fn prices_can_be_given() {
    let prices = PriceTable { storage_per_gb_month: 2.0, ..PriceTable::of(Provider::Gcs) };
    assert!((prices.storage_month(3 << 29) - 3.0).abs() < 1e-9);
    assert_eq!(Meter::new().prices(), None);
}
