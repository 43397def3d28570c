//! What a ResourceQuota counts, and whether it has room: the server's quota admission and its controller's count.
//!
//! A quota applies to an object when it names something that is counted of such objects, and its scopes take the object. It
//! is charged with what the object uses, when that is made (or, for claims and services, changed), and refuses what is more
//! than it has left.

mod scope;
#[cfg(test)]
mod tests;
mod usage;

use jiff::Timestamp;

use super::Amounts;
use crate::resource::{Object, Quantity};

pub use scope::Scope;
pub use usage::{counted, usage};

/// A ResourceQuota as admission sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Quota {
    /// Its name.
    pub name: String,
    /// What is allowed at most: what its controller has seen, or else what it says.
    pub hard: Amounts,
    /// What is used of it. Names that its controller hasn't counted yet are missing.
    pub used: Amounts,
    /// Which objects it is about; all must hold.
    pub scopes: Vec<Scope>,
}

/// An object that is to be, or was.
#[derive(Clone, Copy, Debug)]
pub struct Counted<'o> {
    /// The object; of a pod, as [`super::pod_of`] completes it.
    pub object: &'o Object,
    /// Its resource's name: `pods`, `deployments`.
    pub plural: &'o str,
}

impl Quota {
    /// A ResourceQuota as the server holds it; one without a status hasn't been counted yet, and allows what it says.
    pub fn of(object: &Object) -> Self {
        let value = object.value();
        let hard = if value["status"]["hard"].is_object() { &value["status"]["hard"] } else { &value["spec"]["hard"] };
        Self {
            name: object.name().to_owned(),
            hard: Amounts::of(hard),
            used: Amounts::of(&value["status"]["used"]),
            scopes: Scope::all(&value["spec"]),
        }
    }

    /// The same once its controller has counted: what isn't used is zero.
    #[must_use]
    pub fn settled(mut self) -> Self {
        for (name, _) in self.hard.iter() {
            self.used.set_missing(name, &Quantity::ZERO);
        }
        self
    }

    /// Whether it is about this object.
    pub fn applies_to(&self, counted: Counted<'_>) -> bool {
        !self.watched(counted).is_empty() && self.scopes.iter().all(|scope| scope.takes(counted))
    }

    /// Whether the priority class of pods decides which of them it is about.
    pub fn goes_by_priority(&self) -> bool {
        self.scopes.iter().any(Scope::is_of_priority)
    }

    /// What making the object adds to it, or changing it from what it was. Nothing where it isn't about it.
    ///
    /// # Errors
    /// The server's words, where it refuses it.
    pub fn charge(&self, new: Counted<'_>, old: Option<Counted<'_>>) -> Result<Amounts, String> {
        if !usage::handles(new, old) || !self.applies_to(new) {
            return Ok(Amounts::default());
        }
        let watched = self.watched(new);
        if new.plural == "pods" {
            usage::constraints(&watched, new.object).map_err(|words| format!("failed quota: {}: {words}", self.name))?;
        }
        if watched.names().any(|name| !self.used.has(name)) {
            let names: Vec<&str> = watched.names().collect();
            return Err(format!("status unknown for quota: {}, resources: {}", self.name, names.join(",")));
        }
        let before = old.filter(|old| self.scopes.iter().all(|scope| scope.takes(*old)));
        let now = usage(new.object, new.plural, None);
        let added = before.map_or_else(|| now.clone(), |old| now.minus_at_most(&usage(old.object, old.plural, None)));
        let added = added.without_zeros().masked(&self.hard);
        self.refuses(&added).map_or(Ok(added), Err)
    }

    /// The server's words, if there is no room for so much more.
    pub fn refuses(&self, added: &Amounts) -> Option<String> {
        let beyond = self.used.plus(added).masked(added).beyond(&self.hard);
        if beyond.is_empty() {
            return None;
        }
        let (asked, used, hard) = (added.masked(&beyond), self.used.masked(&beyond), self.hard.masked(&beyond));
        Some(format!("exceeded quota: {}, requested: {asked}, used: {used}, limited: {hard}", self.name))
    }

    /// What its controller counts: all objects of the namespace, at a time. Only what is counted of the given kinds.
    pub fn count<'o>(&self, objects: impl IntoIterator<Item = Counted<'o>>, now: Option<Timestamp>) -> Amounts {
        let mut used: Amounts = self.hard.names().map(|name| (name.to_owned(), Quantity::ZERO)).collect();
        for counted in objects {
            if self.scopes.iter().all(|scope| scope.takes(counted)) {
                used.add(&usage(counted.object, counted.plural, now).masked(&self.hard));
            }
        }
        used
    }

    /// What it names of what is counted of such objects.
    fn watched(&self, of: Counted<'_>) -> Amounts {
        self.hard.filtered(|name, _| counted(of.object, of.plural, name))
    }
}
