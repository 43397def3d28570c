//! What was found of one object holds for the next that is like it. A platform has thousands of objects made after few patterns: two of
//! them differ in their namespace, in labels, in what the server numbers and dates. So where an object was found unchanged, it is kept
//! which texts of it were held against which texts of its configuration, and what nobody looked at. Another one is unchanged too if it
//! and its configuration have the form of these, and differ from them in such texts alone, to the same texts. That takes one run over
//! the nodes of both, and no look at types, at who owns what, or for any name.
//!
//! The law: the verdict is the one that the walk would come to.

use std::collections::HashMap;
use std::ops::Range;

use crate::resource::{FieldPath, OtherTexts, Standing, Tree};

/// So many are kept of one name: objects of one name mostly have one form, or one for each tier.
const FORMS: usize = 4;

/// What was looked at while an object was found unchanged.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Texts of the configuration, each with the text that was held against it and nothing else: that the two are the same.
    same: Vec<(*const (), *const ())>,
    /// What isn't looked at.
    unread: Vec<Standing>,
}

impl Seen {
    /// All of a value of the configuration was held against this.
    pub fn same(&mut self, wanted: Tree<'_>, live: Tree<'_>) {
        if wanted.is_laid_out_as(live) {
            self.same.extend(wanted.places().zip(live.places()));
        }
    }

    /// Nobody looks at what stands there.
    pub fn nothing_at(&mut self, live: Standing) {
        self.unread.push(live);
    }

    pub fn len(&self) -> usize {
        self.same.len()
    }

    /// Of those since then, this text of the configuration has a meaning beside being the same.
    pub fn forget(&mut self, since: usize, wanted: Tree<'_>) {
        let mut place = 0;
        self.same.retain(|(other, _)| {
            place += 1;
            place <= since || *other != wanted.place()
        });
    }
}

/// Objects of a page that were found unchanged.
#[derive(Debug, Default)]
pub struct Precedents<'p> {
    all: Vec<Precedent<'p>>,
    /// By the name that is wanted; the last ones.
    named: HashMap<&'p str, Vec<usize>>,
    /// By how large the configuration is; the last one.
    sized: HashMap<usize, usize>,
    /// Lent to each comparison.
    texts: [OtherTexts<'p>; 2],
}

#[derive(Debug)]
struct Precedent<'p> {
    live: Tree<'p>,
    wanted: Tree<'p>,
    /// What was taken out of the configuration.
    without: Vec<FieldPath>,
    /// Places of the configuration's texts, sorted, each with that of the object's.
    same: Vec<(usize, usize)>,
    /// Where the object isn't looked at, in order.
    unread: Vec<Range<usize>>,
}

impl<'p> Precedents<'p> {
    /// Whether one of them decides that this one is unchanged too.
    pub(super) fn decide(&mut self, live: Tree<'p>, wanted: Tree<'p>, without: &[&FieldPath]) -> bool {
        let named = self.named.get(name_of(wanted)).map(Vec::as_slice).unwrap_or_default();
        let sized = self.sized.get(&wanted.width()).filter(|_| named.is_empty());
        let texts = &mut self.texts;
        named.iter().rev().chain(sized).any(|place| self.all.get(*place).is_some_and(|of| of.decides(live, wanted, without, texts)))
    }

    /// One more.
    pub(super) fn add(&mut self, live: Tree<'p>, wanted: Tree<'p>, without: &[&FieldPath], seen: &Seen) {
        let mut same: Vec<_> = seen.same.iter().filter_map(|(a, b)| Some((wanted.position_of(*a)?, live.position_of(*b)?))).collect();
        same.sort_unstable();
        let mut unread: Vec<_> = seen.unread.iter().filter_map(|standing| live.range_of(*standing)).collect();
        unread.sort_unstable_by_key(|range| range.start);
        let place = self.all.len();
        self.all.push(Precedent { live, wanted, without: without.iter().map(|path| (*path).clone()).collect(), same, unread });
        let named = self.named.entry(name_of(wanted)).or_default();
        if named.len() == FORMS {
            named.remove(0);
        }
        named.push(place);
        self.sized.insert(wanted.width(), place);
    }
}

fn name_of(wanted: Tree<'_>) -> &str {
    wanted.at(&["metadata", "name"]).and_then(Tree::text).unwrap_or_default()
}

