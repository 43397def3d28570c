//! Where values come from: for a service's fields every layer that spoke, for an object's fields the line that made them.

use serde::Serialize;
use serde_json::Value;

use crate::resource::{Desired, Diagnostic, FieldPath, HandOver, ObjectKey, Origin, PathElement};

use super::names;
use super::node::split_path;
use super::resolved::{Instance, Place, PlaceKind, Resolved, Spoken};

/// What became of a service in a place.
#[derive(Clone, Debug, Serialize)]
pub struct ServiceExplained {
    /// The service's name.
    pub service: String,
    /// The namespace that it is in.
    pub namespace: String,
    /// Its fields, in the order of their paths.
    pub fields: Vec<FieldExplained>,
}

/// What became of a field of a service.
#[derive(Clone, Debug, Serialize)]
pub struct FieldExplained {
    /// Its TOML path: `replicas.min`.
    pub path: String,
    /// What it is in the end, references resolved; none where the last layer unset it.
    pub value: Option<Value>,
    /// Every layer that spoke, the least specific first; the last one won.
    pub spoken: Vec<SpokenHere>,
}

/// What one layer said of a field.
#[derive(Clone, Debug, Serialize)]
pub struct SpokenHere {
    /// `built-in defaults`, `tier free`, `service`, …
    pub layer: String,
    /// Where.
    pub origin: Origin,
    /// What, as TOML would write it; none where it unset the field.
    pub value: Option<String>,
    /// Whether this is what holds.
    pub won: bool,
}

/// What became of an object.
#[derive(Clone, Debug, Serialize)]
pub struct ObjectExplained {
    /// The object.
    pub key: ObjectKey,
    /// The line that made it.
    pub origin: Option<Origin>,
    /// Its fields, in their order.
    pub fields: Vec<ObjectField>,
}

/// A field of an object.
#[derive(Clone, Debug, Serialize)]
pub struct ObjectField {
    /// Its path: `spec.replicas`.
    pub path: String,
    /// Its value; none where it is secret.
    pub value: Option<Value>,
    /// Its value mustn't be shown.
    pub secret: bool,
    /// The line that made it.
    pub origin: Option<Origin>,
    /// Whose it is once the object is there: its value is only the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handed_to: Option<ObjectKey>,
}

/// Explains a service, for a tenant where it has an instance for each; one field and those below it, or all.
///
/// # Errors
/// Where there is no such service, tenant or field, or a tenant must be named.
pub fn service(resolved: &Resolved, service: &str, tenant: Option<&str>, field: Option<&str>) -> Result<ServiceExplained, Diagnostic> {
    let (place, instance) = find(resolved, service, tenant)?;
    let keys = field.map(split_path).transpose().map_err(|reason| {
        Diagnostic::error("stack::explain", format!("`{}` is no field's path: {reason}", field.unwrap_or_default()))
            .help("write keys with dots between: `replicas.min`")
    })?;
    let mut spec = serde_json::to_value(&*instance.spec).unwrap_or_default();
    spec["config"] = serde_json::to_value(&instance.config).unwrap_or_default();
    let mut fields = Vec::new();
    for (path, spoken) in &instance.provenance.0 {
        let own = split_path(path).unwrap_or_default();
        if keys.as_ref().is_some_and(|keys| !own.starts_with(keys) && !keys.starts_with(&own)) {
            continue;
        }
        fields.push(explain_field(path, &own, spoken, &spec));
    }
    if let (Some(field), true) = (field, fields.is_empty()) {
        return Err(unspoken(resolved, place, instance, field));
    }
    Ok(ServiceExplained { service: service.to_owned(), namespace: place.namespace.clone(), fields })
}

/// A field of which no layer spoke: either there is none such, or the tier's figure holds.
fn unspoken(resolved: &Resolved, place: &Place, instance: &Instance, field: &str) -> Diagnostic {
    let service = &instance.service;
    let tier = match &place.kind {
        PlaceKind::Tenant { tier, .. } | PlaceKind::Tier { name: tier, .. } => resolved.tiers.get(tier).map(|of| (tier, of)),
        PlaceKind::Environment => None,
    };
    let figure = tier.and_then(|(name, tier)| {
        let (key, figure) = match field {
            "replicas" | "replicas.min" | "replicas.max" => ("replicas", tier.replicas.map(|replicas| replicas.to_string())),
            "resources.limits.cpu" => ("cpu", tier.cpu.clone()),
            "resources.limits.memory" => ("memory", tier.memory.clone()),
            _ => return None,
        };
        Some(format!("the tier's figure holds: `tiers.{name}.{key}` is {}", figure?))
    });
    if let Some(figure) = figure {
        return Diagnostic::error("stack::explain", format!("no layer says anything of `{field}` of service `{service}`")).help(figure);
    }
    let near = names::nearest(field, instance.provenance.0.keys().map(String::as_str));
    let near = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
    Diagnostic::error("stack::explain", format!("no layer says anything of `{field}` of service `{service}`"))
        .help(format!("{near}`spai schema service` lists all fields"))
}

