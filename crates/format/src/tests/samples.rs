//! One value of every structure, with a sentence that lets anybody make the same.

use crate::envelope::{
    ObjectType, Preamble, Role, associated_data, block_extra, nonce, preamble_hash,
};
use crate::id::{ChunkId, ObjectHash, RepositoryId};
use crate::index::{
    self, BlockEntry, Directory, Filter, GENERATION, IndexFooter, IndexRecord, PackKind,
    PackRecord, Section,
};
use crate::key::{ObjectKey, ObjectName};
use crate::keys::{ContentKeys, EpochKeys, Secret32};
use crate::pack::{
    ChunkRecord, Footer, FrameRecord, STRIPE_SIZE, Stripes, TAIL_LEN, Trailer, TrailerHeader,
    build_tail, parse_stripes, stripe_bytes,
};
use crate::tree::{
    Child, Device, Entry, EntryKind, Extent, MovedXattr, NOTE_CHANGED_WHILE_READ, Node, PathKey,
    decode_extents, encode_extents,
};
use crate::{Codec, Result, Time};

use super::texts;

/// A structure as bytes.
pub(crate) struct Sample {
    /// What the specification calls it.
    pub(crate) name: &'static str,
    /// What is in it.
    pub(crate) of: &'static str,
    /// Whether it is a text.
    pub(crate) is_text: bool,
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// Reads the bytes and compares with the value.
    pub(crate) read: fn(&[u8]) -> Result<()>,
}

/// A [`Sample`].
macro_rules! sample {
    ($name:literal, $of:literal, $is_text:literal, $bytes:expr, $read:expr) => {
        Sample {
            name: $name,
            of: $of,
            is_text: $is_text,
            bytes: Vec::from($bytes),
            read: |bytes| {
                let read: fn(&[u8]) -> Result<()> = $read;
                read(bytes)
            },
        }
    };
}

pub(crate) use sample;

/// Everything, in the order of the specification.
pub(crate) fn samples() -> Vec<Sample> {
    [keys(), sealing(), packs(), segments(), trees(), texts::texts(), texts::log()]
        .into_iter()
        .flatten()
        .collect()
}

/// `first`, `first + 1` and so on.
pub(crate) fn run<const N: usize>(first: u8) -> [u8; N] {
    std::array::from_fn(|place| first.wrapping_add(u8::try_from(place).unwrap()))
}

/// An object of hash and upload bytes `byte`.
pub(crate) fn name(byte: u8) -> ObjectName {
    ObjectName { hash: ObjectHash([byte; 32]), upload: [byte; 8] }
}

/// 2026-11-20T15:04:05.123456789Z
pub(crate) fn time() -> Time {
    Time { secs: 1_795_187_045, nanos: 123_456_789 }
}

fn keys() -> Vec<Sample> {
    let content = ContentKeys::derive(&Secret32::new(run(0)));
    vec![
        sample!(
            "chunk-id key",
            "derived from the content root 00 01 .. 1f",
            false,
            *content.chunk_id.expose(),
            |_| Ok(())
        ),
        sample!(
            "node-id key",
            "derived from the chunk-id key above",
            false,
            *content.node_id().expose(),
            |_| Ok(())
        ),
        sample!(
            "epoch data key",
            "derived from the epoch root 00 01 .. 1f",
            false,
            *EpochKeys::derive(0, &Secret32::new(run(0))).data.unwrap().expose(),
            |_| Ok(())
        ),
        sample!(
            "pack key",
            "the object key of a pack of hash 11.. and upload bytes 11..",
            true,
            ObjectKey::Pack(name(0x11)).to_string(),
            |bytes| {
                let text = std::str::from_utf8(bytes).unwrap();
                text.parse::<ObjectKey>().map(|key| assert_eq!(key, ObjectKey::Pack(name(0x11))))
            }
        ),
    ]
}