impl<'p> Precedent<'p> {
    fn decides(&self, live: Tree<'p>, wanted: Tree<'p>, without: &[&FieldPath], [in_wanted, in_live]: &mut [OtherTexts<'p>; 2]) -> bool {
        if !self.wanted.differs_in_texts(wanted, &[], in_wanted)
            || !self.live.differs_in_texts(live, &self.unread, in_live)
            || in_wanted.len() != in_live.len()
            || !self.without.iter().eq(without.iter().copied())
        {
            return false;
        }
        // There are few. Each text is at one place, so as many that are the same are all.
        in_wanted.iter().all(|(place, text)| {
            let held_against = self.same.binary_search_by_key(place, |(wanted, _)| *wanted).ok().and_then(|found| self.same.get(found));
            held_against.is_some_and(|(_, place)| in_live.iter().any(|(other, live)| other == place && live == text))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Verdict, unchanged_by};
    use super::*;
    use crate::resource::{GroupVersionKind, Tape};
    use crate::schema::{Minor, built_in};
    use serde_json::{Value, json};

    fn wanted(namespace: &str, image: &str) -> Value {
        let template = json!({"metadata": {"labels": {"app": "a", "of": namespace}}, "spec": {"containers": [{"name": "c", "image": image, "args": ["--of", namespace]}]}});
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "namespace": namespace, "labels": {"of": namespace}},
            "spec": {"selector": {"matchLabels": {"app": "a", "of": namespace}}, "template": template}})
    }

    /// As it is live, with what the server adds.
    fn live(mut wanted: Value, uid: &str) -> Value {
        let labels = json!({"f:labels": {"f:of": {}}});
        let container = json!({".": {}, "f:name": {}, "f:image": {}, "f:args": {}});
        let pod =
            json!({"f:metadata": {"f:labels": {"f:app": {}, "f:of": {}}}, "f:spec": {"f:containers": {"k:{\"name\":\"c\"}": container}}});
        let entry = json!({"manager": "m", "operation": "Apply", "apiVersion": "apps/v1", "time": uid, "fieldsType": "FieldsV1",
            "fieldsV1": {"f:metadata": labels, "f:spec": {"f:selector": {}, "f:template": pod}}});
        wanted["metadata"]["uid"] = json!(uid);
        wanted["metadata"]["generation"] = json!(uid.len());
        wanted["metadata"]["managedFields"] = json!([entry]);
        wanted["spec"]["replicas"] = json!(uid.len());
        wanted["status"] = json!({"conditions": vec![json!({"type": "Available"}); uid.len()]});
        wanted
    }

    /// Whether the first decides of the second; and that the verdict is the same as without it.
    fn decides(first: (&Value, &Value), second: (&Value, &Value)) -> bool {
        let of = built_in(Minor::DEFAULT).kind(&GroupVersionKind::from_api_version("apps/v1", "Deployment")).unwrap();
        let tapes = [first.0, first.1, second.0, second.1].map(Tape::from);
        let [live, wanted, other_live, other_wanted] = tapes.each_ref().map(Tape::tree);
        let mut precedents = Precedents::default();
        assert_eq!(unchanged_by(&mut precedents, live, wanted, &[], "m", of), Verdict::Unchanged);
        let decided = precedents.decide(other_live, other_wanted, &[]);
        let whole = unchanged_by(&mut Precedents::default(), other_live, other_wanted, &[], "m", of);
        assert!(!decided || whole == Verdict::Unchanged);
        decided
    }

    #[test]
    fn one_that_differs_in_the_same_texts_as_what_is_wanted_of_it_is_decided() {
        let (a, b) = (wanted("a", "i:1"), wanted("bb", "i:2"));
        assert!(decides((&live(a.clone(), "1"), &a), (&live(b.clone(), "22"), &b)));
    }

    #[test]
    fn one_that_differs_otherwise_is_not() {
        let (a, b) = (wanted("a", "i:1"), wanted("b", "i:1"));
        let first = live(a.clone(), "1");
        // What is live isn't what is wanted.
        assert!(!decides((&first, &a), (&first, &b)) && !decides((&first, &a), (&live(b.clone(), "2"), &a)));
        assert!(!decides((&first, &a), (&live(wanted("b", "i:2"), "2"), &b)));
        // The name of a container is its key; a manager's name is none that was held against anything.
        let (mut wanted, mut other) = (b.clone(), live(b.clone(), "2"));
        for value in [&mut wanted, &mut other] {
            value["spec"]["template"]["spec"]["containers"][0]["name"] = json!("d");
        }
        assert!(!decides((&first, &a), (&other, &wanted)));
        let mut other = live(b.clone(), "2");
        other["metadata"]["managedFields"][0]["manager"] = json!("n");
        assert!(!decides((&first, &a), (&other, &b)));
        // Fields that are there in one alone.
        let mut other = live(b.clone(), "2");
        other["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert!(!decides((&first, &a), (&other, &b)));
    }
}
