//! Targets for the log, which sign again behind the mutator.

use lifeboat_codec::sign::{SigningKey, verify};
use lifeboat_format::checkpoint::{
    self, Checkpoint, SECTION_CONDEMNS, SECTION_GONE, SECTION_KEEPING, SECTION_LOCKS,
    SECTION_MERGES, SECTION_SCRUBS, SECTION_SNAPSHOTS, decode_condemns, decode_gone,
    decode_keeping, decode_merges, decode_objects, decode_snapshots,
};
use lifeboat_format::entry::{self, LogEntry};
use lifeboat_format::keys::Secret32;
use lifeboat_format::locks::decode_locks;
use lifeboat_format::scrub::decode_scrubs;

const PUBLIC_LEN: usize = 32;
const SIGNATURE_LEN: usize = 64;

/// The input is an entry; so is what comes of replacing its author and signature, which must verify.
#[must_use]
pub fn entry(input: &[u8]) -> bool {
    let accepted = read_entry(input).is_some();
    let Some(unsigned) = input.len().checked_sub(PUBLIC_LEN + SIGNATURE_LEN) else {
        return accepted;
    };
    let signed = sign_again(&input[..unsigned], entry::SIGNATURE_CONTEXT);
    let again = read_entry(&signed);
    assert_eq!(again.is_some(), accepted);
    if let Some(LogEntry { public, signature, .. }) = again {
        let message = LogEntry::signed_part(&signed);
        verify(&public, entry::SIGNATURE_CONTEXT, message, &signature).expect("just signed");
    }
    accepted
}

fn read_entry(input: &[u8]) -> Option<LogEntry> {
    let entry = LogEntry::decode(input).ok()?;
    let unsigned = LogEntry::unsigned(&entry.header, &entry.body, &entry.public);
    let again = LogEntry::assemble(unsigned, &entry.signature).expect("no longer than it was");
    assert!(again.len() <= input.len());
    assert_eq!(LogEntry::decode(&again).as_ref(), Ok(&entry));
    Some(entry)
}

/// The input is a checkpoint; its blocks are decoded whether or not their hashes are right.
#[must_use]
pub fn checkpoint(input: &[u8]) -> bool {
    let Ok(head_len) = Checkpoint::head_len(input) else { return false };
    let Ok(read) = Checkpoint::decode(input) else { return false };
    let head_len = usize::try_from(head_len).expect("it was read from memory");
    let mut signed =
        sign_again(&input[..head_len - PUBLIC_LEN - SIGNATURE_LEN], checkpoint::SIGNATURE_CONTEXT);
    signed.extend(&input[head_len..]);
    let again = Checkpoint::decode(&signed).expect("only author and signature differ");
    let message = Checkpoint::signed_part(&signed).expect("it was read before");
    verify(&again.public, checkpoint::SIGNATURE_CONTEXT, message, &again.signature)
        .expect("just signed");
    let mut blocks = &input[head_len..];
    let mut accepted = true;
    for block in &read.blocks {
        let len = usize::try_from(block.length).map_or(blocks.len(), |len| len.min(blocks.len()));
        let (now, later) = blocks.split_at(len);
        accepted &= block.verify(now).is_ok();
        accepted &= match block.section {
            SECTION_SNAPSHOTS => decode_snapshots(now, block).is_ok(),
            SECTION_MERGES => decode_merges(now, block).is_ok(),
            SECTION_KEEPING => decode_keeping(now, block).is_ok(),
            SECTION_LOCKS => decode_locks(now, block.count).is_ok(),
            SECTION_SCRUBS => decode_scrubs(now, block.count).is_ok(),
            SECTION_CONDEMNS => decode_condemns(now, block).is_ok(),
            SECTION_GONE => decode_gone(now, block).is_ok(),
            _ => decode_objects(now, block).is_ok(),
        };
        blocks = later;
    }
    accepted
}

fn sign_again(unsigned: &[u8], context: &[u8]) -> Vec<u8> {
    let key = SigningKey::from_secret(&Secret32::new([7; 32]));
    let mut signed = [unsigned, &key.public().0].concat();
    let signature = key.sign(context, &signed);
    signed.extend(signature);
    signed
}
