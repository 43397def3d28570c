//! A plan for reviewers: deletions first, what is alike folded, drift apart from what is intended, what it asks for,
//! and one line that sums up. Its bytes depend on the plan and the look alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::plan::{Action, Asking, Cause, Change, Consent, ConsentKind, Decided, FieldChange, Plan};
use crate::resource::{ObjectKey, Origin};
use crate::stack::Sources;

use super::diagnostics::diagnostics;
use super::look::{Look, Tone};
use super::values;
use super::visible::visible_line;

/// So many changes that are alike are shown each; more are folded.
const ALIKE: usize = 2;
/// So many objects of a consent are named.
const NAMED: usize = 8;

/// What of a plan is unfolded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expand {
    /// Nothing: groups show their first change, and creates no fields.
    #[default]
    Nothing,
    /// The group with this number.
    Group(usize),
    /// Everything.
    All,
}

impl Expand {
    fn shows(self, group: usize) -> bool {
        self == Self::All || self == Self::Group(group)
    }
}

/// A plan as text, ending in a line end.
pub fn plan_text(plan: &Plan, expand: Expand, sources: Option<&Sources>, look: Look) -> String {
    let mut printer = Printer { look, text: String::new() };
    printer.head(plan);
    let intended: Vec<&Change> = plan.changes.iter().filter(|change| !is_drift_alone(change)).collect();
    let groups = groups(&intended);
    for (number, group) in groups.iter().enumerate() {
        printer.group(number + 1, group, expand);
    }
    printer.drift(plan);
    printer.conflicts(plan);
    printer.consents(&plan.consents, expand);
    if !plan.findings.0.is_empty() {
        printer.text.push('\n');
        printer.text.push_str(&diagnostics(&plan.findings, sources, look));
    }
    printer.sum(plan);
    printer.text
}

/// The last lines: how many of each.
pub fn plan_summary(plan: &Plan) -> String {
    let summary = plan.summary();
    let counts = [
        (summary.create, "create"),
        (summary.update, "change"),
        (summary.replace, "replace"),
        (summary.delete, "delete"),
        (summary.adopt, "adopt"),
        (summary.own, "own"),
        (summary.forget, "forget"),
    ];
    let said: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, verb)| format!("{} to {verb}", thousands(*count))).collect();
    let unchanged = thousands(summary.unchanged);
    let unknown = if summary.unknown == 0 { String::new() } else { format!(" {} not readable.", thousands(summary.unknown)) };
    if said.is_empty() {
        let are = if summary.unchanged == 1 { "object is" } else { "objects are" };
        return format!("No changes: {unchanged} {are} as the stack says.{unknown}");
    }
    format!("{}; {unchanged} unchanged.{unknown}", said.join(", "))
}

/// What the server was asked, and whether it contradicted.
fn checked(plan: &Plan) -> String {
    let predicted = plan.changes.iter().filter(|change| change.decided == Decided::Prediction).count();
    if plan.asking == Asking::Nothing {
        return " By prediction alone; not checked by the server.".to_owned();
    }
    let doubts = match plan.doubts.len() {
        0 if plan.asked == 0 => String::new(),
        count => format!(", {} in doubt", thousands(count)),
    };
    match (plan.asked, predicted) {
        (0, 0) => String::new(),
        (0, predicted) => format!(" {} predicted, not checked by the server.", thousands(predicted)),
        (asked, _) => format!(" {} checked by the server{doubts}.", thousands(asked)),
    }
}

/// Whether nothing but what others did is taken back.
fn is_drift_alone(change: &Change) -> bool {
    change.action == Action::Update
        && !change.fields.is_empty()
        && change.fields.iter().all(|field| matches!(field.cause, Cause::Drift { .. }))
}

/// Changes that are alike, in the order of the plan.
fn groups<'a>(changes: &[&'a Change]) -> Vec<Vec<&'a Change>> {
    let mut groups: Vec<Vec<&Change>> = Vec::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for change in changes {
        let place = *known.entry(likeness(change)).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(change),
            None => groups.push(vec![change]),
        }
    }
    groups
}

/// Equal for changes whose text differs in the object's namespace (and what is of it) alone.
fn likeness(change: &Change) -> String {
    let name = change.key.namespace.as_ref().map_or("", |_| change.key.name.as_str());
    let mut likeness = format!("{:?}|{}|{name}|{:?}|{:?}", change.action, change.key.group_kind(), change.notes, change.replace_reasons);
    // What comes or goes as a whole is alike when it is the same thing elsewhere; what changes, when the same fields change alike.
    if matches!(change.action, Action::Update | Action::Replace | Action::Adopt | Action::Own) {
        for field in change.fields.iter().filter(|field| !matches!(field.cause, Cause::Drift { .. })) {
            let _ = write!(likeness, "|{}={:?}→{:?} {:?}", field.path, field.before, field.after, field.cause);
        }
    }
    likeness
}

struct Printer {
    look: Look,
    text: String,
}

