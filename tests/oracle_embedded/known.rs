//! Differences that are known and told: docs/reference/embedded-differences.md has the same list, in words.

use super::Step;
use super::compare::Difference;

/// Why a difference is none to be mended; None: it is.
pub fn excuse(_step: &Step, difference: &Difference) -> Option<&'static str> {
    // What a body that can't be decoded is told by: Go's own words of its own types.
    let decoder = ["json:", ": asn1: ", "<certificate data>\\\": x509: ", "is registered for version", "quantities must match"];
    let told = difference.place == ".message" || difference.place.starts_with(".details.causes[");
    if told && decoder.iter().any(|words| difference.real.contains(words)) {
        return Some("words of Go's decoder");
    }
    // The value that a cause shows, in the fields of Go's own types, or as a comparison of those. Its field and reason are the same.
    let shown = ["Invalid value: {", "Duplicate value: {", "Unsupported value: {", "\\n@@"];
    if difference.place.starts_with(".details.causes[")
        && difference.place.ends_with(".message")
        && shown.iter().any(|words| difference.real.contains(words))
    {
        return Some("values as Go's types show them");
    }
    // What a name that is missing breaks of a Service's address: the real one says no more than that.
    if difference.place == ".details.causes[0].field" && difference.real == "\"spec.clusterIPs\"" {
        return Some("a Service without a name");
    }
    None
}