fn explain_field(path: &str, keys: &[String], spoken: &[Spoken], spec: &Value) -> FieldExplained {
    let value = keys.iter().try_fold(spec, |value, key| value.get(key)).filter(|value| !value.is_null()).cloned();
    let last = spoken.len().saturating_sub(1);
    let unset = spoken.last().is_some_and(|spoken| spoken.value.is_none());
    let spoken = spoken
        .iter()
        .enumerate()
        .map(|(index, spoken)| SpokenHere {
            layer: spoken.layer.clone(),
            origin: spoken.origin.clone(),
            value: spoken.value.clone(),
            won: index == last,
        })
        .collect();
    FieldExplained { path: path.to_owned(), value: value.filter(|_| !unset), spoken }
}

/// The instance of a service that a tenant uses, or the only one.
fn find<'r>(resolved: &'r Resolved, service: &str, tenant: Option<&str>) -> Result<(&'r Place, &'r Instance), Diagnostic> {
    let everywhere: Vec<(&Place, &Instance)> =
        resolved.places.iter().filter_map(|place| Some((place, place.services.get(service)?))).collect();
    let environment = &resolved.identity.environment;
    if everywhere.is_empty() {
        let mut known: Vec<&str> = resolved.places.iter().flat_map(|place| place.services.keys()).map(String::as_str).collect();
        known.sort_unstable();
        known.dedup();
        let near = names::nearest(service, known.iter().copied()).map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
        return Err(Diagnostic::error("stack::unknown_service", format!("no service `{service}` runs in `{environment}`"))
            .help(format!("{near}there are: {}", names::listed(&known))));
    }
    let tenants: Vec<&str> = resolved.places.iter().flat_map(|place| tenants_of(&place.kind)).collect();
    if let Some(tenant) = tenant {
        if !tenants.contains(&tenant) {
            let near = names::nearest(tenant, tenants.iter().copied()).map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
            return Err(Diagnostic::error("stack::unknown_tenant", format!("there is no tenant `{tenant}` in `{environment}`"))
                .help(format!("{near}there are: {}", names::listed(&tenants))));
        }
        // A tenant's own instance comes before one that it shares with others of its tier, or with all.
        let tier = resolved.places.iter().find_map(|place| tier_of(&place.kind, tenant));
        let rank = |kind: &PlaceKind| match kind {
            PlaceKind::Tenant { name, .. } if name == tenant => Some(0),
            PlaceKind::Tier { name, tenants } if tier == Some(name) || tenants.iter().any(|of| of == tenant) => Some(1),
            PlaceKind::Environment => Some(2),
            _ => None,
        };
        let own =
            everywhere.iter().filter_map(|(place, instance)| Some((rank(&place.kind)?, *place, *instance))).min_by_key(|(rank, ..)| *rank);
        return own.map(|(_, place, instance)| (place, instance)).ok_or_else(|| {
            let others: Vec<&str> = everywhere.iter().map(|(place, _)| place.namespace.as_str()).collect();
            Diagnostic::error("stack::explain", format!("tenant `{tenant}` has no service `{service}`"))
                .help(format!("it runs in {}", names::listed(&others)))
        });
    }
    if let [only] = everywhere[..] {
        return Ok(only);
    }
    let known: Vec<&str> = everywhere.iter().flat_map(|(place, _)| tenants_of(&place.kind)).collect();
    let message = format!("service `{service}` runs in {} places in `{environment}`: which one?", everywhere.len());
    Err(Diagnostic::error("stack::explain", message).help(format!(
        "say whose: `--tenant {}`; there are: {}",
        known.first().unwrap_or(&"NAME"),
        names::listed(&known)
    )))
}

fn tenants_of(kind: &PlaceKind) -> Vec<&str> {
    match kind {
        PlaceKind::Tenant { name, .. } => vec![name],
        PlaceKind::Tier { tenants, .. } => tenants.iter().map(String::as_str).collect(),
        PlaceKind::Environment => Vec::new(),
    }
}

fn tier_of<'k>(kind: &'k PlaceKind, tenant: &str) -> Option<&'k String> {
    match kind {
        PlaceKind::Tenant { name, tier, .. } if name == tenant => Some(tier),
        _ => None,
    }
}

