use std::collections::HashMap;

use lifeboat_format::id::ObjectHash;
use lifeboat_format::key::ObjectName;

use super::*;
use crate::gc::{GcOptions, Unused};
use crate::index::marks::Marks;
use crate::open::testing::new;

/// A pack goes when none of its chunks is used; how long these are is another matter.
#[test]
fn a_pack_of_which_a_chunk_is_used_stays() {
    let (_, repository) = new(1);
    let options = GcOptions { max_unused: Unused::Unlimited, ..GcOptions::default() };
    let run = Run::begin(&repository, &options).unwrap();
    let pack = |number: u8, chunks_used| {
        let name = ObjectName { hash: ObjectHash([number; 32]), upload: [0; 8] };
        let pack = OfPack { size: 100, raw: 90, raw_used: 0, chunks_used };
        (ObjectKey::Pack(name), pack)
    };
    let packs = HashMap::from([pack(1, 0), pack(2, 1)]);
    let usage = Usage { packs, marks: Marks::new(), segments: HashMap::new() };
    let plan = Plan::new(&run, &usage);
    let names: Vec<u8> = plan.objects.iter().map(|object| object.name.hash.0[0]).collect();
    assert_eq!(names, [1]);
}
