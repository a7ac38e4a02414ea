use std::sync::Arc;

use tokio::time::sleep;

use super::*;

const STALL: Duration = Duration::from_secs(30);

#[tokio::test(start_paused = true)]
async fn what_does_not_move_is_given_up() {
    let begun = Instant::now();
    let watch = Watch::new(STALL, 1 << 30);
    assert_eq!(watch.stuck().await, Trouble::Stuck(STALL));
    assert_eq!(begun.elapsed(), STALL);
}

#[tokio::test(start_paused = true)]
async fn what_moves_goes_on_until_it_took_too_long_for_its_size() {
    let begun = Instant::now();
    let watch = Arc::new(Watch::new(STALL, 100 * BYTES_PER_SECOND_MIN));
    let moving = Arc::clone(&watch);
    tokio::spawn(async move {
        loop {
            sleep(Duration::from_secs(20)).await;
            moving.hold();
            moving.release();
        }
    });
    let allowed = Duration::from_secs(160);
    assert_eq!(watch.stuck().await, Trouble::Slow(allowed));
    assert_eq!(begun.elapsed(), allowed);
}

#[tokio::test(start_paused = true)]
async fn what_we_hold_back_ourselves_does_not_count() {
    let begun = Instant::now();
    let watch = Arc::new(Watch::new(STALL, 0));
    let held = Arc::clone(&watch);
    held.hold();
    tokio::spawn(async move {
        sleep(Duration::from_secs(1000)).await;
        held.release();
    });
    assert_eq!(watch.stuck().await, Trouble::Stuck(STALL));
    assert_eq!(begun.elapsed(), Duration::from_secs(1030));
}