impl Printer {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// A line with the place in the stack at its right end.
    fn line_from(&mut self, line: &str, length: usize, origin: Option<&Origin>) {
        let Some(origin) = origin else { return self.line(line) };
        let origin = visible_line(&origin.to_string()).into_owned();
        let room = self.look.width.saturating_sub(length + origin.chars().count());
        let gap = " ".repeat(room.max(2));
        let origin = self.look.paint(Tone::Faint, &origin);
        self.line(&format!("{line}{gap}{origin}"));
    }

    fn head(&mut self, plan: &Plan) {
        let target = &plan.target;
        let revision = if plan.is_empty() {
            format!("revision {}", plan.revision)
        } else {
            format!("revision {} → {}", plan.revision, plan.revision + 1)
        };
        let head = format!(
            "{} · cluster {} ({}) · namespaces {} · {revision}",
            plan.identity, target.context, target.server_version, target.root_namespace
        );
        let head = self.look.paint(Tone::Strong, &visible_line(&head));
        self.line(&head);
        if !target.chosen_by.is_empty() {
            self.line(&format!("chosen by the environment: {}", visible_line(&target.chosen_by.join(" "))));
        }
        if plan.narrowed {
            self.line("narrowed to some objects: the others are neither changed nor deleted");
        }
        self.text.push('\n');
    }

    fn group(&mut self, number: usize, group: &[&Change], expand: Expand) {
        let shown = if expand.shows(number) || group.len() <= ALIKE { group.len() } else { 1 };
        for change in &group[..shown.min(group.len())] {
            self.change(change, expand.shows(number));
        }
        let Some(first) = group.first().filter(|_| shown < group.len()) else { return };
        let pattern = match &first.key.namespace {
            Some(_) => format!("{} */{}", first.key.kind, first.key.name),
            None => format!("{} *", first.key.kind),
        };
        let line = format!("  {} {} more like it ({})", sign(first.action).0, group.len() - shown, visible_line(&pattern));
        let length = line.chars().count();
        let line = self.look.paint(sign(first.action).1, &line);
        let flag = format!("--expand {number}");
        let gap = " ".repeat(self.look.width.saturating_sub(length + flag.len()).max(2));
        let flag = self.look.paint(Tone::Faint, &flag);
        self.line(&format!("{line}{gap}{flag}"));
    }

    fn change(&mut self, change: &Change, whole: bool) {
        let (sign, tone) = sign(change.action);
        let key = visible_line(&change.key.to_string()).into_owned();
        let mut about: Vec<String> = Vec::new();
        match change.action {
            Action::Replace => about.push("replaced".to_owned()),
            Action::Own => about.push("no value changes, only who owns which field".to_owned()),
            Action::Adopt => about.push("made by others, becomes the stack's".to_owned()),
            Action::Forget => about.push("gone already: only the state forgets it".to_owned()),
            Action::Delete | Action::Create | Action::Update => {}
        }
        about.extend(change.notes.iter().cloned());
        let about = visible_line(&about.join(" · ")).into_owned();
        let gap = if about.is_empty() { "" } else { "   " };
        let length = 4 + key.chars().count() + gap.len() + about.chars().count();
        let line = format!("  {} {}{gap}{about}", self.look.paint(tone, &sign.to_string()), self.look.paint(tone, &key));
        self.line_from(&line, length, change.origin.as_ref());
        for reason in &change.replace_reasons {
            self.line(&format!("      can't be changed in place: {}", visible_line(reason)));
        }
        let fields = change.fields.iter().filter(|field| !matches!(field.cause, Cause::Drift { .. }));
        // A whole new object is its file's matter: the line above names it.
        if change.action != Action::Create || whole {
            for field in fields {
                self.field(field, change.origin.as_ref());
            }
        }
    }

    fn field(&mut self, field: &FieldChange, of_object: Option<&Origin>) {
        let room = self.look.width.saturating_sub(6);
        let mut lines = values::change(&field.path.to_string(), field.before.as_ref(), field.after.as_ref(), room, self.look);
        if let (Cause::Server, Some(first)) = (&field.cause, lines.first_mut()) {
            first.push_str(&self.look.paint(Tone::Faint, "  (the server's doing)"));
        }
        let origin = field.origin.as_ref().filter(|origin| of_object.is_none_or(|of| (&of.file, of.line) != (&origin.file, origin.line)));
        for (position, line) in lines.iter().enumerate() {
            let line = format!("      {line}");
            if position == 0 {
                let length = visible_length(&line);
                self.line_from(&line, length, origin);
            } else {
                self.line(&line);
            }
        }
    }

