//! Rust sources: each opens with its subject, none is too long, no promise lacks its issue.

use anyhow::Result;

use super::tree::Tree;

/// The most lines of a file that are neither blank nor only a comment.
const CODE_LINES_MAX: usize = 600;

/// Words in comments that promise work; each must name the issue that will do it.
const PROMISES: [&str; 2] = ["TODO", "FIXME"];

/// Complains about sources without module documentation, too long ones, and loose promises.
pub(super) fn check(tree: &Tree) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for file in tree.with(&["rs"]) {
        let text = tree.text(file)?;
        // `foo/tests.rs` is about `foo.rs`, which says what that is.
        let subject = if file.ends_with("tests.rs") { None } else { undocumented(&text) };
        let found = subject.into_iter().chain(of_text(&text));
        complaints.extend(found.map(|what| format!("{}{what}", file.display())));
    }
    Ok(complaints)
}

fn undocumented(text: &str) -> Option<String> {
    let opens = text.starts_with("//! ");
    (!opens).then(|| ":1: does not open with `//!` and what it owns".to_owned())
}

fn of_text(text: &str) -> impl Iterator<Item = String> {
    let lines = code_lines(text);
    let long = (lines > CODE_LINES_MAX)
        .then(|| format!(": {lines} lines of code, of {CODE_LINES_MAX} at most"));
    let loose = text.lines().enumerate().filter(|(_, line)| is_loose_promise(line));
    let loose = loose.map(|(index, _)| format!(":{}: a promise without `(#issue)`", index + 1));
    long.into_iter().chain(loose)
}

fn code_lines(text: &str) -> usize {
    let lines = text.lines().map(str::trim_start);
    lines.filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

/// Whether a comment of this line has one of the words without an issue's number behind it.
fn is_loose_promise(line: &str) -> bool {
    let Some((_, comment)) = line.split_once("//") else { return false };
    PROMISES.iter().any(|word| {
        comment.split(word).skip(1).any(|rest| {
            let number = rest.strip_prefix("(#").and_then(|rest| rest.split_once(')'));
            number.is_none_or(|(number, _)| number.parse::<u32>().is_err())
        })
    })
}

#[cfg(test)]
mod tests;
