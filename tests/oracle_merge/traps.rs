//! The traps of server-side apply, each by name: what the server does, and that the function says so.

use serde_json::{Value, json};
use spai::merge::{self, Verdict};
use spai::resource::Tape;

use crate::cases::{self, Case};
use crate::custom;
use crate::model::{Subject, Went};
use crate::server::Server;
use crate::step::{Step, Write};
use crate::unseen::Unseen;

/// What a trap is run with.
pub type Outcome = Result<(), String>;

/// An object on which a trap is shown.
struct Object<'s>(Subject<'s>);

impl<'s> Object<'s> {
    fn new(server: &'s Server, cases: &'s [Case], kind: &str, name: &str) -> Self {
        let case = cases.iter().find(|case| case.kind == kind).expect("a kind of the list");
        Self(Subject {
            server,
            case: case.clone(),
            namespace: "m0".to_owned(),
            name: name.to_owned(),
            live: None,
            unseen: Unseen::default(),
            predictions: 0,
            missed: Vec::new(),
        })
    }

    /// Writes, and compares what the server does with what the function says.
    async fn write(&mut self, manager: &'static str, write: Write) -> Result<Went, String> {
        self.0.step(&Step { manager, version: self.0.case.api_version, write }).await
    }

    async fn apply(&mut self, manager: &'static str, content: Value) -> Result<Went, String> {
        self.write(manager, Write::Apply { configuration: content, force: false }).await
    }

    fn live(&self) -> &Value {
        self.0.live.as_ref().expect("it was made")
    }

