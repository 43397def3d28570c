//! What a service makes of itself, made once for all places where it is alike. Thousands of tenants have the same services:
//! what these make differs in the namespace and in labels. So the first place's objects are kept, settled, as a pattern, and
//! the others' are made after it.
//!
//! That holds for objects that name nothing but what is in their own namespace, see [`can_be`]; and where nothing was to be
//! said about the first one's: what is wrong is told of in each place.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde_json::Value;

use crate::resource::{Desired, Object, Origin, pod_template_path};
use crate::stack::{Place, PlaceKind, Resolved};

use super::context::{PlaceContext, ServiceContext};
use super::labels;
use super::patches::Patches;

/// So many services have to be alike: a pattern is more work than to make an object or two once more.
const WORTH_IT: usize = 4;

const NAMESPACE: &[&str] = &["metadata", "namespace"];
const LABELS: &[&str] = &["metadata", "labels"];

/// The patterns of a stack, by the number of the instances that are alike.
pub(super) struct Patterns<'a>(HashMap<usize, OnceLock<Pattern<'a>>>);

/// What one of them made.
struct Pattern<'a> {
    at: PlaceContext<'a>,
    /// The objects, without their namespace and labels.
    objects: Vec<Desired>,
}

impl<'a> Patterns<'a> {
    /// No patterns yet, of any of these instances.
    pub fn of(resolved: &'a Resolved) -> Self {
        let instances = resolved.places.iter().flat_map(|place| place.services.values());
        let mut counts: HashMap<usize, usize> = HashMap::new();
        for number in instances.filter_map(|instance| instance.alike) {
            *counts.entry(number).or_default() += 1;
        }
        Self(counts.into_iter().filter(|(_, count)| *count >= WORTH_IT).map(|(number, _)| (number, OnceLock::new())).collect())
    }

    /// A service's objects after those of the first like it, if there is one.
    pub fn make(&self, service: &ServiceContext<'_>) -> Option<Vec<Desired>> {
        let pattern = self.0.get(&service.instance.alike?)?.get()?;
        is_like(&pattern.at, &service.at).then(|| pattern.make(service))
    }

    /// Keeps the settled objects of a service in a place as a pattern, if they can be one.
    pub fn keep(&self, at: PlaceContext<'a>, service: &ServiceContext<'_>, objects: &[Desired], patches: &Patches<'_>) {
        if !can_be(service) || objects.iter().any(|desired| patches.may_touch_identity(desired)) {
            return;
        }
        if let Some(pattern) = service.instance.alike.and_then(|number| self.0.get(&number)) {
            // Somebody else's may have been first, and is as good.
            pattern.get_or_init(|| {
                let objects = objects.iter().map(|desired| Desired { object: bare(&desired.object), ..desired.clone() }).collect();
                Pattern { at, objects }
            });
        }
    }
}

impl Pattern<'_> {
    fn make(&self, service: &ServiceContext<'_>) -> Vec<Desired> {
        let (own, of_pods) = (Value::Object(service.labels().as_ref().clone()), Value::Object(labels::of_pods(service)));
        let namespace = Value::from(service.namespace());
        let objects = self.objects.iter().map(|pattern| {
            let pods_labels = pods_labels(&pattern.object);
            let mut others: Vec<(&[&str], &Value)> = vec![(NAMESPACE, &namespace), (LABELS, &own)];
            others.extend(pods_labels.as_deref().map(|path| (path, &of_pods)));
            let object = pattern.object.with(&others);
            let mut desired = Desired {
                object,
                scope: service.scope(),
                edges: pattern.edges.clone(),
                declared: pattern.declared.clone(),
                lifecycle: pattern.lifecycle.clone(),
                hand_overs: pattern.hand_overs.clone(),
                sensitive: pattern.sensitive.clone(),
            };
            for hand_over in &mut desired.hand_overs {
                hand_over.to.namespace = Some(service.namespace().to_owned());
            }
            desired
        });
        objects.collect()
    }
}

/// An object without the texts that [`Pattern::make`] fills in: the names of labels are the same for most places.
fn bare(object: &Object) -> Object {
    let pods_labels = pods_labels(object);
    let places: Vec<&[&str]> = [NAMESPACE, LABELS].into_iter().chain(pods_labels.as_deref()).collect();
    object.mould(&places)
}

/// Where the labels of its pods stand.
fn pods_labels(object: &Object) -> Option<Vec<&'static str>> {
    pod_template_path(object.group(), object.kind()).map(|template| [template, LABELS].concat())
}

/// Whether a service's objects can be a pattern: their namespace stands where every object's does, their labels there and on
/// their pods. A RoleBinding names its account's namespace; a CronJob's Jobs have labels too, and a Job is named after what it
/// runs. (Patches may write labels, but then they touch what identifies objects.)
fn can_be(service: &ServiceContext<'_>) -> bool {
    service.is_serving() && service.spec().rights.is_empty()
}

/// Whether places give services that are alike the same, but for the namespace and labels.
fn is_like(a: &PlaceContext<'_>, b: &PlaceContext<'_>) -> bool {
    a.place.annotations == b.place.annotations
        && secrets(a.place).eq(secrets(b.place))
        && a.place.tenancy == b.place.tenancy
        && figures(a) == figures(b)
        && !has_patches(a.place)
        && !has_patches(b.place)
}

/// The names that services call secrets by, and those of the Secrets in the cluster.
fn secrets(place: &Place) -> impl Iterator<Item = (&str, &str)> {
    place.secrets.iter().map(|(name, secret)| (name.as_str(), secret.object_name.as_str()))
}

/// The lines of the tier's figures.
fn figures<'a>(at: &PlaceContext<'a>) -> [Option<&'a Origin>; 3] {
    let said = at.tier().map_or([false; 3], |tier| [tier.cpu.is_some(), tier.memory.is_some(), tier.replicas.is_some()]);
    let line = |path: &str, said: bool| said.then(|| at.origin(path));
    [line("tier.cpu", said[0]), line("tier.memory", said[1]), line("tier.replicas", said[2])]
}

/// Whether the place itself changes objects that are in it.
fn has_patches(place: &Place) -> bool {
    matches!(&place.kind, PlaceKind::Tenant { tenant, .. } if !tenant.patch.is_empty())
}
