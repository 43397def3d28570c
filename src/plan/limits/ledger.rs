//! The quotas of a namespace, wave by wave: what the plan adds, what goes, what a roll-out needs for a while, and what
//! autoscalers could come to.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::admission::quota::{Counted, Quota, usage};
use crate::admission::{Amounts, pod_of};
use crate::resource::{Diagnostic, Diagnostics, FieldPath, Object, ObjectKey, Severity};

use super::pods::{after, claims, complete};
use super::{Here, changes_template, copies};
use crate::plan::{Action, Change};

/// Finds what doesn't fit.
pub(super) fn check(here: &Here<'_>, refused: &BTreeSet<&ObjectKey>, findings: &mut Diagnostics) {
    if here.quotas.is_empty() && !here.changes.iter().any(|change| is_quota(&change.key)) {
        return;
    }
    let mut found = tally(here, refused, Moment::Now);
    let moving: Vec<&Object> = live(here).filter(|object| copies::moves(object)).collect();
    if let Some(first) = moving.first()
        && found.iter().any(Finding::is_error)
    {
        let lasting = tally(here, refused, Moment::AtRest);
        for finding in found.iter_mut().filter(|finding| finding.is_error()) {
            if !lasting.iter().any(|other| other.is_error() && other.is_of(finding)) {
                finding.passes(first, moving.len() - 1);
            }
        }
    }
    findings.0.extend(found.into_iter().map(|finding| finding.diagnostic));
}

fn is_quota(key: &ObjectKey) -> bool {
    key.kind == "ResourceQuota" && key.group.is_empty()
}

/// At which moment the plan begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// With the pods there are, and what the server says is used.
    Now,
    /// When what moves has come to rest: no pods but those that are asked for. What others use isn't known then, so
    /// there is at least this much.
    AtRest,
}

/// What doesn't fit, and of which object that is said.
struct Finding {
    about: Option<ObjectKey>,
    diagnostic: Diagnostic,
}

impl Finding {
    fn of(change: &Change, diagnostic: Diagnostic) -> Self {
        Self { about: Some(change.key.clone()), diagnostic }
    }

    fn is_error(&self) -> bool {
        self.diagnostic.severity == Severity::Error
    }

    fn is_of(&self, other: &Self) -> bool {
        self.about == other.about && self.diagnostic.code == other.diagnostic.code
    }

    /// It holds as long as there are pods that are about to go: of this one, and of so many more.
    fn passes(&mut self, moving: &Object, more: usize) {
        let whose = if more == 0 { moving.key().to_string() } else { format!("{} and {more} more", moving.key()) };
        self.diagnostic.severity = Severity::Warning;
        let passing = format!("{}; {whose} changes just now, and pods of it that are about to go still count", self.diagnostic.message);
        self.diagnostic.message = passing;
        self.diagnostic.help = Some("there is room once it has come to rest: an apply waits for that".to_owned());
    }
}

fn live<'p>(here: &Here<'p>) -> impl Iterator<Item = &'p Object> {
    here.changes.iter().filter_map(|change| change.live.as_ref()).chain(here.standing.iter().copied())
}

fn tally(here: &Here<'_>, refused: &BTreeSet<&ObjectKey>, moment: Moment) -> Vec<Finding> {
    let mut ledger = Ledger::open(here, moment);
    let mut steps: Vec<&Change> = here.changes.iter().copied().filter(|change| !refused.contains(&change.key)).collect();
    // In a wave: what makes room first. Controllers try again until there is some.
    steps.sort_by_cached_key(|change| (change.wave, rank(here, change), change.key.clone()));
    let mut wave = 0;
    for change in steps {
        if change.wave > wave {
            wave = change.wave;
            ledger.end_wave();
        }
        if is_quota(&change.key) {
            ledger.change_quota(change);
        }
        ledger.carry_out(change);
    }
    ledger.end_wave();
    ledger.close()
}

fn rank(here: &Here<'_>, change: &Change) -> u8 {
    match change.action {
        _ if change.key.kind == "ResourceQuota" => 0,
        Action::Delete => 1,
        _ => {
            let total = |object: Option<&Object>, pods: u64, wave: Option<usize>| {
                object.map(|object| Use::of(here, object, pods, wave).total()).unwrap_or_default()
            };
            let after = after(change);
            let pods = after.map_or(0, |after| copies::wanted(after, change.live.as_ref()));
            let now = total(change.live.as_ref(), change.live.as_ref().map_or(0, copies::running), None);
            let grows = total(after, pods, Some(change.wave)).iter().any(|(name, amount)| now.get(name).is_none_or(|held| amount > held));
            if grows { 3 } else { 2 }
        }
    }
}

