//! A database's dump in SQL: one large text file, a row a line.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use anyhow::Result;

use super::{Edits, length, random::Random, words::Words};

const NAME: &str = "orders.sql";

/// The rows of the first day have even numbers, so that there is room between them.
const STEP: u64 = 2;

pub(super) fn build(folder: &Path, random: Random, bytes: u64) -> Result<()> {
    write(folder, &random, bytes, 1).map(drop)
}

/// Every 300th row or so is changed, and every 500th is followed by a new one.
pub(super) fn edit(folder: &Path, random: Random, bytes: u64, edits: &mut Edits) -> Result<()> {
    edits.change(write(folder, &random, bytes, 2)?);
    Ok(())
}

/// Writes the dump of a day and says how long it is.
fn write(folder: &Path, random: &Random, bytes: u64, day: u64) -> Result<u64> {
    let words = Words::new(random);
    let mut file = BufWriter::with_capacity(1 << 20, File::create(folder.join(NAME))?);
    let mut row = b"SET client_encoding = 'UTF8';\n\n".to_vec();
    let (mut first_day, mut total) = (0, 0);
    let mut number = 0;
    loop {
        file.write_all(&row)?;
        total += length(&row);
        // The number of rows is decided by the first day's bytes on both days.
        if first_day >= bytes {
            break;
        }
        row.clear();
        put_row(&mut row, &words, random, number, 1);
        first_day += length(&row);
        let mut fate = random.branch(number).branch(day);
        if day > 1 && fate.once_in(300) {
            row.clear();
            put_row(&mut row, &words, random, number, day);
        }
        if day > 1 && fate.once_in(500) {
            put_row(&mut row, &words, random, number + 1, day);
        }
        number += STEP;
    }
    file.into_inner()?.sync_all()?;
    Ok(total)
}

fn put_row(out: &mut Vec<u8>, words: &Words, random: &Random, number: u64, day: u64) {
    let mut random = random.branch(number);
    let (customer, cents) = (random.below(100_000), random.below(10_000_000));
    let minute = random.below(1440);
    let state = ["new", "paid", "sent", "closed", "closed", "closed"][random.place(6)];
    write!(
        out,
        "INSERT INTO orders (id, customer, placed, version, state, cents, note) VALUES \
         ({number}, {customer}, '2026-11-{:02} {:02}:{:02}:00+00', {day}, '{state}', {cents}, '",
        1 + number / 7000 % 28,
        minute / 60,
        minute % 60,
    )
    .expect("a Vec takes all bytes");
    let length = random.between(2, 12);
    words.put_sentence(out, &mut random, length);
    out.extend_from_slice(b"');\n");
}