fn preamble() -> Preamble {
    Preamble {
        object_type: ObjectType::IndexSegment,
        epoch: 7,
        repository: RepositoryId(run(0)),
        salt: run(0x20),
        commitment: run(0x40),
    }
}

fn sealing() -> Vec<Sample> {
    let hash = preamble_hash(&preamble().encode());
    let number = index::block_number(Section::Filters, 3);
    vec![
        sample!(
            "preamble",
            "index segment, epoch 7, repository 00 01 .. 0f, salt 20 21 .. 3f, commitment 40 41 .. 5f",
            false,
            preamble().encode(),
            |bytes| Preamble::decode(bytes).map(|read| assert_eq!(read, preamble()))
        ),
        sample!(
            "associated data",
            "of the fourth filter block, for 1000 records, of a segment with the preamble above",
            false,
            associated_data(&hash, Role::Block, number, &block_extra(2, 1000)),
            |_| Ok(())
        ),
        sample!("nonce", "of the same block", false, nonce(number), |_| Ok(())),
    ]
}

fn trailer() -> Trailer {
    let frame = |number, offset, sealed_len, raw_len, codec| FrameRecord {
        number,
        offset,
        sealed_len,
        raw_len,
        codec,
    };
    let chunk = |byte, frame, offset, length| ChunkRecord {
        id: ChunkId([byte; 32]),
        frame,
        offset,
        length,
    };
    Trailer {
        frames: vec![frame(1, 104, 66, 50, Codec::Stored), frame(0, 170, 530, 4096, Codec::Zstd)],
        chunks: vec![chunk(0xa1, 0, 0, 50), chunk(0xb2, 1, 0, 96), chunk(0xc3, 1, 96, 4000)],
    }
}

fn body() -> Vec<u8> {
    (0..1_100_000_u32).map(|place| (place % 251).to_le_bytes()[0]).collect()
}

fn packs() -> Vec<Sample> {
    let plaintext = trailer().encode(Codec::Stored, &trailer().encode_table()).unwrap();
    let mut stripes = Stripes::new(STRIPE_SIZE);
    stripes.update(&body());
    let mut with_parity = Stripes::new(stripe_bytes(10_000));
    with_parity.update(&body()[..10_000]);
    with_parity.end_body();
    with_parity.update(&body()[..4096]);
    vec![
        sample!(
            "pack trailer",
            "the plaintext, stored: frame 1 at 104 of 50 stored bytes, frame 0 at 170 of 4096 bytes in 530; chunks a1.. \
             (all of the first frame), b2.. and c3.. (96 and 4000 bytes of the second)",
            false,
            plaintext,
            |bytes| {
                let (header, packed) = TrailerHeader::decode(bytes)?;
                let read = Trailer::decode_table(header, packed.rest, 700)?;
                assert_eq!(read, trailer());
                Ok(())
            }
        ),
        sample!(
            "pack tail",
            "all that follows a body of 1100000 bytes, byte i being i mod 251, whose last 1000 are the sealed trailer",
            false,
            build_tail(stripes, 1000).unwrap(),
            |bytes| {
                let footer = Footer::parse(bytes, 1_100_000 + bytes.len() as u64)?;
                assert_eq!(footer.trailer_range(), 1_099_000..1_100_000);
                parse_stripes(&bytes[..bytes.len() - TAIL_LEN], &footer).map(drop)
            }
        ),
        sample!(
            "pack tail with parity",
            "all that follows the first 10000 bytes of that body, of which the last 1000 are the sealed trailer, and a \
             stripe of 4096 bytes that stands for parity: those that the body begins with",
            false,
            build_tail(with_parity, 1000).unwrap(),
            |bytes| {
                let footer = Footer::parse(bytes, 14_096 + bytes.len() as u64)?;
                assert_eq!(footer.trailer_range(), 9000..10_000);
                assert_eq!(footer.stripe_range(3), 10_000..14_096);
                parse_stripes(&bytes[..bytes.len() - TAIL_LEN], &footer).map(drop)
            }
        ),
    ]
}

