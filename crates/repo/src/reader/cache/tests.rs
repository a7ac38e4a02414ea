use super::Lru;

#[test]
fn what_was_used_longest_ago_goes_first() {
    let mut cache = Lru::new(30);
    for key in 0..3 {
        cache.insert(key, key * 10, 10);
    }
    assert_eq!(cache.get(&0), Some(0));
    cache.insert(3, 30, 10);
    assert_eq!(cache.get(&1), None);
    assert_eq!(cache.get(&0), Some(0));
    assert_eq!(cache.get(&2), Some(20));
    assert_eq!(cache.get(&3), Some(30));
    assert_eq!(cache.weight(), 30);
}

#[test]
fn a_value_that_would_push_out_everything_is_not_kept() {
    let mut cache = Lru::new(30);
    cache.insert(1, 1, 10);
    cache.insert(2, 2, 16);
    assert_eq!(cache.get(&2), None);
    assert_eq!(cache.get(&1), Some(1));
}

#[test]
fn a_key_inserted_again_weighs_once() {
    let mut cache = Lru::new(100);
    for value in 0..50 {
        cache.insert((), value, 10);
    }
    assert_eq!(cache.weight(), 10);
    assert_eq!(cache.get(&()), Some(49));
}
