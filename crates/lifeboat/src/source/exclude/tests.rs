use std::fs;

use lifeboat_testkit::tree::Scratch;

use super::*;
use crate::source::walk::{Walk, WalkOptions};

/// Makes files (or, of names that end with a slash, directories), each with its name as its content.
fn tree(names: &[&str]) -> Scratch {
    let scratch = Scratch::new().unwrap();
    for name in names {
        let path = scratch.join(name);
        if name.ends_with('/') {
            fs::create_dir_all(path).unwrap();
        } else {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
    }
    scratch
}

fn patterns(patterns: &[&str]) -> ExcludeOptions {
    let patterns = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    ExcludeOptions { patterns, ..Default::default() }
}

/// What a walk finds beside the root. What it says must agree with what `explain` says of every path.
fn kept(root: &Path, options: &ExcludeOptions) -> Vec<String> {
    let excludes = Excludes::new(options).unwrap();
    let walk = Walk::new(root, &WalkOptions::default(), &excludes).unwrap();
    let kept = Vec::from_iter(walk.map(|item| item.unwrap().key.to_string()).skip(1));
    for path in lifeboat_testkit::tree::paths(root).unwrap() {
        let path = String::from_utf8(path).unwrap();
        let explained = excludes.explain(root, &root.join(&path)).unwrap();
        let is_kept = !matches!(explained, Explanation::Excluded { .. });
        assert_eq!(is_kept, kept.contains(&path), "{explained}");
    }
    kept
}

fn explained(root: &Path, path: &str, options: &ExcludeOptions) -> String {
    let excludes = Excludes::new(options).unwrap();
    let text = excludes.explain(root, &root.join(path)).unwrap().to_string();
    text.replace(root.to_str().unwrap(), "ROOT")
}

#[test]
fn patterns_are_those_of_gitignore() {
    let root =
        tree(&["a.o", "b.c", "B.O", "src/a.o", "src/keep.o", "doc/x/y", "x/doc/z", "doc.txt"]);
    let root = root.path();
    assert_eq!(
        kept(root, &patterns(&["*.o"])),
        ["B.O", "b.c", "doc", "doc/x", "doc/x/y", "doc.txt", "src", "x", "x/doc", "x/doc/z"]
    );
    let negated = kept(root, &patterns(&["*.o", "!keep.o"]));
    assert!(negated.contains(&"src/keep.o".into()) && !negated.contains(&"src/a.o".into()));
    let anchored = kept(root, &patterns(&["/doc"]));
    assert!(anchored.contains(&"x/doc/z".into()) && !anchored.contains(&"doc".into()));
    let middle = kept(root, &patterns(&["x/doc"]));
    assert!(middle.contains(&"doc/x/y".into()) && !middle.contains(&"x/doc".into()));
    let below = kept(root, &patterns(&["doc/**"]));
    assert!(below.contains(&"doc".into()) && !below.contains(&"doc/x".into()));
    let stars = kept(root, &patterns(&["**/y", "s?c"]));
    assert!(!stars.contains(&"doc/x/y".into()) && !stars.contains(&"src".into()));
    // The last that matches decides; what is not entered can't be taken back in.
    assert!(!kept(root, &patterns(&["!*.o", "*.o"])).contains(&"a.o".into()));
    assert!(!kept(root, &patterns(&["src", "!src/keep.o"])).contains(&"src/keep.o".into()));
    // Only directories, with a slash at the end.
    assert!(kept(root, &patterns(&["a.o/"])).contains(&"a.o".into()));
    assert!(!kept(root, &patterns(&["doc/"])).contains(&"doc".into()));
}

#[test]
fn absolute_paths_are_patterns_too() {
    let root = tree(&["cache/x", "a/cache/x", "other"]);
    let root = root.path();
    let absolute = root.join("cache");
    let with_absolute = kept(root, &patterns(&[absolute.to_str().unwrap()]));
    assert_eq!(with_absolute, ["a", "a/cache", "a/cache/x", "other"]);
    let parent = root.parent().unwrap().to_str().unwrap();
    let starred = kept(root, &patterns(&[&format!("{parent}/*/a/cache"), "!/other"]));
    assert_eq!(starred, ["a", "cache", "cache/x", "other"]);
    // Taken back in by an absolute one, and the other way round.
    let other = root.join("other");
    let back = format!("!{}", other.to_str().unwrap());
    assert!(kept(root, &patterns(&["other", &back])).contains(&"other".into()));
    assert!(!kept(root, &patterns(&[&back, "/other"])).contains(&"other".into()));
    // The root itself is what was asked for.
    assert_eq!(kept(root, &patterns(&[root.to_str().unwrap()])).len(), 6);
}

#[test]
fn names_that_are_not_utf8_match_by_bytes() {
    use std::os::unix::ffi::OsStrExt;
    let root = tree(&["keep"]);
    fs::write(root.join(OsStr::from_bytes(b"bad\xff\xfename")), "").unwrap();
    let count = |pattern| {
        let excludes = Excludes::new(&patterns(&[pattern])).unwrap();
        Walk::new(root.path(), &WalkOptions::default(), &excludes).unwrap().count()
    };
    assert_eq!(count("nothing"), 3);
    assert_eq!(count("bad??name"), 2);
    assert_eq!(count("bad*"), 2);
    assert_eq!(count("bad?name"), 3);
}

#[test]
fn rules_come_from_files_with_comments_and_are_told_with_their_line() {
    let root = tree(&["a", "b", "#c", "d "]);
    let file = tree(&[]);
    let list = file.join("list");
    fs::write(&list, "\u{feff}# a comment\r\n\r\n/b\r\n\\#c\n  \nd\\ \n").unwrap();
    let options = ExcludeOptions { files: vec![list.clone()], ..Default::default() };
    assert_eq!(kept(root.path(), &options), ["a"]);
    let text = explained(root.path(), "b", &options);
    assert_eq!(
        text,
        format!("ROOT/b is excluded by the rule \"/b\" in {}, line 3", list.display())
    );
    // Patterns come after files.
    let both = ExcludeOptions { patterns: vec!["!b".into()], ..options };
    let text = explained(root.path(), "b", &both);
    assert_eq!(text, "ROOT/b is backed up: kept by the pattern \"!b\"");
}

#[test]
fn rules_that_are_none_are_refused() {
    let refused = |pattern| Excludes::new(&patterns(&[pattern])).unwrap_err().to_string();
    assert!(refused("[z-a]").contains("[z-a]"), "{}", refused("[z-a]"));
    assert!(refused("#name").contains("\\#name"), "{}", refused("#name"));
    assert!(refused("").contains("empty"));
    let scratch = tree(&[]);
    let list = scratch.join("list");
    fs::write(&list, b"good\n\xff\n").unwrap();
    let options = ExcludeOptions { files: vec![list], ..Default::default() };
    let text = Excludes::new(&options).unwrap_err().to_string();
    assert!(text.contains("line 2") && text.contains("UTF-8"), "{text}");
    let options = ExcludeOptions { files: vec![scratch.join("missing")], ..Default::default() };
    let text = Excludes::new(&options).unwrap_err().to_string();
    assert!(text.contains("missing"), "{text}");
    for bad in ["", ":x", "a/b", "..", "."] {
        Mark::parse(bad.as_ref()).unwrap_err();
    }
}

#[test]
fn ignore_files_are_followed_where_that_is_asked_for_and_the_closest_decides() {
    let root =
        tree(&["a.log", "sub/a.log", "sub/b.log", "sub/deep/a.log", "sub/deep/x/only", "x/only"]);
    fs::write(root.join(".lifeboatignore"), "*.log\n/x\n").unwrap();
    fs::write(root.join("sub/.lifeboatignore"), "!a.log\n/deep/x/\n").unwrap();
    fs::write(root.join("sub/deep/.lifeboatignore"), "a.log\n").unwrap();
    let root = root.path();
    assert_eq!(kept(root, &ExcludeOptions::default()).len(), 13);
    let options = ExcludeOptions { ignore_files: true, ..Default::default() };
    let expected = [
        ".lifeboatignore",
        "sub",
        "sub/.lifeboatignore",
        "sub/a.log",
        "sub/deep",
        "sub/deep/.lifeboatignore",
    ];
    assert_eq!(kept(root, &options), expected);
    let text = explained(root, "sub/deep/a.log", &options);
    assert_eq!(
        text,
        "ROOT/sub/deep/a.log is excluded by the rule \"a.log\" in ROOT/sub/deep/.lifeboatignore, line 1"
    );
    let text = explained(root, "sub/a.log", &options);
    assert_eq!(
        text,
        "ROOT/sub/a.log is backed up: kept by the rule \"!a.log\" in ROOT/sub/.lifeboatignore, line 1"
    );
    // The run's own rules stand above them, either way.
    let run = ExcludeOptions { patterns: vec!["sub/a.log".into(), "!b.log".into()], ..options };
    let with_run = kept(root, &run);
    assert!(!with_run.contains(&"sub/a.log".into()) && with_run.contains(&"sub/b.log".into()));
}

#[test]
fn what_is_wrong_in_an_ignore_file_is_a_problem_and_the_rest_holds() {
    let root = tree(&["a", "b", "dir/c", "link/d"]);
    fs::write(root.join(".lifeboatignore"), "[z-a]\na\n").unwrap();
    fs::write(root.join("dir/.lifeboatignore"), vec![b'x'; (1 << 20) + 1]).unwrap();
    std::os::unix::fs::symlink("../dir/c", root.join("link/.lifeboatignore")).unwrap();
    let options = ExcludeOptions { ignore_files: true, ..Default::default() };
    let walk = Walk::new(root.path(), &WalkOptions::default(), &Excludes::new(&options).unwrap());
    let (found, problems): (Vec<_>, Vec<_>) = walk.unwrap().partition(Result::is_ok);
    assert_eq!(found.len(), 9);
    let problems =
        Vec::from_iter(problems.into_iter().map(|problem| problem.unwrap_err().to_string()));
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems[0].contains("line 1"), "{}", problems[0]);
    assert!(problems[1].contains("longer than"), "{}", problems[1]);
    assert!(problems[2].contains("link/.lifeboatignore"), "{}", problems[2]);
}