/// Explains an object: one field and those below it, or all.
///
/// # Errors
/// Where there is no such object or field, or its name is meant for several.
pub fn object(desired: &[Desired], wanted: &str, field: Option<&str>) -> Result<ObjectExplained, Diagnostic> {
    let wanted_key: ObjectKey = wanted
        .parse()
        .map_err(|error| Diagnostic::error("stack::explain", format!("{error}")).help("as in a plan: `Deployment/acme/backend`"))?;
    let is_it = |key: &ObjectKey| {
        let group = wanted_key.group.is_empty() || key.group == wanted_key.group;
        group && key.kind.eq_ignore_ascii_case(&wanted_key.kind) && key.namespace == wanted_key.namespace && key.name == wanted_key.name
    };
    let found: Vec<&Desired> = desired.iter().filter(|desired| is_it(&desired.key())).collect();
    let object = match found[..] {
        [only] => only,
        [] => {
            let slashed = |key: &ObjectKey| match &key.namespace {
                Some(namespace) => format!("{}/{namespace}/{}", key.kind, key.name),
                None => format!("{}/{}", key.kind, key.name),
            };
            let known: Vec<String> = desired.iter().map(|desired| slashed(&desired.key())).collect();
            let near =
                names::nearest(wanted, known.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
            return Err(Diagnostic::error("stack::explain", format!("the stack wants no object {wanted}"))
                .help(format!("{near}`spai render` prints all that it wants")));
        }
        [first, ..] => {
            let key = first.key();
            return Err(Diagnostic::error("stack::explain", format!("{wanted} could be one of {}", found.len()))
                .help(format!("say the group too: `{}.{}/…`", key.kind, key.group)));
        }
    };
    let path = match field {
        None => FieldPath::root(),
        Some(field) => field.parse().map_err(|error: crate::resource::PathParseError| {
            Diagnostic::error("stack::explain", error.to_string()).help("as in a plan: `spec.template.spec.containers[app].image`")
        })?,
    };
    let mut fields: Vec<ObjectField> =
        object.hand_overs.iter().filter(|given| path.covers(&given.path)).map(|given| handed_over(object, given)).collect();
    let Some(value) = path.get(object.object.value()) else {
        if !fields.is_empty() {
            return Ok(ObjectExplained { key: object.key(), origin: object.declared.object.clone(), fields });
        }
        return Err(Diagnostic::error("stack::explain", format!("{} has no `{path}`", object.key()))
            .help("what isn't in the object, the stack says nothing of: the cluster's defaults hold, or others set it"));
    };
    leaves(object, &path, value, &mut fields);
    fields.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(ObjectExplained { key: object.key(), origin: object.declared.object.clone(), fields })
}

/// The values at and below a path that have no others below them.
fn leaves(object: &Desired, path: &FieldPath, value: &Value, fields: &mut Vec<ObjectField>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                leaves(object, &path.field(key), value, fields);
            }
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            for (index, item) in items.iter().enumerate() {
                let element = match item.get("name").and_then(Value::as_str) {
                    Some(name) => PathElement::keyed("name", name),
                    None => PathElement::Index(index),
                };
                leaves(object, &path.join(element), item, fields);
            }
        }
        _ => {
            let secret = is_secret(object, path);
            fields.push(ObjectField {
                path: path.to_string(),
                value: (!secret).then(|| value.clone()),
                secret,
                origin: object.declared.origin_of(path).cloned(),
                handed_to: None,
            });
        }
    }
}

/// A field that isn't in the object, for it is set at creation and then somebody else's.
fn handed_over(object: &Desired, given: &HandOver) -> ObjectField {
    ObjectField {
        path: given.path.to_string(),
        value: Some(given.initial.clone()),
        secret: false,
        origin: object.declared.origin_of(&given.path).cloned(),
        handed_to: Some(given.to.clone()),
    }
}