fn records() -> Vec<IndexRecord> {
    let first = IndexRecord {
        id: ChunkId(run(0)),
        pack: 0,
        frame: 1,
        frame_offset: 104,
        frame_sealed_len: 66,
        frame_raw_len: 50,
        offset: 0,
        length: 50,
        frame_codec: Codec::Stored,
        generation: GENERATION,
    };
    let second = IndexRecord {
        id: ChunkId(run(0x80)),
        pack: 1,
        frame: 0,
        frame_offset: 170,
        frame_sealed_len: 530,
        frame_raw_len: 4096,
        offset: 96,
        length: 4000,
        frame_codec: Codec::Zstd,
        generation: GENERATION,
    };
    vec![first, second]
}

fn pack_records() -> Vec<PackRecord> {
    let pack = |byte, size, kind| PackRecord { name: name(byte), size, kind };
    vec![pack(0x11, 33_554_432, PackKind::Data), pack(0x22, 65_536, PackKind::Tree)]
}

fn directory() -> Directory {
    let block = |section, offset, sealed_len, count, first| BlockEntry {
        section,
        offset,
        sealed_len,
        count,
        first: ChunkId(first),
    };
    Directory {
        blocks: vec![
            block(Section::Records, 104, 148, 2, run(0)),
            block(Section::Filters, 252, 32, 2, [0; 32]),
            block(Section::Packs, 284, 122, 2, [0; 32]),
        ],
    }
}

fn segments() -> Vec<Sample> {
    let ids: Vec<ChunkId> = records().iter().map(|record| record.id).collect();
    let raw = index::encode_records(&records());
    vec![
        sample!(
            "index records",
            "a block's plaintext, stored: ids 00 01 .. 1f and 80 81 .. 9f, where the trailer above has its first and \
             third chunk, in packs 0 and 1",
            false,
            index::encode_block(Codec::Stored, 124, &raw),
            |bytes| {
                let packed = index::decode_block(bytes, Section::Records, 2)?;
                index::decode_records(packed.rest, 2, 2).map(|read| assert_eq!(read, records()))
            }
        ),
        sample!(
            "index filter",
            "of those two ids, without the head of the block",
            false,
            Filter::build(ids.iter()).as_bytes(),
            |bytes| {
                let filter = Filter::decode(bytes, 2)?;
                assert!(records().iter().all(|record| filter.may_have(&record.id)));
                Ok(())
            }
        ),
        sample!(
            "index packs",
            "without the head of the block: a data pack of 32 MiB, hash and upload bytes 11.., and a tree pack of 64 KiB, \
             22..",
            false,
            index::encode_packs(&pack_records()),
            |bytes| index::decode_packs(bytes, 2).map(|read| assert_eq!(read, pack_records()))
        ),
        sample!(
            "index directory",
            "the plaintext: these three blocks, stored, end to end from byte 104",
            false,
            directory().encode(),
            |bytes| Directory::decode(bytes, 406).map(|read| assert_eq!(read, directory()))
        ),
        sample!(
            "index footer",
            "one copy, of this segment: its sealed directory of 187 bytes begins at 406",
            false,
            IndexFooter { directory_offset: 406, directory_len: 187, record_count: 2 }.encode(),
            |bytes| {
                let footer = IndexFooter::parse(&bytes.repeat(2), 406 + 187 + 96)?;
                assert_eq!(footer.directory_range(), 406..593);
                Ok(())
            }
        ),
    ]
}

fn extents() -> Vec<Extent> {
    vec![
        Extent::Hole(4096),
        Extent::Zeros(512),
        Extent::Inline(b"lifeboat".to_vec()),
        Extent::Chunk { id: ChunkId(run(0)), offset: 0, length: 131_072 },
        Extent::Chunk { id: ChunkId(run(0)), offset: 65_536, length: 8192 },
    ]
}

