use super::{CODE_LINES_MAX, code_lines, of_text, undocumented};

fn complaints(text: &str) -> Vec<String> {
    of_text(text).collect()
}

#[test]
fn a_file_opens_with_its_subject() {
    assert_eq!(undocumented("//! Sizes of boats.\n\nfn f() {}\n"), None);
    assert!(undocumented("fn f() {}\n").is_some());
    assert!(undocumented("").is_some());
}

#[test]
fn comments_and_blank_lines_are_no_code() {
    assert_eq!(code_lines("//! a\n\n    // b\nfn f() {}\n"), 1);
    let long = format!("//! Long.\n{}", "f();\n".repeat(CODE_LINES_MAX + 1));
    assert_eq!(complaints(&long).len(), 1);
    let commented = format!("//! Long.\n{}", "// f();\n".repeat(CODE_LINES_MAX + 1));
    assert!(complaints(&commented).is_empty());
}

#[test]
fn a_promise_names_its_issue() {
    let word = ["TO", "DO"].concat();
    let text = |rest: &str| format!("//! Boats.\nfn f() {{}} // {word}{rest}\n");
    assert!(complaints(&text("(#12): row")).is_empty());
    for loose in [": row", "(row)", "(#): row", " (#12)"] {
        assert_eq!(complaints(&text(loose)), [":2: a promise without `(#issue)`"], "{loose}");
    }
    assert!(complaints(&format!("//! Boats.\nlet name = \"{word}\";\n")).is_empty());
}