#[test]
fn marks_keep_the_directory_and_themselves() {
    let root = tree(&["c/x", "c/sub/y", "false/x", "m/.mark", "m/x", "h/.mark", "h/x", "top"]);
    fs::write(root.join("c/CACHEDIR.TAG"), [CACHE_SIGNATURE, b"\n# more"].concat()).unwrap();
    fs::write(root.join("false/CACHEDIR.TAG"), "Signature: something else").unwrap();
    fs::write(root.join("h/.mark"), "no backup, please").unwrap();
    let root = root.path();
    let caches = ExcludeOptions { caches: true, ..Default::default() };
    let with_caches = kept(root, &caches);
    assert!(with_caches.contains(&"c".into()) && with_caches.contains(&"c/CACHEDIR.TAG".into()));
    assert!(!with_caches.contains(&"c/x".into()) && !with_caches.contains(&"c/sub".into()));
    assert!(with_caches.contains(&"false/x".into()));
    let text = explained(root, "c/sub/y", &caches);
    assert_eq!(
        text,
        "ROOT/c/sub/y is excluded because ROOT/c/sub is excluded by the mark ROOT/c/CACHEDIR.TAG"
    );
    let text = explained(root, "c/CACHEDIR.TAG", &caches);
    assert_eq!(text, "ROOT/c/CACHEDIR.TAG is backed up: nothing excludes it");
    let marked = |mark: &str| {
        let if_present = vec![Mark::parse(mark.as_ref()).unwrap()];
        kept(root, &ExcludeOptions { if_present, ..Default::default() })
    };
    let any = marked(".mark");
    assert!(
        any.contains(&"m/.mark".into())
            && !any.contains(&"m/x".into())
            && !any.contains(&"h/x".into())
    );
    let with_header = marked(".mark:no backup");
    assert!(with_header.contains(&"m/x".into()) && !with_header.contains(&"h/x".into()));
    assert!(marked(".mark:no backup, please, at all").contains(&"h/x".into()));
}

