//! A stack in one environment after layering, references and validation: all that the compiler needs, and where each
//! value came from.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::resource::{Origin, Sensitive, StackIdentity};

use super::model::{ClusterRef, ConfigValue, Deletes, Environment, Registry, Service, Slo, StackFile, Tenancy, Tenant, Tier};

/// A stack in one environment.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// Stack and environment.
    pub identity: StackIdentity,
    /// `stack.toml`, as far as it isn't layered into what follows.
    pub stack: StackFile,
    /// The environment's file, likewise.
    pub environment: Environment,
    /// How to reach the cluster.
    pub cluster: ClusterRef,
    /// The root of namespaces.
    pub root_namespace: String,
    /// Tiers as they are in this environment.
    pub tiers: BTreeMap<String, Tier>,
    /// Registries.
    pub registries: BTreeMap<String, Registry>,
    /// Service level objectives.
    pub slos: BTreeMap<String, Slo>,
    /// Budget of deletes here.
    pub deletes: Deletes,
    /// Every namespace that services run in, in the order of namespaces' names. Empty ones (a tenant without services) included.
    pub places: Vec<Place>,
    /// Objects taken as they are.
    pub manifests: Vec<Manifest>,
    /// Where the value of each declared input came from (never the value): a file's line, `command line`, `environment SPAI_INPUT_…`.
    pub inputs: BTreeMap<String, Origin>,
    /// Renames: from and to.
    pub moved: Vec<(String, String, Origin)>,
    /// `[[patch]]` of stack and environment files (a service's and a tenant's stand in their places).
    pub patches: Vec<ScopedPatch>,
}

impl Resolved {
    /// The instance of a service that something in `place` talks to, and where it runs: in the place itself, else in its tier's, else in
    /// the environment's. For what `needs` and `${service.…}` name there always is one.
    pub fn provider(&self, place: &Place, service: &str) -> Option<(&Place, &Instance)> {
        let tier = place.kind.tier();
        let rank = |candidate: &Place| match &candidate.kind {
            PlaceKind::Tenant { .. } => (candidate.namespace == place.namespace).then_some(0),
            PlaceKind::Tier { name, .. } => (Some(name.as_str()) == tier).then_some(1),
            PlaceKind::Environment => Some(2),
        };
        let found = self.places.iter().filter_map(|candidate| Some((rank(candidate)?, candidate, candidate.services.get(service)?)));
        found.min_by_key(|(rank, ..)| *rank).map(|(_, place, instance)| (place, instance))
    }
}

/// A namespace that services run in.
#[derive(Clone, Debug)]
pub struct Place {
    /// Whose it is.
    pub kind: PlaceKind,
    /// Its Kubernetes name.
    pub namespace: String,
    /// Tenancy settings as they are in this environment.
    pub tenancy: Tenancy,
    /// Where it was declared: the tenant's file, the tier's table, the environment's file.
    pub origin: Origin,
    /// Labels and annotations for everything in it (stack's, environment's and tenant's merged).
    pub labels: BTreeMap<String, String>,
    /// See `labels`.
    pub annotations: BTreeMap<String, String>,
    /// The secrets that its services refer to.
    pub secrets: BTreeMap<String, PlaceSecret>,
    /// Its services, by name.
    pub services: BTreeMap<String, Instance>,
    /// Where the place's own fields came from, by TOML path (`tier`, `limits.cpu`).
    pub provenance: Provenance,
}

/// Whose a namespace is.
#[derive(Clone, Debug, PartialEq)]
pub enum PlaceKind {
    /// A tenant's of a dedicated tier.
    Tenant {
        /// Its name in the stack.
        name: String,
        /// Its tier.
        tier: String,
        /// Its file.
        tenant: Box<Tenant>,
    },
    /// Shared by the tenants of a pooled tier, or for services with `scope = "tier"`.
    Tier {
        /// The tier's name.
        name: String,
        /// The tenants that share it.
        tenants: Vec<String>,
    },
    /// Of the environment: services with `scope = "environment"`.
    Environment,
}

impl PlaceKind {
    /// The tier, if it is of one.
    pub fn tier(&self) -> Option<&str> {
        match self {
            Self::Tenant { tier, .. } => Some(tier),
            Self::Tier { name, .. } => Some(name),
            Self::Environment => None,
        }
    }

    /// The tenant, if it is one's.
    pub fn tenant(&self) -> Option<&str> {
        match self {
            Self::Tenant { name, .. } => Some(name),
            Self::Tier { .. } | Self::Environment => None,
        }
    }
}

/// A secret as services of a place refer to it.
#[derive(Clone, Debug)]
pub struct PlaceSecret {
    /// The Secret's name in the cluster.
    pub object_name: String,
    /// None where it is external: spai never makes or reads it.
    pub values: Option<BTreeMap<String, Sensitive>>,
    /// The Secret's type.
    pub kind: String,
    /// Immutable once it is there.
    pub immutable: bool,
    /// The line that declared it.
    pub origin: Origin,
}

/// A service in a place.
#[derive(Clone, Debug)]
pub struct Instance {
    /// The service's name.
    pub service: String,
    /// What it is, all layers laid over each other, all references resolved; without its configuration. Instances that are alike have
    /// one.
    pub spec: Arc<Service>,
    /// Its `[config]`.
    pub config: BTreeMap<String, ConfigValue>,
    /// The line that the service begins at.
    pub origin: Origin,
    /// Where each value came from.
    pub provenance: Arc<Provenance>,
    /// Services that a `${service.…}` refers to, and the line.
    pub references: Vec<(String, Origin)>,
    /// Instances with the same number are alike: made of the same layers, of the same tier, they differ in nothing but texts of
    /// `[config]`. (Those without one may be like others all the same.)
    pub alike: Option<usize>,
}

/// For each TOML path (`replicas.min`, `config.LOG_LEVEL`) every layer that spoke; the last one won.
#[derive(Clone, Debug, Default)]
pub struct Provenance(pub BTreeMap<String, Vec<Spoken>>);

/// What one layer said of a field.
#[derive(Clone, Debug, PartialEq)]
pub struct Spoken {
    /// `built-in defaults`, `stack defaults`, `tier free`, `service`, `service when tier free`, `environment production`, …
    pub layer: String,
    /// Where.
    pub origin: Origin,
    /// What, as TOML would write it, before references are resolved. `None`: the layer unset it.
    pub value: Option<String>,
}

impl Provenance {
    /// The line that won for `path`: its own, else the nearest one above, else that of its first descendant.
    pub fn winner(&self, path: &str) -> Option<&Origin> {
        let mut prefix = path;
        loop {
            if let Some(spoken) = self.0.get(prefix).and_then(|all| all.last()) {
                return Some(&spoken.origin);
            }
            match prefix.rfind('.') {
                Some(dot) => prefix = &prefix[..dot],
                None => break,
            }
        }
        let below = format!("{path}.");
        self.0.range(below.clone()..).next().filter(|(p, _)| p.starts_with(&below)).and_then(|(_, all)| all.last()).map(|s| &s.origin)
    }
}

/// An object that is taken as it is.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The object, as written.
    pub object: crate::resource::Object,
    /// File and line of its document.
    pub origin: Origin,
}

/// A `[[patch]]` of a stack or environment file.
#[derive(Clone, Debug)]
pub struct ScopedPatch {
    /// What it does.
    pub patch: super::model::Patch,
    /// Where it stands.
    pub origin: Origin,
}
