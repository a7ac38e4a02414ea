use std::num::NonZeroU64;

use tokio::time::Instant;

use super::*;

#[tokio::test(start_paused = true)]
async fn each_direction_has_its_limit() {
    let limit = |bytes| Bandwidth::per_second(NonZeroU64::new(bytes).unwrap());
    let store = ThrottleStore::new(crate::mem(), limit(1000), limit(100));
    let begun = Instant::now();
    store.put_new("x", vec![0; 2000].into()).await.unwrap();
    store.put_soon("y", vec![0; 1000].into()).await.unwrap();
    let up = begun.elapsed().as_secs_f64();
    assert!((2.9..3.2).contains(&up), "{up}");
    store.get_range("x", 0..100).await.unwrap();
    store.get("y").await.unwrap();
    store.head("y").await.unwrap();
    let down = begun.elapsed().as_secs_f64() - up;
    assert!((10.9..11.2).contains(&down), "{down}");
}
