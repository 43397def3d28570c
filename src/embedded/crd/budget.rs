//! What the rules of a schema may cost: each, and all together.

use crate::embedded::api::FieldError;

/// What a rule may cost.
const RULE: u64 = 10_000_000;

/// What all rules of a schema may.
const SCHEMA: u64 = 100_000_000;

/// How many of the dearest rules are told of when all together are too dear, if they are more than a hundredth of what may be.
const DEAREST: usize = 4;

/// What a schema's rules came to so far.
#[derive(Debug, Default)]
pub struct Budget {
    /// Whether the schema is as it was: then each of its rules may cost what it did.
    unchanged: bool,
    total: u64,
    dearest: Vec<(u64, String)>,
}

impl Budget {
    /// Of a schema that stands as it was before, or not.
    pub fn of(unchanged: bool) -> Self {
        Self { unchanged, ..Self::default() }
    }

    /// Takes note of what a rule may cost.
    pub fn charge(&mut self, what: &str, path: String, cost: u64, errors: &mut Vec<FieldError>) {
        if !self.unchanged && cost > RULE {
            errors.push(FieldError::forbidden(path.clone(), &exceeded(what, cost, RULE)));
        }
        self.total = self.total.saturating_add(cost);
        if cost >= SCHEMA / 100 {
            self.dearest.push((cost, path));
            self.dearest.sort_by_key(|(cost, _)| std::cmp::Reverse(*cost));
            self.dearest.truncate(DEAREST);
        }
    }

    /// What is said when all are known.
    pub fn close(self, path: &str, errors: &mut Vec<FieldError>) {
        if self.total <= SCHEMA {
            return;
        }
        let detail = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
        errors.extend(self.dearest.into_iter().map(|(_, path)| FieldError::forbidden(path, detail)));
        let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        errors.push(FieldError::forbidden(path, &exceeded(what, self.total, SCHEMA)));
    }
}

#[allow(clippy::cast_precision_loss, reason = "a factor is told to the tenth")]
fn exceeded(what: &str, cost: u64, limit: u64) -> String {
    let factor = cost as f64 / limit as f64;
    let factor = if factor > 100.0 {
        "more than 100x".to_owned()
    } else if factor < 1.5 {
        format!("{factor:.6}x")
    } else {
        format!("{factor:.1}x")
    };
    format!(
        "{what} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"
    )
}
