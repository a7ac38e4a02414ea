use proptest::prelude::*;

use super::*;
use crate::pack::TAIL_LEN;

const STRIPE: usize = STRIPE_SIZE as usize;

fn stripes(body: &[u8]) -> Stripes {
    let mut stripes = Stripes::new(STRIPE_SIZE);
    stripes.update(body);
    stripes
}

#[test]
fn a_tail_is_read_back() {
    let body = vec![5; 2 * STRIPE + 10];
    let tail = build_tail(stripes(&body), 100).unwrap();
    let len = (body.len() + tail.len()) as u64;
    let footer = Footer::parse(&tail, len).unwrap();
    assert_eq!(footer.trailer_offset, body.len() as u64 - 100);
    let tables = &tail[..tail.len() - TAIL_LEN];
    let checksums = parse_stripes(tables, &footer).unwrap();
    assert_eq!(checksums.len(), 3);
    assert_eq!(checksums[0], crc32fast::hash(&body[..STRIPE]));
    assert!(damaged_stripes(&body, &footer, &checksums).is_empty());

    let mut damaged = body.clone();
    damaged[STRIPE + 3] ^= 1;
    assert_eq!(damaged_stripes(&damaged, &footer, &checksums), [1]);
    assert_eq!(damaged_stripes(&body[..STRIPE], &footer, &checksums), [1, 2]);
}

#[test]
fn parity_has_checksums_of_its_own() {
    let (body, parity) = (vec![5; 2 * 4096 + 10], [[1; 4096], [2; 4096]].concat());
    let mut stripes = Stripes::new(4096);
    // The first part of parity comes with the end of the body in one stripe's length.
    stripes.update(&body);
    stripes.end_body();
    stripes.update(&parity[..5000]);
    stripes.update(&parity[5000..]);
    assert_eq!((stripes.body_len(), stripes.parity_len()), (8202, 8192));
    let tail = build_tail(stripes, 100).unwrap();
    let content = [body, parity].concat();
    let footer = Footer::parse(&tail, (content.len() + tail.len()) as u64).unwrap();
    assert_eq!(footer.content_range(), 0..content.len() as u64);
    assert_eq!(footer.trailer_range(), 8102..8202);
    let checksums = parse_stripes(&tail[..tail.len() - TAIL_LEN], &footer).unwrap();
    let of = |bytes: &[u8]| crc32fast::hash(bytes);
    assert_eq!(checksums[2..], [of(&[5; 10]), of(&[1; 4096]), of(&[2; 4096])]);
    assert!(damaged_stripes(&content, &footer, &checksums).is_empty());
    for (place, stripe) in [(0, 0), (8201, 2), (8202, 3), (content.len() - 1, 4)] {
        let mut damaged = content.clone();
        damaged[place] ^= 1;
        assert_eq!(damaged_stripes(&damaged, &footer, &checksums), [stripe]);
    }
    assert_eq!(damaged_stripes(&content[..9000], &footer, &checksums), [3, 4]);
}

#[test]
fn either_copy_is_enough() {
    let tail = build_tail(stripes(&[5; 1000]), 100).unwrap();
    let footer = Footer::parse(&tail, 1000 + tail.len() as u64).unwrap();
    let tables = tail[..8].to_vec();
    for place in [0, 7] {
        let mut damaged = tables.clone();
        damaged[place] ^= 1;
        assert_eq!(parse_stripes(&damaged, &footer), parse_stripes(&tables, &footer));
        damaged[7 - place] ^= 1;
        let error = parse_stripes(&damaged, &footer).unwrap_err();
        assert_eq!(error.to_string(), "stripe table: both copies are damaged");
    }
    let error = parse_stripes(&tables[1..], &footer).unwrap_err();
    assert_eq!(error.to_string(), "stripe table: at byte 0: expected 8 bytes, found 7");
    assert!(build_tail(stripes(b"short"), 6).is_err());
}

proptest! {
    #[test]
    fn parts_make_no_difference(
        cuts in prop::collection::vec(0..3 * STRIPE, 0..5),
        len in 0..3 * STRIPE,
    ) {
        let body: Vec<u8> = (0..len).map(|place| (place % 251).to_le_bytes()[0]).collect();
        let mut parts = Stripes::new(STRIPE_SIZE);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(len)).collect();
        cuts.extend([0, len]);
        cuts.sort_unstable();
        for pair in cuts.windows(2) {
            parts.update(&body[pair[0]..pair[1]]);
        }
        prop_assert_eq!(parts.body_len(), len as u64);
        prop_assert_eq!(parts.finish(), stripes(&body).finish());
    }
}