fn is_secret(object: &Desired, path: &FieldPath) -> bool {
    let key = object.key();
    let data = matches!(path.0.first(), Some(PathElement::Field(field)) if field == "data" || field == "stringData");
    (key.kind == "Secret" && key.group.is_empty() && data) || object.is_sensitive(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::{ResolveOptions, Sources, Stack};

    fn resolved() -> Resolved {
        let stack = "name = 'shop'\n[tiers.free]\ncpu = '100m'\nmemory = '64Mi'\nreplicas = 1\n[defaults]\nreplicas.min = 1\n";
        let web = "image = { repository = 'web', tag = '1' }\n[config]\nWHO = '${tenant.name}'\nGONE = '1'\n[when.tier.free]\nreplicas.min = 2\nunset = ['config.GONE']\n";
        let texts = [
            ("stack.toml", stack),
            ("environments/dev.toml", "cluster = { context = '*' }"),
            ("tenants/acme.toml", "tier = 'free'"),
            ("tenants/zeta.toml", "tier = 'free'\n[service.web]\nreplicas.min = 3\n"),
            ("services/web.toml", web),
        ];
        let (stack, diagnostics) = Stack::load(Sources::of(texts));
        assert!(!diagnostics.has_errors(), "{diagnostics}");
        let (resolved, diagnostics) = stack.unwrap().resolve(&ResolveOptions { environment: "dev".to_owned(), ..Default::default() });
        assert!(!diagnostics.has_errors(), "{diagnostics}");
        resolved.unwrap()
    }

    #[test]
    fn every_layer_that_spoke_is_named_and_the_winner_marked() {
        let resolved = resolved();
        let explained = service(&resolved, "web", Some("zeta"), Some("replicas.min")).unwrap();
        let [field] = &explained.fields[..] else { panic!("{explained:?}") };
        let said: Vec<String> =
            field.spoken.iter().map(|s| format!("{} {} {} {}", s.layer, s.origin, s.value.as_deref().unwrap_or("-"), s.won)).collect();
        assert_eq!(
            said,
            [
                "stack defaults stack.toml:7 1 false",
                "service when tier free services/web.toml:6 2 false",
                "tenant zeta, service web tenants/zeta.toml:3 3 true",
            ]
        );
        assert_eq!(field.value, Some(Value::from(3)));
    }

    #[test]
    fn references_are_shown_with_what_became_of_them() {
        let resolved = resolved();
        let explained = service(&resolved, "web", Some("acme"), Some("config")).unwrap();
        let shown: Vec<(String, Option<Value>)> = explained.fields.iter().map(|f| (f.path.clone(), f.value.clone())).collect();
        assert_eq!(shown, [("config.GONE".to_owned(), None), ("config.WHO".to_owned(), Some(Value::from("acme")))]);
        assert_eq!(explained.fields[1].spoken[0].value.as_deref(), Some("\"${tenant.name}\""));
    }

    #[test]
    fn what_isnt_there_is_told_the_nearest() {
        let resolved = resolved();
        let help = |result: Result<ServiceExplained, Diagnostic>| result.unwrap_err().help.unwrap();
        assert!(help(service(&resolved, "wbe", None, None)).starts_with("did you mean `web`?"));
        assert!(help(service(&resolved, "web", None, None)).starts_with("say whose: `--tenant acme`"));
        assert!(help(service(&resolved, "web", Some("zetta"), None)).starts_with("did you mean `zeta`?"));
        assert!(help(service(&resolved, "web", Some("acme"), Some("replicas.mni"))).starts_with("did you mean `replicas.min`?"));
        assert_eq!(
            help(service(&resolved, "web", Some("acme"), Some("replicas.max"))),
            "the tier's figure holds: `tiers.free.replicas` is 1"
        );
    }

    #[test]
    fn objects_fields_have_the_lines_that_made_them() {
        let (desired, _) = crate::compile::compile(&resolved());
        let explained = object(&desired, "Deployment/shop-dev-acme/web", Some("spec.template.spec.containers")).unwrap();
        let image =
            explained.fields.iter().find(|field| field.path.ends_with("[name=web].image") || field.path.ends_with("[web].image")).unwrap();
        assert_eq!(
            (image.value.as_ref(), image.origin.as_ref().map(ToString::to_string)),
            (Some(&Value::from("web:1")), Some("services/web.toml:1".to_owned()))
        );
        let wrong = object(&desired, "Deployment/shop-dev-acme/wbe", None).unwrap_err();
        assert!(wrong.help.unwrap().starts_with("did you mean `Deployment/shop-dev-acme/web`?"));
    }

    #[test]
    fn what_is_handed_over_is_explained_by_its_first_value() {
        let value =
            serde_json::json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "ns"}, "spec": {}});
        let mut object = Desired::new(crate::resource::Object::try_from(value).unwrap(), None);
        let to = ObjectKey::new("autoscaling", "HorizontalPodAutoscaler", Some("ns"), "web");
        object.hand_overs.push(HandOver { path: FieldPath::fields(&["spec", "replicas"]), initial: 3.into(), to: to.clone() });
        let explained = super::object(&[object.clone()], "Deployment/ns/web", Some("spec.replicas")).unwrap();
        assert_eq!((&explained.fields[0].value, &explained.fields[0].handed_to), (&Some(3.into()), &Some(to)));
        assert!(super::object(&[object], "Deployment/ns/web", Some("spec.paused")).is_err());
    }
}