/// What an object uses: itself, its pods, its claims.
#[derive(Clone, Debug)]
struct Use<'p> {
    object: Cow<'p, Object>,
    plural: String,
    pod: Option<Object>,
    pods: u64,
}

impl<'p> Use<'p> {
    /// Of an object as the plan makes it in this wave; None: as it is.
    fn of(here: &Here<'_>, object: &'p Object, pods: u64, wave: Option<usize>) -> Self {
        let mut pod = pod_of(object);
        // A pod that the server has seen is complete.
        if let Some(pod) = pod.as_mut().filter(|pod| pod.uid().is_none()) {
            complete(here, pod, wave);
        }
        let plural = here.plural(object);
        match pod {
            Some(pod) if object.kind() == "Pod" => Self { plural, object: Cow::Owned(pod), pod: None, pods },
            pod => Self { plural, object: Cow::Borrowed(object), pod, pods },
        }
    }

    /// By all names, whatever a quota is about.
    fn total(&self) -> Amounts {
        let mut sum = usage(&self.object, &self.plural, None);
        if let Some(pod) = &self.pod {
            sum.add(&usage(pod, "pods", None).times(self.pods));
        }
        sum
    }

    /// What of it a quota counts: the object, and its pods.
    fn counted(&self, quota: &Quota) -> Amounts {
        let mut sum = charged(quota, &self.object, &self.plural);
        sum.add(&self.one_pod(quota).times(self.pods));
        sum
    }

    fn one_pod(&self, quota: &Quota) -> Amounts {
        self.pod.as_ref().map(|pod| charged(quota, pod, "pods")).unwrap_or_default()
    }
}

fn charged(quota: &Quota, object: &Object, plural: &str) -> Amounts {
    let counted = Counted { object, plural };
    if quota.applies_to(counted) { usage(object, plural, None).masked(&quota.hard).without_zeros() } else { Amounts::default() }
}

/// A quota as it is at a moment of the plan.
struct Account<'p> {
    quota: Quota,
    /// The plan changes it: by this.
    by: Option<&'p Change>,
    /// It was passed already: one finding is enough for what can only follow.
    passed: bool,
}

struct Ledger<'h, 'p> {
    here: &'h Here<'p>,
    findings: Vec<Finding>,
    accounts: BTreeMap<String, Account<'p>>,
    present: BTreeMap<ObjectKey, Use<'p>>,
    /// What runs in this wave and is over with it.
    passing: Vec<ObjectKey>,
}

impl<'h, 'p> Ledger<'h, 'p> {
    fn open(here: &'h Here<'p>, moment: Moment) -> Self {
        let mut ledger = Self { here, findings: Vec::new(), accounts: BTreeMap::new(), present: BTreeMap::new(), passing: Vec::new() };
        for object in live(here) {
            let pods = if moment == Moment::Now { copies::running(object) } else { copies::wanted(object, Some(object)) };
            ledger.present.insert(object.key(), Use::of(here, object, pods, None));
        }
        for object in &here.quotas {
            let mut quota = Quota::of(object).settled();
            if moment == Moment::AtRest {
                quota.used = ledger.in_use(&quota);
            }
            ledger.accounts.insert(object.name().to_owned(), Account { quota, by: None, passed: false });
        }
        ledger
    }

    /// What of a quota is used by all that is known to be there.
    fn in_use(&self, quota: &Quota) -> Amounts {
        let mut used = Amounts::default();
        for each in self.present.values() {
            used.add(&each.counted(quota));
        }
        used
    }

    /// A quota comes, changes or goes.
    fn change_quota(&mut self, change: &'p Change) {
        let Some(after) = after(change) else {
            self.accounts.remove(&change.key.name);
            return;
        };
        let mut quota = Quota::of(after);
        // Its controller has not seen this one yet.
        quota.hard = Amounts::of(&after.value()["spec"]["hard"]);
        let known = self.accounts.get(&change.key.name).map(|account| account.quota.used.masked(&quota.hard)).unwrap_or_default();
        quota.used = self.in_use(&quota);
        for (name, amount) in known.iter() {
            quota.used.set(name, amount.clone());
        }
        self.accounts.insert(change.key.name.clone(), Account { quota: quota.settled(), by: Some(change), passed: false });
    }

