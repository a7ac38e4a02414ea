//! From rules as they were typed to what becomes of each snapshot, group by group.
//!
//! Knows how options become rules and snapshots become facts; what the rules say of these is decided in the library.

use std::collections::BTreeMap;

use anyhow::Result;
use jiff::tz::TimeZone;
use lifeboat_format::id::SnapshotId;
use lifeboat_format::snapshot::Outcome;
use lifeboat_format::time::Time;
use lifeboat_plan::retention::{Candidate, Facts, GroupBy, Period, Policy, Rule, Verdict};
use lifeboat_repo::snapshots::{Filter, Forms, Known, Snapshots};

use super::super::time::zone;
use crate::args::RuleArgs;
use crate::exit::Usage;

/// Rules, what they count for together, and where days begin.
pub(crate) struct Choice {
    pub(crate) policy: Policy,
    pub(crate) group_by: Vec<GroupBy>,
    pub(crate) zone: TimeZone,
}

/// The snapshots of a group.
pub(crate) struct Group<'s> {
    /// What they have in common, by the names of it.
    pub(crate) by: Vec<(&'static str, Vec<String>)>,
    /// The snapshots, the oldest first.
    pub(crate) snapshots: Vec<&'s Known>,
    candidates: Vec<Candidate>,
}

impl Choice {
    /// What these options mean.
    ///
    /// # Errors
    /// [`Usage`] when there is no rule, or a word means nothing.
    pub(crate) fn new(args: &RuleArgs) -> Result<Self> {
        if args.keep_tag.iter().any(|list| tags_of(list).is_empty()) {
            return Err(Usage("--keep-tag: name a tag".to_owned()).into());
        }
        let words = args.group_by.split(',').map(str::trim).filter(|word| !word.is_empty());
        let group_by: Result<Vec<GroupBy>, _> = words.map(str::parse).collect();
        Ok(Self {
            policy: Policy::new(rules(args)).map_err(|error| Usage(error.to_string()))?,
            group_by: group_by.map_err(|error| Usage(format!("--group-by: {error}")))?,
            zone: zone(args.time_zone.as_deref())?,
        })
    }

    /// Whether any rule was typed.
    pub(crate) fn has_rules(args: &RuleArgs) -> bool {
        !rules(args).is_empty()
    }

    /// The snapshots that the filter leaves, in their groups.
    pub(crate) fn groups<'s>(
        &self,
        snapshots: &'s Snapshots,
        filter: &Filter,
        now: Time,
    ) -> Vec<Group<'s>> {
        let forms = snapshots.forms();
        let by_id: BTreeMap<SnapshotId, &Known> =
            snapshots.all().iter().map(|known| (known.snapshot.id, known)).collect();
        let mut groups: BTreeMap<Vec<Vec<String>>, Group<'s>> = BTreeMap::new();
        for known in snapshots.select(filter) {
            let facts = facts(known, &forms, &by_id);
            let values: Vec<Vec<String>> = self.group_by.iter().map(|by| by.of(&facts)).collect();
            let by = self.group_by.iter().map(|by| by.name()).zip(values.clone());
            let group = groups.entry(values).or_insert_with(|| Group {
                by: by.collect(),
                snapshots: Vec::new(),
                candidates: Vec::new(),
            });
            group.snapshots.push(known);
            group.candidates.push(candidate(known, &forms, &by_id, now));
        }
        groups.into_values().collect()
    }
}

impl Group<'_> {
    /// What becomes of each, the newest first.
    pub(crate) fn decide(&self, choice: &Choice, now: Time) -> Vec<Verdict> {
        choice.policy.decide(&self.candidates, &choice.zone, now)
    }

    /// What the rules look at.
    pub(crate) fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// What they have in common, for a heading: the node by a few digits of its key.
    pub(crate) fn title(&self) -> String {
        let shown = |(name, values): &(&'static str, Vec<String>)| {
            let values: Vec<String> = values
                .iter()
                .map(|value| lifeboat::report::escape(value.as_bytes()))
                .map(|value| if *name == "node" { format!("{value:.8}") } else { value })
                .collect();
            format!(
                "{name} {}",
                if values.is_empty() { "none".to_owned() } else { values.join(" ") }
            )
        };
        if self.by.is_empty() {
            return "all snapshots".to_owned();
        }
        self.by.iter().map(shown).collect::<Vec<_>>().join(", ")
    }
}

fn rules(args: &RuleArgs) -> Vec<Rule> {
    let counts = [
        (Period::Each, args.keep_last),
        (Period::Hour, args.keep_hourly),
        (Period::Day, args.keep_daily),
        (Period::Week, args.keep_weekly),
        (Period::Month, args.keep_monthly),
        (Period::Quarter, args.keep_quarterly),
        (Period::Year, args.keep_yearly),
    ];
    let spans = [
        (Period::Each, args.keep_within),
        (Period::Hour, args.keep_within_hourly),
        (Period::Day, args.keep_within_daily),
        (Period::Week, args.keep_within_weekly),
        (Period::Month, args.keep_within_monthly),
        (Period::Quarter, args.keep_within_quarterly),
        (Period::Year, args.keep_within_yearly),
    ];
    let counts = counts
        .into_iter()
        .filter_map(|(period, count)| Some(Rule::Count { period, count: count? }));
    let spans =
        spans.into_iter().filter_map(|(period, span)| Some(Rule::Within { period, span: span? }));
    let tags = args.keep_tag.iter().map(|list| Rule::Tags(tags_of(list)));
    counts.chain(spans).chain(tags).collect()
}

fn tags_of(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect()
}

fn facts(known: &Known, forms: &Forms, by_id: &BTreeMap<SnapshotId, &Known>) -> Facts {
    let snapshot = &known.snapshot;
    // Other marks are signed by whoever changed them; the snapshot is its node's all the same.
    let first = forms.of(&snapshot.id).first().and_then(|id| by_id.get(id));
    Facts {
        node: first.map_or(known.author, |first| first.author).to_string(),
        source: snapshot.source_key.clone(),
        host: snapshot.source.host.clone(),
        paths: snapshot.source.roots.clone(),
        tags: snapshot.tags.clone(),
        policy: snapshot.policy.clone(),
    }
}

fn candidate(
    known: &Known,
    forms: &Forms,
    by_id: &BTreeMap<SnapshotId, &Known>,
    now: Time,
) -> Candidate {
    let now = u64::try_from(now.secs).unwrap_or(0);
    let snapshot = &known.snapshot;
    let all = forms.of(&snapshot.id).iter().filter_map(|id| by_id.get(id));
    Candidate {
        id: snapshot.id,
        time: snapshot.when(),
        tags: snapshot.tags.clone(),
        is_partial: snapshot.outcome != Outcome::Complete,
        is_held: all.filter_map(|form| form.hold).any(|hold| hold.until.holds_at(now)),
    }
}
