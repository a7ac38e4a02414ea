use proptest::prelude::*;

use super::*;
use crate::Kind;
use crate::index::records::tests::record;

fn pack(first: u8, kind: PackKind) -> PackRecord {
    let name = ObjectName { hash: ObjectHash([first; 32]), upload: [first; 8] };
    PackRecord { name, size: 1000, kind }
}

#[test]
fn packs_come_back() {
    let packs = [pack(1, PackKind::Data), pack(2, PackKind::Tree)];
    let raw = encode_packs(&packs);
    assert_eq!(raw.len(), 2 * PACK_LEN);
    assert_eq!(decode_packs(&raw, 2), Ok(packs.to_vec()));
    assert_eq!(packs[0].key(), ObjectKey::Pack(packs[0].name));
    assert_eq!(packs[1].key(), ObjectKey::Tree(packs[1].name));
}

#[test]
fn refusals() {
    let refused = |change: fn(&mut Vec<u8>), reason: &str| {
        let mut raw = encode_packs(&[pack(1, PackKind::Data), pack(2, PackKind::Tree)]);
        change(&mut raw);
        let error = decode_packs(&raw, 2).unwrap_err();
        assert_eq!(error.to_string(), format!("index packs: {reason}"));
        assert_eq!(error.kind(), Kind::Corrupt);
    };
    refused(|raw| raw[0] = 3, "pack 1 does not follow the one before it");
    refused(|raw| raw[97] = 0, "pack 1 has a kind that does not exist");
    refused(|raw| raw[97] = 3, "pack 1 has a kind that does not exist");
    refused(|raw| raw[95] = 1, "pack 1 is longer than 4 GiB");
    refused(|raw| raw.truncate(97), "at byte 0: expected 2 packs of 49 bytes, found 97 bytes");
}

#[test]
fn segments_are_put_in_order() {
    let mut packs = vec![pack(9, PackKind::Data), pack(3, PackKind::Tree)];
    let mut records = vec![record(5), record(2)];
    records[1].pack = 0;
    sort_segment(&mut packs, &mut records).unwrap();
    assert_eq!(packs, [pack(3, PackKind::Tree), pack(9, PackKind::Data)]);
    assert_eq!([records[0].id.0[0], records[1].id.0[0]], [2, 5]);
    assert_eq!([records[0].pack, records[1].pack], [1, 0]);

    let mut twice = vec![record(5), record(5)];
    assert_eq!(sort_segment(&mut packs, &mut twice).unwrap_err().kind(), Kind::Invalid);
    let mut beyond = vec![IndexRecord { pack: 2, ..record(5) }];
    assert!(sort_segment(&mut packs, &mut beyond).is_err());
    packs.push(packs[0]);
    assert!(sort_segment(&mut packs, &mut []).is_err());
}

proptest! {
    #[test]
    fn random_packs_come_back(names in prop::collection::btree_map(any::<([u8; 32], [u8; 8])>(), 0..PACK_MAX, 0..30)) {
        let packs: Vec<PackRecord> = names
            .into_iter()
            .map(|((hash, upload), size)| PackRecord {
                name: ObjectName { hash: ObjectHash(hash), upload },
                size,
                kind: if size % 2 == 0 { PackKind::Data } else { PackKind::Tree },
            })
            .collect();
        let count = u32::try_from(packs.len()).unwrap();
        prop_assert_eq!(decode_packs(&encode_packs(&packs), count), Ok(packs));
    }

    #[test]
    fn any_bytes_are_answered(mut raw: Vec<u8>, count in 0..5_u32) {
        raw.resize(PACK_LEN * count as usize, 0);
        drop(decode_packs(&raw, count));
    }
}