    /// The fields that an entry has, as the server writes them.
    fn owned(&self, manager: &str) -> Value {
        let entries = self.live()["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        entries.into_iter().find(|entry| entry["manager"] == manager).map_or(Value::Null, |mut entry| entry["fieldsV1"].take())
    }

    fn verdict(&self, manager: &str, content: &Value) -> Verdict {
        let mut configuration = content.clone();
        configuration["apiVersion"] = self.0.case.api_version.into();
        configuration["kind"] = self.0.case.kind.into();
        configuration["metadata"]["name"] = self.0.name.as_str().into();
        merge::unchanged(
            Tape::from(self.live()).tree(),
            Tape::from(&configuration).tree(),
            &[],
            manager,
            self.0.server.type_of(&self.0.case.gvk()),
        )
    }
}

fn is<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> Outcome {
    if found == expected { Ok(()) } else { Err(format!("{found:?}, expected {expected:?}")) }
}

fn all_cases() -> Vec<Case> {
    let mut all = cases::built_in();
    all.extend(custom::cases());
    all
}

fn deployment(container: Value) -> Value {
    let mut container = container;
    container["name"] = "app".into();
    if container.get("image").is_none() {
        container["image"] = "a".into();
    }
    json!({"spec": {"selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [container]}}}})
}

/// Runs the trap of this name.
pub async fn run(server: &Server, trap: &str) -> Outcome {
    let all = all_cases();
    let name = format!("trap-{}", trap.replace('_', "-"));
    let object = |kind: &str| Object::new(server, &all, kind, &name);
    match trap {
        "another_spelling_of_a_quantity_is_a_conflict" => {
            let mut object = object("Deployment");
            object.apply("alice", deployment(json!({"resources": {"requests": {"cpu": "1000m"}}}))).await?;
            let stored = &object.live()["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"];
            is(stored.clone(), json!("1"))?;
            is(object.apply("bob", deployment(json!({"resources": {"requests": {"cpu": "1000m"}}}))).await?, Went::Conflict)?;
            is(object.apply("alice", deployment(json!({"resources": {"requests": {"cpu": "1000m"}}}))).await?, Went::Nothing)
        }
        "a_custom_kinds_text_stays_as_written" => {
            let mut object = object("Shape");
            object.apply("alice", json!({"spec": {"size": "1000m"}})).await?;
            is(object.live()["spec"]["size"].clone(), json!("1000m"))?;
            is(object.apply("bob", json!({"spec": {"size": "1000m"}})).await?, Went::Applied)
        }
        "leftover_defaults_of_a_union_are_in_the_way" => {
            let mut object = object("Deployment");
            let mut content = deployment(json!({}));
            object.apply("alice", content.clone()).await?;
            content["spec"]["strategy"] = json!({"type": "Recreate"});
            is(object.apply("alice", content.clone()).await?, Went::Refused)?;
            // What helps: to own the leftover once, and drop it then.
            let mut owned = content.clone();
            owned["spec"]["strategy"] = object.live()["spec"]["strategy"].clone();
            is(object.apply("alice", owned).await?, Went::Applied)?;
            is(object.apply("alice", content).await?, Went::Applied)?;
            is(object.live()["spec"]["strategy"].clone(), json!({"type": "Recreate"}))
        }
        "a_dropped_field_gets_its_default" => {
            let mut object = object("Deployment");
            let mut content = deployment(json!({}));
            content["spec"]["replicas"] = json!(3);
            object.apply("alice", content).await?;
            is(object.apply("alice", deployment(json!({}))).await?, Went::Applied)?;
            is(object.live()["spec"]["replicas"].clone(), json!(1))
        }
        "a_dropped_field_stays_where_another_owns_it" => {
            let mut object = object("Deployment");
            let mut content = deployment(json!({}));
            content["spec"]["replicas"] = json!(3);
            object.apply("alice", content).await?;
            object.apply("bob", json!({"spec": {"replicas": 3}})).await?;
            object.apply("alice", deployment(json!({}))).await?;
            is(object.live()["spec"]["replicas"].clone(), json!(3))
        }
        "string_data_leaves_its_keys_behind" => {
            let mut object = object("Secret");
            object.apply("alice", json!({"stringData": {"a": "1", "b": "2"}})).await?;
            object.apply("alice", json!({"stringData": {"a": "1"}})).await?;
            is(object.live()["data"].clone(), json!({"a": "MQ==", "b": "Mg=="}))
        }
        "another_key_is_another_item" => {
            let mut object = object("Service");
            object.apply("alice", json!({"spec": {"ports": [{"name": "x", "port": 80}]}})).await?;
            object.apply("alice", json!({"spec": {"ports": [{"name": "x", "port": 81}]}})).await?;
            is(object.live()["spec"]["ports"].clone(), json!([{"name": "x", "port": 81, "protocol": "TCP", "targetPort": 81}]))
        }
        "a_keys_default_counts" => {
            let mut object = object("Service");
            object.apply("alice", json!({"spec": {"ports": [{"port": 80}]}})).await?;
            let fields = object.owned("alice");
            is(fields["f:spec"]["f:ports"].get("k:{\"port\":80,\"protocol\":\"TCP\"}").is_some(), true)?;
            is(object.verdict("alice", &json!({"spec": {"ports": [{"port": 80}]}})), Verdict::Unchanged)
        }
        "empty_values_are_owned_and_not_stored" => {
            let mut object = object("ConfigMap");
            object.apply("alice", json!({"metadata": {"labels": {}}, "data": {}})).await?;
            is(object.live().get("data").cloned(), None)?;
            is(object.owned("alice")["f:metadata"]["f:labels"].clone(), json!({}))?;
            is(matches!(object.verdict("alice", &json!({"metadata": {"labels": {}}, "data": {}})), Verdict::Unknown(_)), true)
        }
        "empty_values_that_mean_something_stay" => {
            let mut object = object("NetworkPolicy");
            let content = json!({"spec": {"podSelector": {}, "policyTypes": ["Ingress"]}});
            object.apply("alice", content.clone()).await?;
            is(object.live()["spec"]["podSelector"].clone(), json!({}))?;
            is(object.verdict("alice", &content), Verdict::Unchanged)?;
            is(object.apply("alice", content).await?, Went::Nothing)
        }
        "null_is_dropped_kept_or_defaulted" => {
            let mut typed = Object::new(server, &all, "ConfigMap", &format!("{name}-typed"));
            typed.apply("alice", json!({"data": {"a": "1"}, "immutable": null})).await?;
            is(typed.live().get("immutable").cloned(), None)?;
            let mut shape = object("Shape");
            shape.apply("alice", json!({"spec": {"note": null, "mode": null}})).await?;
            is(shape.live()["spec"].clone(), json!({"note": null, "mode": "auto", "replicas": 1}))
        }
        "what_loses_all_is_null_and_refused_by_custom_kinds" => {
            let mut object = object("Shape");
            object.apply("alice", json!({"spec": {"map": {"a": "1"}, "count": 1}})).await?;
            is(object.apply("alice", json!({"spec": {"map": {}, "count": 1}})).await?, Went::Null)
        }
        "an_empty_map_takes_what_is_empty_in_it" => {
            let mut object = object("Shape");
            object.apply("carol", json!({"spec": {}})).await?;
            object.apply("bob", json!({"spec": {"set": []}})).await?;
            is(matches!(object.verdict("carol", &json!({"spec": {}})), Verdict::Unknown(_)), true)?;
            is(object.apply("carol", json!({"spec": {}})).await?, Went::Applied)
        }
        "a_zero_that_is_always_written_is_nobodys_on_creation" => {
            let mut object = object("PriorityClass");
            object.write("bob", Write::Put { changes: json!({}), with_managers: true }).await?;
            is(object.live()["value"].clone(), json!(0))?;
            is(object.owned("bob").get("f:value").cloned(), None)
        }
        "doubled_owners_are_found_by_a_strategic_merge" => {
            let mut object = object("ConfigMap");
            let owner = json!({"apiVersion": "v1", "kind": "X", "name": "a", "uid": "u1"});
            object.apply("alice", json!({"metadata": {"ownerReferences": [owner]}})).await?;
            object.write("bob", Write::Strategic(json!({"metadata": {"ownerReferences": [owner, owner]}}))).await?;
            is(object.owned("bob"), Value::Null)
        }
        "numbers_count_by_what_they_are_worth" => {
            let mut object = object("Shape");
            object.apply("alice", json!({"spec": {"ratio": 1.0, "size": 80}})).await?;
            is(object.apply("bob", json!({"spec": {"ratio": 1, "size": 80}})).await?, Went::Applied)?;
            is(object.apply("carol", json!({"spec": {"size": "80"}})).await?, Went::Conflict)
        }
        "a_number_is_no_text" => {
            let mut object = object("ConfigMap");
            is(object.apply("alice", json!({"metadata": {"annotations": {"a": 1}}})).await?, Went::Mistyped)
        }
        "an_item_that_is_there_twice" => {
            let mut object = object("Deployment");
            let twice = json!({"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]});
            object.write("alice", Write::Put { changes: deployment(twice.clone()), with_managers: false }).await?;
            is(object.apply("bob", deployment(twice)).await?, Went::Mistyped)?;
            is(object.apply("bob", deployment(json!({"env": [{"name": "B", "value": "b"}]}))).await?, Went::Applied)?;
            is(object.apply("bob", deployment(json!({"env": [{"name": "A", "value": "3"}]}))).await?, Went::Conflict)?;
            let forced = Write::Apply { configuration: deployment(json!({"env": [{"name": "A", "value": "3"}]})), force: true };
            is(object.write("bob", forced).await?, Went::Applied)
        }
        "kubectls_client_side_apply_is_taken_over_by_kubectl_alone" => {
            let mut object = object("ConfigMap");
            let last = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "m0"}, "data": {"a": "1"}});
            let annotations = json!({"kubectl.kubernetes.io/last-applied-configuration": last.to_string()});
            let made = json!({"metadata": {"annotations": annotations}, "data": {"a": "1"}});
            object.write("carol", Write::Put { changes: made, with_managers: false }).await?;
            is(object.apply("bob", json!({"data": {"a": "2"}})).await?, Went::Conflict)?;
            is(object.apply("kubectl", json!({"data": {"a": "2"}})).await?, Went::Applied)
        }
        "who_wrote_what_stands_there_is_not_known" => {
            let mut object = object("ConfigMap");
            object.write("alice", Write::Put { changes: json!({"data": {"a": "1"}}), with_managers: false }).await?;
            object.write("alice", Write::ForgetManagers).await?;
            is(object.live()["metadata"].get("managedFields").cloned(), None)?;
            is(object.apply("bob", json!({"data": {"b": "2"}})).await?, Went::Applied)?;
            is(object.owned("before-first-apply")["f:data"].is_object(), true)
        }
        "finalizers_are_a_set" => {
            let mut object = object("ConfigMap");
            object.apply("alice", json!({"metadata": {"finalizers": ["example.dev/a"]}})).await?;
            object.apply("bob", json!({"metadata": {"finalizers": ["example.dev/b"]}})).await?;
            object.apply("alice", json!({})).await?;
            is(object.live()["metadata"]["finalizers"].clone(), json!(["example.dev/b"]))
        }
        "selectors_are_owned_whole" => {
            let mut object = object("Deployment");
            object.apply("alice", deployment(json!({}))).await?;
            is(object.owned("alice")["f:spec"]["f:selector"].clone(), json!({}))
        }
        "scaling_takes_the_replicas_away" => {
            let mut object = object("Deployment");
            let mut content = deployment(json!({}));
            content["spec"]["replicas"] = json!(1);
            object.apply("alice", content.clone()).await?;
            is(object.write("bob", Write::Scale(3)).await?, Went::Scaled)?;
            is(object.owned("alice")["f:spec"].get("f:replicas").cloned(), None)?;
            is(object.apply("alice", content).await?, Went::Conflict)
        }
        "a_scale_writes_owners_in_another_order" => {
            // 80 comes before 443, and as text after it: the stored bytes differ, though no answer tells.
            let mut object = object("Deployment");
            let content = deployment(json!({"ports": [{"containerPort": 80}, {"containerPort": 443}]}));
            object.apply("alice", content.clone()).await?;
            object.write("bob", Write::Scale(3)).await?;
            is(object.verdict("alice", &content), Verdict::Unchanged)?;
            is(object.apply("alice", content.clone()).await?, Went::Applied)?;
            is(object.apply("alice", content).await?, Went::Nothing)
        }
        "a_scale_to_what_stands_there_forgets_times_in_another_order_only" => {
            for (ports, is_kept) in [([80, 90], true), ([80, 443], false)] {
                let mut object = Object::new(server, &all, "Deployment", &format!("{name}-{is_kept}"));
                object.apply("alice", deployment(json!({"ports": [{"containerPort": ports[0]}, {"containerPort": ports[1]}]}))).await?;
                object.write("bob", Write::Merge(json!({"spec": {"replicas": 3}}))).await?;
                object.write("bob", Write::Scale(3)).await?;
                let entries = object.live()["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
                is(entries.iter().find(|entry| entry["manager"] == "bob").map(|entry| entry["time"].is_string()), Some(is_kept))?;
            }
            Ok(())
        }
        "a_scale_that_makes_the_spec_stores_none_of_its_defaults" => {
            let mut object = object("Shape");
            object.apply("alice", json!({"metadata": {"labels": {"a": "1"}}})).await?;
            object.write("bob", Write::Scale(3)).await?;
            is(object.live()["spec"].clone(), json!({"replicas": 3, "mode": "auto"}))?;
            is(object.apply("alice", json!({"metadata": {"labels": {"a": "1"}}})).await?, Went::Applied)?;
            is(object.apply("alice", json!({"metadata": {"labels": {"a": "1"}}})).await?, Went::Nothing)
        }
        "equal_values_of_a_new_manager_change_owners_only" => {
            let mut object = object("ConfigMap");
            object.apply("alice", json!({"data": {"a": "1"}})).await?;
            is(object.apply("alice", json!({"data": {"a": "1"}})).await?, Went::Nothing)?;
            is(object.apply("bob", json!({"data": {"a": "1"}})).await?, Went::Applied)?;
            is(matches!(object.verdict("carol", &json!({"data": {"a": "1"}})), Verdict::Differs(_)), true)
        }
        "the_eleventh_updater_makes_the_oldest_ancient" => {
            let mut object = object("ConfigMap");
            object.apply("alice", json!({"data": {"a": "1"}})).await?;
            for manager in ["u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8", "u9", "u10", "u11", "u12"] {
                let mut changes = json!({"data": {}});
                changes["data"][manager] = "x".into();
                object.write(manager, Write::Merge(changes)).await?;
            }
            is(object.owned("ancient-changes")["f:data"].is_object(), true)
        }
        _ => Err("no such trap".to_owned()),
    }
}

/// All traps.
pub const ALL: &[&str] = &[
    "another_spelling_of_a_quantity_is_a_conflict",
    "a_custom_kinds_text_stays_as_written",
    "leftover_defaults_of_a_union_are_in_the_way",
    "a_dropped_field_gets_its_default",
    "a_dropped_field_stays_where_another_owns_it",
    "string_data_leaves_its_keys_behind",
    "another_key_is_another_item",
    "a_keys_default_counts",
    "empty_values_are_owned_and_not_stored",
    "empty_values_that_mean_something_stay",
    "null_is_dropped_kept_or_defaulted",
    "what_loses_all_is_null_and_refused_by_custom_kinds",
    "an_empty_map_takes_what_is_empty_in_it",
    "a_zero_that_is_always_written_is_nobodys_on_creation",
    "doubled_owners_are_found_by_a_strategic_merge",
    "numbers_count_by_what_they_are_worth",
    "a_number_is_no_text",
    "an_item_that_is_there_twice",
    "kubectls_client_side_apply_is_taken_over_by_kubectl_alone",
    "who_wrote_what_stands_there_is_not_known",
    "finalizers_are_a_set",
    "selectors_are_owned_whole",
    "scaling_takes_the_replicas_away",
    "a_scale_writes_owners_in_another_order",
    "a_scale_to_what_stands_there_forgets_times_in_another_order_only",
    "a_scale_that_makes_the_spec_stores_none_of_its_defaults",
    "equal_values_of_a_new_manager_change_owners_only",
    "the_eleventh_updater_makes_the_oldest_ancient",
];
