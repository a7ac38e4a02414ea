//! Of many claimants one stores.

use std::sync::atomic::{AtomicUsize, Ordering};

use lifeboat_format::id::ChunkId;

use super::{Claim, Claims};
use crate::error::{Error, Kind};

fn id(n: u8) -> ChunkId {
    ChunkId([n; 32])
}

#[test]
fn known_mine_and_new() {
    let claims = Claims::new();
    assert_eq!(claims.claim(&id(1), |_| Ok(true)).unwrap(), Claim::Known);
    assert_eq!(claims.claim(&id(1), |_| Ok(false)).unwrap(), Claim::New);
    assert_eq!(claims.claim(&id(1), |_| Ok(true)).unwrap(), Claim::Mine);
    claims.forget([&id(1)]);
    assert_eq!(claims.claim(&id(1), |_| Ok(true)).unwrap(), Claim::Known);
}

#[test]
fn a_failed_look_up_claims_nothing() {
    let claims = Claims::new();
    let failed = claims.claim(&id(1), |_| Err(Error::new(Kind::Unavailable, "look up", "x")));
    assert_eq!(failed.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(claims.claim(&id(1), |_| Ok(false)).unwrap(), Claim::New);
}

#[test]
fn one_winner_among_threads() {
    let claims = Claims::new();
    let winners: Vec<AtomicUsize> = (0..=255).map(|_| AtomicUsize::new(0)).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for n in 0..=255u8 {
                    if claims.claim(&id(n), |_| Ok(false)).unwrap() == Claim::New {
                        winners[usize::from(n)].fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert!(winners.iter().all(|count| count.load(Ordering::Relaxed) == 1));
}