#[test]
fn large_files_are_left_out_and_nothing_else() {
    let root = tree(&["small", "dir/large", "dir/limit"]);
    fs::write(root.join("dir/large"), vec![0; 1001]).unwrap();
    fs::write(root.join("dir/limit"), vec![0; 1000]).unwrap();
    let options = ExcludeOptions { larger_than_bytes: Some(1000), ..Default::default() };
    assert_eq!(kept(root.path(), &options), ["dir", "dir/limit", "small"]);
    let text = explained(root.path(), "dir/large", &options);
    assert_eq!(text, "ROOT/dir/large is excluded by its size: 1001 bytes, the limit is 1000");
}

#[test]
fn a_path_is_explained_with_the_directory_that_decides() {
    let root = tree(&["a/b/c"]);
    let options = patterns(&["b/", "d"]);
    let text = |path| explained(root.path(), path, &options);
    assert_eq!(
        text("a/b/c"),
        "ROOT/a/b/c is excluded because ROOT/a/b is excluded by the pattern \"b/\""
    );
    assert_eq!(text("a/b"), "ROOT/a/b is excluded by the pattern \"b/\"");
    assert_eq!(text("a"), "ROOT/a is backed up: nothing excludes it");
    assert_eq!(text(""), "ROOT is backed up: nothing excludes it");
    // What isn't there can be asked about as well.
    assert_eq!(text("x/d"), "ROOT/x/d is excluded by the pattern \"d\"");
    assert_eq!(text("x/b"), "ROOT/x/b is backed up: nothing excludes it");
    assert_eq!(text("x/b/"), "ROOT/x/b is excluded by the pattern \"b/\"");
    let excludes = Excludes::none();
    excludes.explain(root.path(), Path::new("/elsewhere")).unwrap_err();
    excludes.explain(root.path(), &root.join("a/../../x")).unwrap_err();
    excludes.explain(&root.join("missing"), &root.join("missing/x")).unwrap_err();
}

#[test]
fn scopes_deeper_than_a_stack_are_dropped() {
    let mut scope = Scope::default();
    for _ in 0..300_000 {
        let nested = Nested { rules: RuleSet::default(), base_len: 0, above: scope };
        scope = Scope(Some(Arc::new(nested)));
    }
    drop(scope);
}

#[test]
fn what_is_left_out_is_so_by_every_path_and_rule() {
    let scratch = tree(&["own/packs/", "own/config", "other/own/"]);
    let root = scratch.path();
    let options =
        ExcludeOptions { leave_out: vec![root.join("other/../own")], ..patterns(&["!own"]) };
    let found = kept(root, &options);
    assert!(found.iter().any(|path| path == "other/own"), "{found:?}");
    assert!(!found.iter().any(|path| path.starts_with("own")), "{found:?}");
    let explained =
        Excludes::new(&options).unwrap().explain(root, &root.join("own/packs")).unwrap();
    assert!(explained.to_string().contains("the repository is there"), "{explained}");
    // One that is not there is nowhere.
    let options = ExcludeOptions { leave_out: vec![root.join("none")], ..Default::default() };
    assert!(kept(root, &options).iter().any(|path| path.starts_with("own")));
}
