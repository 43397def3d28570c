//! Files and volumes: what is mounted, and where.

use std::collections::BTreeMap;

use crate::resource::{Diagnostic, Diagnostics, Origin};
use crate::stack::model::{ConfigValue, File, Volume};
use crate::stack::names;
use crate::stack::naming::is_dns_label;

use super::subject::Subject;

/// What a ConfigMap holds at most, in bytes.
const CONFIG_MAP: usize = 1 << 20;
const ACCESS: [&str; 4] = ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"];

pub(super) fn check(subject: &Subject<'_>, diagnostics: &mut Diagnostics) {
    let mut places: BTreeMap<String, &Origin> = BTreeMap::new();
    files(subject, &mut places, diagnostics);
    sizes(subject, diagnostics);
    for (name, volume) in &subject.spec.volumes {
        check_volume(subject, name, volume, &mut places, diagnostics);
    }
    for (path, container) in subject.containers() {
        for (volume, place) in &container.mounts {
            let at = [&path[..], &["mounts", volume]].concat();
            if !subject.spec.volumes.contains_key(volume) {
                diagnostics.push(names::unknown("volume", volume, subject.key_at(&at), subject.spec.volumes.keys().map(String::as_str)));
            }
            check_place(subject, &at, place, diagnostics);
        }
    }
}

fn files<'s>(subject: &Subject<'s>, places: &mut BTreeMap<String, &'s Origin>, diagnostics: &mut Diagnostics) {
    for path in subject.spec.files.keys() {
        let at = ["files", path.as_str()];
        let origin = subject.key_at(&at);
        let help = "the key is where the file is in the container: `files.\"/etc/app/settings.yaml\"`";
        if let Some(label) = no_place(path).or_else(|| path.ends_with('/').then_some("this is a folder")) {
            let message = format!("service `{}`: `{path}` is no place for a file", subject.name);
            diagnostics.push(Diagnostic::error("stack::path", message).at(origin, label).help(help));
        }
        places.insert(path.clone(), origin);
    }
}

/// What goes into ConfigMaps fits into them.
pub(super) fn sizes(subject: &Subject<'_>, diagnostics: &mut Diagnostics) {
    let spec = subject.spec;
    let files = spec.files.iter().map(|(path, file)| if let File::Text(text) = file { path.len() + text.len() } else { 0 });
    let values = subject.config.iter().map(|(key, value)| key.len() + if let ConfigValue::Text(text) = value { text.len() } else { 0 });
    let size: usize = files.sum();
    let what = if size > 0 { "files" } else { "config" };
    let size = size.max(values.sum());
    if size > CONFIG_MAP {
        let message = format!("its {what} are {size} bytes together");
        subject.wrong(
            diagnostics,
            "stack::too_large",
            &[what],
            (message, "too much for a ConfigMap"),
            "a ConfigMap holds 1 MiB at most: put large files into the image or onto a volume",
        );
    }
}

fn check_volume<'s>(
    subject: &Subject<'s>,
    name: &'s str,
    volume: &Volume,
    places: &mut BTreeMap<String, &'s Origin>,
    diagnostics: &mut Diagnostics,
) {
    let at = |key: &'static str| ["volumes", name, key];
    if !is_dns_label(name) || name.len() > 63 {
        let diagnostic = Diagnostic::error("stack::bad_name", format!("service `{}`: `{name}` can't be a volume's name", subject.name));
        diagnostics.push(
            diagnostic
                .at(subject.key_at(&["volumes", name]), "Kubernetes would refuse it")
                .help("lower-case letters, digits and dashes, at most 63 characters"),
        );
    }
    let kinds = [
        ("size", volume.size.is_some()),
        ("empty", volume.empty.is_some()),
        ("config", volume.config.is_some()),
        ("secret", volume.secret.is_some()),
        ("claim", volume.claim.is_some()),
    ];
    let said: Vec<&str> = kinds.iter().filter(|(_, said)| *said).map(|(kind, _)| *kind).collect();
    match said[..] {
        [_] => {}
        [] => {
            let help = "say what it is: `size = \"10Gi\"` (kept), `empty = \"1Gi\"` (as long as the pod), `config`, `secret` or `claim` (what is there already)";
            subject.wrong(
                diagnostics,
                "stack::volume",
                &["volumes", name],
                (format!("volume `{name}` is nothing"), "no kind of volume"),
                help,
            );
        }
        [first, second, ..] => {
            let diagnostic =
                Diagnostic::error("stack::volume", format!("service `{}`: volume `{name}` is two things at once", subject.name));
            diagnostics.push(
                diagnostic
                    .at(subject.key_at(&["volumes", name, first]), "one kind")
                    .at(subject.key_at(&["volumes", name, second]), "and another")
                    .help("remove one of them, or make two volumes of it"),
            );
        }
    }
    if volume.mount.is_empty() {
        let help = "say where it is in the container: `mount = \"/var/lib/data\"`";
        subject.wrong(
            diagnostics,
            "stack::volume",
            &["volumes", name],
            (format!("volume `{name}` is mounted nowhere"), "`mount` is missing"),
            help,
        );
    } else {
        check_place(subject, &at("mount"), &volume.mount, diagnostics);
        let origin = subject.at(&at("mount"));
        if let Some(first) = places.insert(volume.mount.trim_end_matches('/').to_owned(), origin) {
            let diagnostic =
                Diagnostic::error("stack::volume", format!("service `{}`: two things are mounted at `{}`", subject.name, volume.mount));
            diagnostics.push(diagnostic.at(origin, "this").at(first, "and this").help("mount one of them elsewhere"));
        }
    }
    if let Some(access) = volume.access.as_ref().filter(|access| !ACCESS.contains(&access.as_str())) {
        let label =
            names::nearest(access, ACCESS).map_or_else(|| "not one of its words".to_owned(), |near| format!("did you mean `{near}`?"));
        subject.wrong(
            diagnostics,
            "stack::unknown_word",
            &at("access"),
            (format!("`access` can't be `{access}`"), label),
            format!("it is one of {}", names::listed(&ACCESS)),
        );
    }
    if volume.class.is_some() && volume.size.is_none() {
        subject.wrong(
            diagnostics,
            "stack::volume",
            &at("class"),
            (format!("volume `{name}` has a storage class and no size"), "never looked at"),
            "a class is for persistent volumes: add `size`, or remove `class`",
        );
    }
    if volume.memory == Some(true) && volume.empty.is_none() {
        subject.wrong(
            diagnostics,
            "stack::volume",
            &at("memory"),
            (format!("volume `{name}` can't be in memory"), "only an empty folder can"),
            "say how large: `empty = \"64Mi\"`, or remove `memory`",
        );
    }
}

fn check_place(subject: &Subject<'_>, at: &[&str], place: &str, diagnostics: &mut Diagnostics) {
    let label = no_place(place).or_else(|| (place == "/").then_some("this would hide the whole image"));
    if let Some(label) = label {
        subject.wrong(
            diagnostics,
            "stack::path",
            at,
            (format!("`{place}` is no place to mount a volume"), label),
            "an absolute path of the container: `\"/var/lib/data\"`",
        );
    }
}

/// Why a path is no absolute path of a container.
fn no_place(path: &str) -> Option<&'static str> {
    if !path.starts_with('/') {
        Some("doesn't begin with `/`")
    } else if path.split('/').any(|part| part == "..") {
        Some("has `..`")
    } else if path.contains(':') {
        Some("has a colon, which Kubernetes refuses")
    } else {
        None
    }
}
