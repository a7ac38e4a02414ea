//! The power goes at every call that a backup makes: what was committed is there when it comes back.

use std::sync::Arc;

use lifeboat_testkit::crash::Fate;

use crate::scene::Scene;

#[test]
fn what_was_committed_survives_a_power_cut_at_any_call() {
    let scene = Scene::new();
    let (mut checkpoints, mut commits, mut cuts) = (0, 0, 0);
    for call in 1.. {
        let mut is_over = true;
        for fate in [Fate::Lost, Fate::Torn, Fate::Landed] {
            let store = scene.image.reopen();
            store.cut_at(call, fate);
            let answered = scene.attempt(Arc::new(store.clone())).is_ok();
            let left = scene.assert_recovers(Arc::new(store.durable().reopen()));
            assert!(!answered || left == (0, 1), "call {call}: what was told is there");
            is_over &= !store.is_cut();
            checkpoints += left.0;
            commits += left.1;
            cuts += u32::from(store.is_cut());
        }
        // A run makes a few calls more or less from time to time.
        if is_over {
            break;
        }
    }
    assert!(cuts > 30, "{cuts} cuts");
    assert!(checkpoints > 1 && commits > 0, "{checkpoints} checkpoints, {commits} commits");
}