fn file() -> Entry {
    Entry {
        mode: 0o640,
        uid: 1000,
        gid: 100,
        user: b"ann".to_vec(),
        group: b"users".to_vec(),
        mtime: time(),
        ctime: Time { secs: -1, nanos: 5 },
        device: 1,
        inode: 4242,
        links: 2,
        xattrs: [(b"user.a".to_vec(), b"1".to_vec())].into(),
        moved_xattrs: [(b"user.b".to_vec(), MovedXattr { id: ChunkId(run(0x80)), len: 2000 })]
            .into(),
        flags: 0x10,
        size: 4096 + 512 + 8 + 131_072 + 8192,
        content: extents(),
        content_hash: Some(run(0x40)),
        notes: NOTE_CHANGED_WHILE_READ,
        ..Entry::default()
    }
}

fn leaf() -> Node {
    let dir = Entry { kind: EntryKind::Dir, mode: 0o755, ..Entry::default() };
    let rdev = Some(Device { major: 1, minor: 3 });
    let null = Entry { kind: EntryKind::Char, mode: 0o666, rdev, ..Entry::default() };
    let link = Entry { kind: EntryKind::Symlink, target: b"null".to_vec(), ..Entry::default() };
    let root = PathKey::root();
    let dev = root.child(b"dev").unwrap();
    let keys = [root, dev.clone(), dev.child(b"null").unwrap(), dev.child(b"nul").unwrap()];
    let [root, dev, null_key, link_key] = keys;
    Node::Leaf(vec![(root, dir.clone()), (dev, dir), (link_key, link), (null_key, null)])
}

fn inner() -> Node {
    let child =
        |first, byte, entries, bytes| Child { first, id: ChunkId([byte; 32]), entries, bytes };
    let etc = PathKey::root().child(b"etc").unwrap();
    let children = vec![
        child(PathKey::root(), 0xa1, 100, 5000),
        child(etc.child(b"hosts").unwrap(), 0xb2, 128, 70_000),
        child(etc.child(b"passwd").unwrap(), 0xc3, 7, 0),
    ];
    Node::Inner { level: 1, children }
}

fn trees() -> Vec<Sample> {
    let mut list = Vec::new();
    encode_extents(&extents(), &mut list);
    let mut entry = Vec::new();
    file().encode(&mut entry);
    vec![
        sample!(
            "extents",
            "a hole of 4096, 512 zeros, the bytes \"lifeboat\", a chunk 00 01 .. 1f of 128 KiB, and 8 KiB from its middle",
            false,
            list,
            |bytes| decode_extents(bytes).map(|read| assert_eq!(read, extents()))
        ),
        sample!(
            "entry",
            "a file with all that a file can have: mode 640, 1000:100 ann:users, mtime 2026-11-20T15:04:05.123456789Z, \
             ctime 5 ns after the last second of 1969 began, device 1, inode 4242, 2 links, user.a = \"1\", user.b moved out \
             (chunk 80 81 .. 9f, 2000 bytes), flags 10 (hex), the extents above, content hash 40 41 .. 5f, changed while \
             read",
            false,
            entry,
            |bytes| Entry::decode(bytes).map(|read| assert_eq!(read, file()))
        ),
        sample!(
            "leaf",
            "the root, dev, dev/nul (a link to null) and dev/null (a character device 1, 3)",
            false,
            leaf().encode().unwrap(),
            |bytes| Node::decode(bytes).map(|read| assert_eq!(read, leaf()))
        ),
        sample!(
            "inner node",
            "level 1: nodes a1.. (from the root, 100 entries, 5000 bytes), b2.. (from etc/hosts, 128, 70000) and c3.. \
             (from etc/passwd, 7, 0)",
            false,
            inner().encode().unwrap(),
            |bytes| Node::decode(bytes).map(|read| assert_eq!(read, inner()))
        ),
    ]
}
