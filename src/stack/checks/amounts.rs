//! Amounts of CPU, memory and storage: that they can be read, that they are sane, that requests fit into limits.

use crate::resource::{Diagnostic, Diagnostics, Origin, Quantity};
use crate::stack::model::{Amounts, Limits, Resources};
use crate::stack::node::Node;

use super::subject::{Subject, below};

/// More CPU than any machine has.
const MOST_CPU: u64 = 4096;
/// Less memory than any process needs, in bytes: somebody forgot `Mi`.
const LEAST_MEMORY: u64 = 1 << 20;

pub(super) fn check(subject: &Subject<'_>, diagnostics: &mut Diagnostics) {
    resources(subject, &["resources"], &subject.spec.resources, subject.tier, diagnostics);
    for (path, container) in subject.containers() {
        resources(subject, &below(&path, &["resources"]), &container.resources, None, diagnostics);
    }
    for (name, volume) in &subject.spec.volumes {
        for (key, amount) in [("size", &volume.size), ("empty", &volume.empty)] {
            if let Some(text) = amount {
                let path = ["volumes", name.as_str(), key];
                read(&format!("service `{}`: `{}`", subject.name, Subject::path(&path)), "storage", text, subject.at(&path), diagnostics);
            }
        }
    }
}

fn resources(subject: &Subject<'_>, path: &[&str], resources: &Resources, tier: Option<&Node>, diagnostics: &mut Diagnostics) {
    let amounts = |key: &'static str, amounts: &Amounts, diagnostics: &mut Diagnostics| {
        let mut read_all = Vec::new();
        for (name, text) in entries(amounts) {
            let path = below(path, &[key, name.0]);
            let path = if name.0 == "other" { [&path[..], &[name.1]].concat() } else { path };
            let shown = format!("service `{}`: `{}`", subject.name, Subject::path(&path));
            if let Some(amount) = read(&shown, name.1, text, subject.at(&path), diagnostics) {
                read_all.push((name.1.to_owned(), amount, subject.at(&path).clone()));
            }
        }
        read_all
    };
    let limits = amounts("limits", &resources.limits, diagnostics);
    let requests = amounts("requests", &resources.requests, diagnostics);
    for (name, request, origin) in requests {
        let own = limits.iter().find(|(of, ..)| *of == name).map(|(_, limit, origin)| (limit.clone(), origin.clone()));
        let limit = own.or_else(|| {
            let node = tier?.get(&name)?;
            Some((node.as_str()?.parse().ok()?, node.origin.clone()))
        });
        let Some((limit, limit_origin)) = limit.filter(|(limit, _)| request > *limit) else { continue };
        let message = format!("service `{}` requests {request} of {name}, more than its limit of {limit}", subject.name);
        diagnostics.push(
            Diagnostic::error("stack::request_above_limit", message)
                .at(&origin, "the request")
                .at(&limit_origin, "the limit")
                .help("what is requested is reserved, so it can't be more than what may be used: lower the one or raise the other"),
        );
    }
}

/// Amounts by the key in the model and the resource's name in Kubernetes.
fn entries(amounts: &Amounts) -> Vec<((&str, &str), &str)> {
    let mut all = Vec::new();
    let named = [
        ("cpu", "cpu", &amounts.cpu),
        ("memory", "memory", &amounts.memory),
        ("ephemeral_storage", "ephemeral-storage", &amounts.ephemeral_storage),
    ];
    for (key, name, amount) in named {
        all.extend(amount.as_deref().map(|text| ((key, name), text)));
    }
    all.extend(amounts.other.iter().map(|(name, text)| (("other", name.as_str()), text.as_str())));
    all
}

/// Checks a tier's or a tenant's limits.
pub(super) fn limits(shown: &str, limits: &Limits, node: &Node, diagnostics: &mut Diagnostics) {
    for (key, amount) in [("cpu", &limits.cpu), ("memory", &limits.memory), ("storage", &limits.storage)] {
        if let Some(text) = amount {
            let origin = node.get(key).map_or(&node.origin, |node| &node.origin);
            read(&format!("{shown}: `limits.{key}`"), key, text, origin, diagnostics);
        }
    }
}

/// Reads an amount of a resource; what can't be right is noted.
pub(super) fn read(shown: &str, resource: &str, text: &str, origin: &Origin, diagnostics: &mut Diagnostics) -> Option<Quantity> {
    let example = match resource {
        "cpu" => "`\"500m\"` is half a CPU, `\"2\"` are two",
        "memory" => "`\"512Mi\"`, `\"2Gi\"`",
        "storage" | "ephemeral-storage" => "`\"10Gi\"`",
        _ => "`\"1\"`",
    };
    let help = format!("write a number and a suffix: {example}");
    let mut wrong = |code: &str, what: String, label: &str, help: String| {
        diagnostics.push(Diagnostic::error(code, format!("{shown} {what}")).at(origin, label).help(help));
        None
    };
    let amount: Quantity = match text.trim().parse() {
        Ok(amount) => amount,
        Err(crate::resource::QuantityError::TooLarge(_)) => {
            return wrong("stack::quantity", format!("is larger than Kubernetes can hold: `{text}`"), "too large", help);
        }
        Err(crate::resource::QuantityError::Format(_)) => {
            let better =
                corrected(text).map_or(help, |better| format!("did you mean `\"{better}\"`? Suffixes are m, k, M, G, T, Ki, Mi, Gi, Ti"));
            return wrong("stack::quantity", format!("is no amount: `{text}`"), "can't be read", better);
        }
    };
    if amount.is_negative() || amount.is_zero() {
        return wrong("stack::quantity", format!("is `{text}`: it must be more than nothing"), "too small", help);
    }
    match resource {
        "cpu" if amount > Quantity::count(MOST_CPU) => {
            return wrong("stack::quantity", format!("is `{text}`: no machine has so many CPUs"), "this counts CPUs", help);
        }
        "memory" if amount < Quantity::bytes(LEAST_MEMORY) => {
            let digits = text.trim().trim_end_matches(|c: char| !c.is_ascii_digit());
            let label = if text.trim().ends_with('m') { "m is a thousandth of a byte" } else { "this counts bytes" };
            return wrong(
                "stack::quantity",
                format!("is `{text}`: nothing runs in so little memory"),
                label,
                format!("did you mean `\"{digits}Mi\"`?"),
            );
        }
        _ => {}
    }
    Some(amount)
}

/// What was probably meant: `1GB` → `1G`, `512mb` → `512M`, `256MiB` → `256Mi`, `0,5` → `0.5`.
fn corrected(text: &str) -> Option<String> {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().replace(',', ".");
    let number = compact.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let suffix = &compact[number.len()..];
    let known = ["m", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti"];
    let lower = suffix.to_lowercase();
    let bare = lower.strip_suffix('b').filter(|bare| !bare.is_empty()).unwrap_or(&lower);
    let meant = if suffix.is_empty() { "" } else { known.iter().rev().find(|known| known.to_lowercase() == bare)? };
    let better = format!("{number}{meant}");
    (better != text && better.parse::<Quantity>().is_ok()).then_some(better)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_guessed() {
        assert_eq!(corrected("1GB").as_deref(), Some("1G"));
        assert_eq!(corrected("256MiB").as_deref(), Some("256Mi"));
        assert_eq!(corrected("512 mi").as_deref(), Some("512Mi"));
        assert_eq!(corrected("0,5").as_deref(), Some("0.5"));
        assert_eq!(corrected("much"), None);
    }
}
