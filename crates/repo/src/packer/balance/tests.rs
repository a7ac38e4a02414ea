use super::*;

fn level(step: usize) -> Level {
    Level::zstd(STEPS[step]).unwrap()
}

fn packs(balance: &Balance, store_idles: bool) {
    (0..PACKS).for_each(|_| balance.pack_complete(store_idles));
}

#[test]
fn it_rises_while_the_store_is_waited_for_and_falls_when_it_idles() {
    let balance = Balance::new(Compression::Auto, 2 * AMPLE_BYTES, 2);
    assert_eq!(balance.level(), Level::DEFAULT);
    for step in 1..STEPS.len() + 2 {
        balance.waits();
        packs(&balance, false);
        assert_eq!(balance.level(), level(step.min(STEPS.len() - 1)));
    }
    // Neither waits.
    packs(&balance, false);
    assert_eq!(balance.level(), level(STEPS.len() - 1));
    for step in (0..STEPS.len() - 1).rev() {
        packs(&balance, true);
        assert_eq!(balance.level(), level(step));
    }
    packs(&balance, true);
    assert_eq!(balance.level(), Level::DEFAULT);
    // It idles now and then, which is no reason to hurry; a wait for memory is none to slow down.
    balance.waits();
    packs(&balance, false);
    (0..PACKS).for_each(|pack| balance.pack_complete(pack > 0));
    assert_eq!(balance.level(), level(1));
    balance.waits();
    packs(&balance, true);
    assert_eq!(balance.level(), level(1));
}

#[test]
fn little_memory_allows_little() {
    let balance = Balance::new(Compression::Auto, 3 * AMPLE_BYTES - 1, 3);
    for _ in 0..STEPS.len() {
        balance.waits();
        packs(&balance, false);
    }
    assert_eq!(balance.level(), level(FRUGAL_STEPS - 1));
}

#[test]
fn a_fixed_level_is_kept() {
    let fixed = Level::zstd(1).unwrap();
    let balance = Balance::new(Compression::Fixed(fixed), AMPLE_BYTES, 1);
    for _ in 0..3 {
        balance.waits();
        packs(&balance, false);
        assert_eq!(balance.level(), fixed);
    }
    assert_eq!(Balance::new(Compression::Fixed(Level::STORED), 0, 1).level(), Level::STORED);
}
