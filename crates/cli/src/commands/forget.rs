//! `forget`: lets go of snapshots by rules or by name, and brings them back.

pub(super) mod choice;
mod report;

use anyhow::Result;
use lifeboat_format::id::SnapshotId;
use lifeboat_format::time::Time;
use lifeboat_repo::forget::{
    Guards, TRASH_SECS, Why, forget, forget_unreadable, forgettable, undo,
};
use lifeboat_repo::snapshots::{Filter, Known, Snapshots};

use self::choice::Choice;
use self::report::{Decided, Report};
use super::open::TOOL;
use super::session::{Session, chosen, filter};
use crate::args::ForgetArgs;
use crate::exit::{End, Usage};
use crate::render::Output;
use crate::settings::Settings;

/// How it was said what goes.
enum Way {
    /// By rules, for what the filter leaves.
    Rules(Box<Choice>, Filter),
    /// By name.
    Named(Vec<SnapshotId>),
}

pub(super) fn run(args: &ForgetArgs, settings: &Settings, output: &Output) -> Result<End> {
    // What makes no sense is refused before a store is asked for anything.
    let choice = match (args.snapshots.is_empty(), has_rules(args)) {
        (true, _) => Some(Choice::new(&args.rules)?),
        (false, false) => None,
        (false, true) => {
            let text = "name the snapshots, or give rules of what to keep, but not both";
            return Err(Usage(text.to_owned()).into());
        }
    };
    let filter = filter(&args.select)?;
    let mut session = Session::open(settings, output)?;
    let snapshots = session.snapshots()?;
    let why = Why { reason: args.reason.clone(), tool: TOOL.to_owned() };
    if args.undo {
        return bring_back(args, &mut session, &snapshots, &why, output);
    }
    let unreadable = unreadable(args, &snapshots);
    if !unreadable.is_empty() {
        return give_up(&unreadable, &mut session, &why, output);
    }
    let way = match choice {
        Some(choice) => Way::Rules(Box::new(choice), filter),
        None => {
            let named = chosen(&snapshots, &args.snapshots, &filter)?;
            Way::Named(named.iter().map(|known| known.snapshot.id).collect())
        }
    };
    let now = session.repository.clock().now();
    let mut decided = way.decide(&snapshots, now);
    let (gone, refused) = if args.dry_run {
        let secs = u64::try_from(now.secs).unwrap_or(0);
        let going = forgettable(&snapshots, &decided.going(), secs)?;
        let refused = guards(args).check(&snapshots, &going).err();
        (going, refused.map(|error| error.to_string()))
    } else {
        let gone = forget(
            &session.repository,
            &mut session.fold,
            &guards(args),
            &why,
            |_fold, snapshots| {
                decided = way.decide(snapshots, now);
                Ok(decided.going())
            },
        )?;
        session.remember();
        (gone, None)
    };
    let report = Report { decided, gone, refused, is_dry_run: args.dry_run };
    if output.json {
        report.document(session.warnings(), output)?;
    } else {
        report.print(&way, output)?;
    }
    Ok(End::Done)
}

impl Way {
    fn decide(&self, snapshots: &Snapshots, now: Time) -> Decided {
        match self {
            Self::Rules(choice, filter) => Decided::by_rules(choice, snapshots, filter, now),
            Self::Named(ids) => Decided::by_name(ids.clone()),
        }
    }
}

fn has_rules(args: &ForgetArgs) -> bool {
    Choice::has_rules(&args.rules)
}

fn guards(args: &ForgetArgs) -> Guards {
    if args.yes_really {
        return Guards::OFF;
    }
    Guards { share_percent_max: args.max_share, ..Guards::DEFAULT }
}

/// The snapshots that are named by their whole ids and that nobody can read, where the user insists.
fn unreadable(args: &ForgetArgs, snapshots: &Snapshots) -> Vec<SnapshotId> {
    if !args.yes_really || args.dry_run {
        return Vec::new();
    }
    let named = |id: &SnapshotId| args.snapshots.contains(&id.to_string());
    snapshots.unreadable().iter().map(|unreadable| unreadable.id).filter(named).collect()
}

/// Forgets snapshots that nobody can read.
fn give_up(
    ids: &[SnapshotId],
    session: &mut Session<'_>,
    why: &Why,
    output: &Output,
) -> Result<End> {
    let forgotten = forget_unreadable(&session.repository, &mut session.fold, ids, why)?;
    session.remember();
    if output.json {
        report::given_up(&forgotten, session.warnings(), output)?;
    } else {
        let text = |id: &SnapshotId| format!("snapshot {id}, which can't be read, is forgotten");
        output.lines(forgotten.iter().map(text))?;
    }
    Ok(End::Done)
}

fn bring_back(
    args: &ForgetArgs,
    session: &mut Session<'_>,
    snapshots: &Snapshots,
    why: &Why,
    output: &Output,
) -> Result<End> {
    if has_rules(args) {
        let text = "--undo brings back the snapshots that are named; rules have no part in it";
        return Err(Usage(text.to_owned()).into());
    }
    let found: Result<Vec<&Known>, _> =
        args.snapshots.iter().map(|text| snapshots.resolve_forgotten(text)).collect();
    let ids: Vec<SnapshotId> = found?.iter().map(|known| known.snapshot.id).collect();
    let trash_secs = Some(TRASH_SECS).filter(|_| !args.yes_really);
    let shown = undo(&session.repository, &mut session.fold, &ids, trash_secs, why)?;
    session.remember();
    if output.json {
        report::undone(&shown, session.warnings(), output)?;
    } else {
        output.lines(shown.iter().map(|id| format!("snapshot {:.8} is back", id.to_string())))?;
    }
    Ok(End::Done)
}
