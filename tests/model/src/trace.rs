//! The way to a state, told so that a person can follow it.

use std::fmt::Write;

use crate::{
    Protocol,
    log::Says,
    set::Set,
    setup::{Job, Part},
    state::{Contents, Object, State, Step},
};

/// One step a line, each with what it adds to the log, and at last what is in the store.
pub(crate) fn trace(model: &Protocol, path: Vec<(State, Option<(u8, Step)>)>) -> String {
    let mut lines = String::new();
    let mut told = 0;
    let mut step = "at first".to_owned();
    for (state, next) in path {
        line(&mut lines, &format!("  {step}"));
        for (number, entry) in state.log.iter().enumerate().skip(told) {
            line(&mut lines, &format!("      log/{number}: {}", says(&entry.says)));
        }
        told = state.log.len();
        match next {
            Some((actor, next)) => step = format!("{} {}", who(model, actor), what(&state, next)),
            None => line(&mut lines, &format!("  in the store: {}", store(&state))),
        }
    }
    lines
}

fn line(lines: &mut String, text: &str) {
    writeln!(lines, "{text}").expect("a string takes all that is written");
}

fn who(model: &Protocol, actor: u8) -> String {
    let name = match &model.setup.parts[usize::from(actor)] {
        Part::Run(Job::Backup { parent: None, .. }) => "writer",
        Part::Run(Job::Backup { .. }) => "writer with a parent",
        Part::Run(Job::Replicate { .. }) => "replicator",
        Part::Run(Job::Repack) => "repacker",
        Part::Run(Job::Compact) => "compactor",
        Part::Collector(..) => "collector",
        Part::Keeper(_) => "keeper",
    };
    format!("{name} {actor}")
}

fn what(state: &State, step: Step) -> String {
    match step {
        Step::Look => format!("looks at head {}", state.head()),
        Step::Keep(_) => format!("looks at head {}, and decides", state.head()),
        Step::Close(number) => format!("looks at head {}, to close {number}", state.head()),
        Step::Sweep => "looks for what is deleted and still there".to_owned(),
        Step::List => "lists the store".to_owned(),
        Step::Put(name) => format!("puts {}", object(&state.contents, name)),
        Step::Append => "tries to append".to_owned(),
        Step::AppendUnanswered => "tries to append, and gets no answer".to_owned(),
        Step::Land => "did append what it got no answer for, if the number was free".to_owned(),
        Step::ReadBack => "reads back what became of it".to_owned(),
        Step::Remove(name) => format!("removes {}", object(&state.contents, name)),
        Step::Crash => "crashes".to_owned(),
        Step::Free => "frees the log's numbers so far".to_owned(),
    }
}

fn object(contents: &Contents, name: u8) -> String {
    match contents.of(name) {
        Object::Nothing => format!("nothing {name}"),
        Object::Pack(chunks) => format!("pack {name} (chunks {})", list(chunks)),
        Object::Segment(packs) => format!("segment {name} (of packs {})", list(packs)),
    }
}

fn store(state: &State) -> String {
    let objects = state.present.iter().map(|name| object(&state.contents, name));
    objects.collect::<Vec<_>>().join(", ")
}

fn says(says: &Says) -> String {
    match *says {
        Says::Commit { objects, relied, merged, snapshots } => {
            let mut text = format!("commit of objects {}", list(objects));
            for (word, set) in [("snapshots", snapshots), ("relies on", relied), ("merges", merged)]
            {
                if !set.is_empty() {
                    text.push_str(&format!(", {word} {}", list(set)));
                }
            }
            text
        }
        Says::Forget(snapshot) => format!("forget snapshot {snapshot}"),
        Says::Restore(snapshot) => format!("restore snapshot {snapshot}"),
        Says::Hold(snapshot) => format!("hold snapshot {snapshot}"),
        Says::Condemn { mark, objects, dead } => {
            let (objects, dead) = (list(objects), list(dead));
            format!("condemn, marked at head {mark}: objects {objects}, snapshots {dead} are dead")
        }
        Says::Delete { closes, objects, gone } => {
            let (objects, gone) = (list(objects), list(gone));
            format!("delete, closes {closes}: objects {objects}, snapshots {gone} are gone")
        }
        Says::Swap { removes, adds } => {
            format!("delete of {}, which names {}", list(removes), list(adds))
        }
    }
}

fn list(set: Set) -> String {
    if set.is_empty() {
        return "-".to_owned();
    }
    set.iter().map(|number| number.to_string()).collect::<Vec<_>>().join("+")
}