    fn carry_out(&mut self, change: &'p Change) {
        let before = self.present.remove(&change.key);
        let Some(after) = after(change) else {
            if let Some(before) = before {
                self.book(&before, |quota, each| Amounts::default().minus(&each.counted(quota)));
            }
            return;
        };
        let pods = copies::wanted(after, change.live.as_ref());
        let now = Use::of(self.here, after, pods, Some(change.wave));
        let fits = self.fits(change, before.as_ref(), &now);
        if fits {
            self.rolls_out(change, after, before.as_ref(), &now);
            self.claims(change, after, before.as_ref().map_or(0, |before| before.pods));
            let empty = before.clone();
            self.book(&now, |quota, each| {
                let held = empty.as_ref().map(|before| before.counted(quota)).unwrap_or_default();
                each.counted(quota).minus(&held)
            });
            if copies::ends(after) {
                self.passing.push(change.key.clone());
            }
            self.present.insert(change.key.clone(), now);
        } else if let Some(before) = before {
            self.present.insert(change.key.clone(), before);
        }
    }

    fn book(&mut self, each: &Use<'_>, added: impl Fn(&Quota, &Use<'_>) -> Amounts) {
        for account in self.accounts.values_mut() {
            let added = added(&account.quota, each).masked(&account.quota.hard);
            account.quota.used.add(&added);
        }
    }

    /// What stands in the end must fit.
    fn fits(&mut self, change: &'p Change, before: Option<&Use<'_>>, now: &Use<'_>) -> bool {
        let mut fits = true;
        for account in self.accounts.values_mut() {
            let held = before.map(|before| before.counted(&account.quota)).unwrap_or_default();
            let added = now.counted(&account.quota).minus_at_most(&held).without_zeros();
            let Some(words) = account.quota.refuses(&added) else { continue };
            fits = false;
            account.passed = true;
            let what = match (now.pods, now.pod.is_some()) {
                (_, false) => format!("{} does not fit in {} beside the rest of the plan", change.key, self.here.name),
                (pods, true) => {
                    format!("the {} of {} {} not fit in {}", count(pods), change.key, if pods == 1 { "does" } else { "do" }, self.here.name)
                }
            };
            let path: &[&str] = if now.pod.is_some() { &["spec", "replicas"] } else { &["spec"] };
            let finding = Diagnostic::error("plan::exceeds_quota", format!("{what}: {words}"));
            self.findings.push(Finding::of(change, explained(finding, change, path, account)));
        }
        fits
    }

    /// What a roll-out needs for a while: at least one new pod, where no old one may go before it.
    fn rolls_out(&mut self, change: &'p Change, after: &Object, before: Option<&Use<'_>>, now: &Use<'_>) {
        let running = before.map_or(0, |before| before.pods);
        if running == 0 || change.action == Action::Replace || !changes_template(change) {
            return;
        }
        let Some(roll_out) = copies::roll_out(after, now.pods).filter(|roll_out| roll_out.surge > 0) else { return };
        for account in self.accounts.values_mut() {
            let one = now.one_pod(&account.quota);
            let least = u64::from(roll_out.unavailable == 0);
            let stuck = account.quota.refuses(&one.times(least));
            let Some(words) = stuck.clone().or_else(|| account.quota.refuses(&one.times(roll_out.surge))) else { continue };
            let finding = if stuck.is_some() {
                let text = format!(
                    "the roll-out of {} can't begin: no old pod may go before a new one is there, and there is no room for it: {words}",
                    change.key
                );
                Diagnostic::error("plan::roll_out_stuck", text)
            } else {
                let text = format!(
                    "the roll-out of {} has no room for {} at once beside the old ones, and goes slower: {words}",
                    change.key,
                    count(roll_out.surge)
                );
                Diagnostic::warning("plan::roll_out_slow", text)
            };
            self.findings.push(Finding::of(change, explained(finding, change, &["spec", "strategy"], account)));
        }
    }

    /// Claims that come with new pods. Some may be there from before, so nothing is certain in a namespace that exists.
    fn claims(&mut self, change: &'p Change, after: &Object, running: u64) {
        let more = copies::wanted(after, change.live.as_ref()).saturating_sub(running);
        for claim in claims(after).into_iter().filter(|_| more > 0) {
            for account in self.accounts.values_mut() {
                let added = charged(&account.quota, &claim, "persistentvolumeclaims").times(more);
                if let Some(words) = account.quota.refuses(&added) {
                    let text = format!("the claims `{}` of {} do not fit in {}: {words}", claim.name(), change.key, self.here.name);
                    let code = "plan::exceeds_quota";
                    let finding = if self.here.is_new { Diagnostic::error(code, text) } else { Diagnostic::warning(code, text) };
                    self.findings.push(Finding::of(change, explained(finding, change, &["spec", "volumeClaimTemplates"], account)));
                } else {
                    account.quota.used.add(&added);
                }
            }
        }
    }

    /// What ends by itself has ended: its pods count no more.
    fn end_wave(&mut self) {
        for key in std::mem::take(&mut self.passing) {
            let Some(mut over) = self.present.remove(&key) else { continue };
            let pods = over.pods;
            self.book(&over, |quota, each| Amounts::default().minus(&each.one_pod(quota).times(pods)));
            over.pods = 0;
            self.present.insert(key, over);
        }
    }

    /// What can still come: autoscalers at their ceilings; and quotas that are passed by what is there.
    fn close(self) -> Vec<Finding> {
        let mut findings = self.findings;
        let autoscalers = self.present.values().map(|each| &each.object).filter(|object| object.kind() == "HorizontalPodAutoscaler");
        let mut ceilings: BTreeMap<(String, String), u64> = BTreeMap::new();
        for object in autoscalers {
            let spec = &object.value()["spec"];
            let target = &spec["scaleTargetRef"];
            let text = |name: &str| target[name].as_str().unwrap_or_default().to_owned();
            ceilings.insert((text("kind"), text("name")), spec["maxReplicas"].as_u64().unwrap_or(0));
        }
        for account in self.accounts.values().filter(|account| !account.passed) {
            if let Some(by) = account.by.filter(|_| account.quota.refuses(&Amounts::default()).is_none()) {
                let over = account.quota.used.beyond(&account.quota.hard);
                if !over.is_empty() {
                    let hard = account.quota.hard.masked(&over);
                    let text = format!(
                        "{} gives less than is used: used: {over}, limited: {hard}; what is there stays, and nothing new comes",
                        by.key
                    );
                    let finding = Diagnostic::warning("plan::quota_below_use", text);
                    let finding = placed(finding, by, &["spec", "hard"]);
                    let help = "a roll-out needs room for new pods beside the old ones: give more, or use less";
                    findings.push(Finding::of(by, finding.help(help)));
                    continue;
                }
            }
            let mut more = Amounts::default();
            for each in self.present.values() {
                let key = (each.object.kind().to_owned(), each.object.name().to_owned());
                if let Some(ceiling) = ceilings.get(&key) {
                    more.add(&each.one_pod(&account.quota).times(ceiling.saturating_sub(each.pods)));
                }
            }
            if let Some(words) = account.quota.refuses(&more) {
                let text = format!("the autoscalers of {} can't come to their ceilings: {words}", self.here.name);
                let finding = Diagnostic::warning("plan::quota_ceiling", text);
                let finding = match account.by {
                    Some(by) => placed(finding, by, &["spec", "hard"]),
                    None => finding,
                };
                let help = "raise the quota, or lower `replicas.max`: under load they stop where the quota ends";
                findings.push(Finding { about: None, diagnostic: finding.help(help) });
            }
        }
        findings
    }
}

fn count(pods: u64) -> String {
    if pods == 1 { "1 pod".to_owned() } else { format!("{pods} pods") }
}

/// Where it is declared, and what else there is to it.
fn explained(finding: Diagnostic, change: &Change, path: &[&str], account: &Account<'_>) -> Diagnostic {
    let finding = placed(finding, change, path);
    let own =
        account.by.and_then(|by| by.desired.as_ref()).and_then(|desired| desired.declared.origin_of(&FieldPath::fields(&["spec", "hard"])));
    let finding = finding.at_maybe(own, "the quota");
    finding.help(format!("raise the quota `{}`, ask for less, or make room for it first", account.quota.name))
}

fn placed(finding: Diagnostic, change: &Change, path: &[&str]) -> Diagnostic {
    let declared = change.desired.as_ref().and_then(|desired| desired.declared.origin_of(&FieldPath::fields(path)));
    finding.at_maybe(declared.or(change.origin.as_ref()), "declared here")
}
