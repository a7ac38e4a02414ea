//! Source trees: many small text files of a made-up language, some copied between projects.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::Result;

use super::{Edits, files_below, length, random::Random, words::Words};

const HEADER: &str = "// Part of a made-up project. You may use, copy, modify and give on this\n\
                      // file as you like, if you keep this notice in it. There is no warranty.\n\n";

/// One file in this many changes on the next day.
const ONE_CHANGES_IN: u64 = 50;

pub(super) fn build(folder: &Path, mut random: Random, bytes: u64) -> Result<()> {
    let words = Words::new(&random);
    let mut written = 0;
    let mut earlier: Vec<PathBuf> = Vec::new();
    for project in 0.. {
        for part in 0..random.between(4, 12) {
            let place = folder.join(format!("project-{project:03}/part-{part:02}"));
            fs::create_dir_all(&place)?;
            for number in 0..random.between(5, 40) {
                if written >= bytes {
                    return Ok(());
                }
                let path = place.join(format!("{}-{number:02}.src", words.word(&mut random)));
                let text = if !earlier.is_empty() && random.once_in(12) {
                    copied(&earlier[random.place(earlier.len())], &words, &mut random)?
                } else {
                    file(&words, &mut random)
                };
                fs::write(&path, &text)?;
                written += length(&text);
                earlier.push(path);
            }
        }
    }
    Ok(())
}

pub(super) fn edit(folder: &Path, random: Random, _bytes: u64, edits: &mut Edits) -> Result<()> {
    let words = Words::new(&random);
    let mut random = random.branch(2);
    for path in files_below(folder)? {
        if random.once_in(2000) {
            fs::remove_file(&path)?;
            edits.removed += 1;
        } else if random.once_in(ONE_CHANGES_IN) {
            let text = with_a_new_line(&fs::read(&path)?, &words, &mut random);
            fs::write(&path, &text)?;
            edits.change(length(&text));
        } else if random.once_in(1000) {
            let text = file(&words, &mut random);
            fs::write(path.with_extension("new.src"), &text)?;
            edits.add(length(&text));
        }
    }
    Ok(())
}

/// A file of another project, as it is or with a line of its own.
fn copied(from: &Path, words: &Words, random: &mut Random) -> io::Result<Vec<u8>> {
    let text = fs::read(from)?;
    Ok(if random.once_in(2) { text } else { with_a_new_line(&text, words, random) })
}

fn with_a_new_line(text: &[u8], words: &Words, random: &mut Random) -> Vec<u8> {
    let near = random.place(text.len());
    let at = text[near..].iter().position(|byte| *byte == b'\n').map_or(near, |end| near + end + 1);
    let mut edited = text[..at].to_vec();
    statement(&mut edited, words, random, "    ");
    edited.extend_from_slice(&text[at..]);
    edited
}

/// A whole file: most are small, a few are not.
pub(super) fn file(words: &Words, random: &mut Random) -> Vec<u8> {
    let mut text = HEADER.as_bytes().to_vec();
    for _import in 0..random.between(2, 9) {
        text.extend_from_slice(b"use ");
        words.put(&mut text, random);
        text.extend_from_slice(b"::");
        words.put_name(&mut text, random);
        text.extend_from_slice(b";\n");
    }
    let functions = if random.once_in(20) { 120 } else { 14 };
    for _function in 0..random.between(1, functions) {
        function(&mut text, words, random);
    }
    text
}

/// Adds a function with a comment, arguments and a body.
pub(super) fn function(text: &mut Vec<u8>, words: &Words, random: &mut Random) {
    text.extend_from_slice(b"\n/// ");
    let sentence = random.between(5, 14);
    words.put_sentence(text, random, sentence);
    text.extend_from_slice(b".\npub fn ");
    words.put_name(text, random);
    text.extend_from_slice(b"(context: &Context, ");
    words.put(text, random);
    text.extend_from_slice(b": usize) -> Result<()> {\n");
    for _line in 0..random.between(2, 16) {
        statement(text, words, random, "    ");
    }
    text.extend_from_slice(b"    Ok(())\n}\n");
}

fn statement(text: &mut Vec<u8>, words: &Words, random: &mut Random, indent: &str) {
    text.extend_from_slice(indent.as_bytes());
    match random.below(5) {
        0 => {
            text.extend_from_slice(b"if ");
            words.put_name(text, random);
            text.extend_from_slice(b".is_empty() {\n        return Err(Error::new(\"");
            words.put_sentence(text, random, 4);
            text.extend_from_slice(b"\"));\n    }\n");
        }
        1 => {
            text.extend_from_slice(b"// ");
            words.put_sentence(text, random, 9);
            text.push(b'\n');
        }
        _ => {
            text.extend_from_slice(b"let ");
            words.put(text, random);
            text.extend_from_slice(b" = context.");
            words.put_name(text, random);
            let number = random.below(1000);
            writeln!(text, "({number})?;").expect("a Vec takes all bytes");
        }
    }
}