    fn drift(&mut self, plan: &Plan) {
        let of = |change: &Change| change.fields.iter().filter(|field| matches!(field.cause, Cause::Drift { .. })).count();
        if plan.changes.iter().all(|change| of(change) == 0) {
            return;
        }
        let title = self.look.paint(Tone::Strong, "Drift, not of this plan's making; it will be set back");
        self.text.push('\n');
        self.line(&title);
        for change in plan.changes.iter().filter(|change| of(change) > 0) {
            // A change that is drift alone stands here and nowhere else.
            let about = if is_drift_alone(change) { visible_line(&change.notes.join(" · ")).into_owned() } else { String::new() };
            let gap = if about.is_empty() { "" } else { "   " };
            let line = format!("  ! {}", visible_line(&change.key.to_string()));
            let length = line.chars().count() + gap.len() + about.chars().count();
            let line = format!("{}{gap}{about}", self.look.paint(Tone::Warn, &line));
            self.line_from(&line, length, change.origin.as_ref());
            for field in &change.fields {
                let Cause::Drift { by, since } = &field.cause else { continue };
                // The plan's before is what somebody made of it, its after what it goes back to.
                let room = self.look.width.saturating_sub(6);
                for line in values::change(&field.path.to_string(), field.before.as_ref(), field.after.as_ref(), room, self.look) {
                    self.line(&format!("      {line}"));
                }
                let by = by.as_deref().unwrap_or("somebody");
                let since = since.as_ref().map_or_else(String::new, |since| format!(" at {since}"));
                let who = self.look.paint(Tone::Faint, &visible_line(&format!("        changed by {by}{since}")));
                self.line(&who);
            }
        }
    }

    fn conflicts(&mut self, plan: &Plan) {
        let theirs = |change: &Change| change.conflicts.iter().any(|conflict| !conflict.ours_before);
        if !plan.changes.iter().any(theirs) {
            return;
        }
        let title = self.look.paint(Tone::Strong, "Fields that others own");
        self.text.push('\n');
        self.line(&title);
        for change in plan.changes.iter().filter(|change| theirs(change)) {
            let line = self.look.paint(Tone::Bad, &format!("  ! {}", visible_line(&change.key.to_string())));
            self.line(&line);
            for conflict in change.conflicts.iter().filter(|conflict| !conflict.ours_before) {
                let since = conflict.since.as_ref().map_or_else(String::new, |since| format!(" since {since}"));
                let line = format!("        {} is {}'s{since}", conflict.path, conflict.manager);
                self.line(&visible_line(&line));
            }
        }
        self.line("  To take them: --take-ownership");
    }

    fn consents(&mut self, consents: &[Consent], expand: Expand) {
        if consents.is_empty() {
            return;
        }
        let title = self.look.paint(Tone::Strong, "Asks for consent");
        self.text.push('\n');
        self.line(&title);
        for consent in consents {
            let text = visible_line(&consent.text).into_owned();
            let flag = consent.kind.flag();
            let gap = " ".repeat(self.look.width.saturating_sub(4 + text.chars().count() + flag.len()).max(2));
            let mark = self.look.paint(Tone::Warn, "  ? ");
            self.line(&format!("{mark}{text}{gap}{flag}"));
            // Deletions stand above, and a single object in the text.
            if consent.kind == ConsentKind::DeleteBudget || consent.objects.iter().all(|key| consent.text.contains(&key.to_string())) {
                continue;
            }
            let named = if expand == Expand::All { consent.objects.len() } else { NAMED };
            for key in consent.objects.iter().take(named) {
                self.line(&format!("      {}", visible_line(&key.to_string())));
            }
            if consent.objects.len() > named {
                self.line(&format!("      and {} more: --expand all", consent.objects.len() - named));
            }
        }
    }

    fn sum(&mut self, plan: &Plan) {
        if !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
        let summary = self.look.paint(Tone::Strong, &plan_summary(plan));
        let asked = checked(plan);
        self.line(&format!("{summary}{asked}"));
        let never = irreversible(plan);
        if !never.is_empty() {
            let named: Vec<String> = never.iter().take(NAMED).map(|key| visible_line(&key.to_string()).into_owned()).collect();
            let more = if never.len() > NAMED { format!(" and {} more", never.len() - NAMED) } else { String::new() };
            self.line(&format!("Can be undone, but for what is in {}{more}.", named.join(", ")));
        }
    }
}

/// Objects whose content can't be brought back.
fn irreversible(plan: &Plan) -> BTreeSet<&ObjectKey> {
    use ConsentKind::{DeleteDefinition, DeleteNamespace, DeleteVolume};
    let consents = plan.consents.iter().filter(|consent| matches!(consent.kind, DeleteNamespace | DeleteVolume | DeleteDefinition));
    consents.flat_map(|consent| &consent.objects).collect()
}

/// The sign of an action, and its colour.
pub(super) fn sign(action: Action) -> (char, Tone) {
    match action {
        Action::Delete => ('-', Tone::Removed),
        Action::Replace => ('±', Tone::Removed),
        Action::Create => ('+', Tone::Added),
        Action::Adopt => ('>', Tone::Changed),
        Action::Update => ('~', Tone::Changed),
        Action::Own => ('=', Tone::Faint),
        Action::Forget => ('·', Tone::Faint),
    }
}

/// Characters that are seen: without the escapes of colours.
fn visible_length(line: &str) -> usize {
    let mut length = 0;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            chars.by_ref().find(|c| *c == 'm');
        } else {
            length += 1;
        }
    }
    length
}

/// `4,937`.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests;
