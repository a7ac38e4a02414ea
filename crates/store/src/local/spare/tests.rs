use super::*;

const MIB: usize = 1 << 20;

fn held(spares: &Spares) -> Vec<usize> {
    spares.0.lock().unwrap().iter().map(Vec::capacity).collect()
}

fn lent(spares: &Spares, len: usize) -> Bytes {
    let mut bytes = spares.take(len).unwrap();
    assert_eq!(bytes.len(), len);
    bytes.fill(7);
    spares.lend(bytes)
}

#[test]
fn a_buffer_comes_back_when_the_last_who_looks_at_it_is_gone() {
    let spares = Spares::default();
    let whole = lent(&spares, 3 * MIB);
    let part = whole.slice(MIB..MIB + 5);
    drop(whole);
    assert!(held(&spares).is_empty());
    assert_eq!(part, [7; 5].as_slice());
    drop(part);
    assert_eq!(held(&spares), [3 * MIB]);
    // One that is much larger than what is wanted stays.
    drop(lent(&spares, MIB));
    assert_eq!(held(&spares), [3 * MIB, MIB]);
    let again = lent(&spares, 2 * MIB);
    assert_eq!(held(&spares), [MIB]);
    assert_eq!(again.len(), 2 * MIB);
    drop(again);
    assert_eq!(held(&spares), [MIB, 3 * MIB]);
}

#[test]
fn little_is_held_unused() {
    let spares = Spares::default();
    let many: Vec<_> = (0..5).map(|_| lent(&spares, 15 * MIB)).collect();
    drop(many);
    assert_eq!(held(&spares), [15 * MIB; 2]);
    drop(lent(&spares, SPARE_BYTES_MAX + 1));
    assert!(held(&spares).is_empty());
}
