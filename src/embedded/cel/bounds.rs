//! The numbers that costs are made of: what things cost each, sizes between bounds, and the ways to what has a size.

use std::cell::RefCell;
use std::rc::Rc;

/// What a letter, or an item of a list, costs to go by; and a letter of a regular expression.
pub const LETTER: f64 = 0.1;
pub const PATTERN: f64 = 0.25;
pub const LIST: u64 = 10;
pub const MAP: u64 = 30;
pub const STRUCT: u64 = 40;
/// A question about rights: two of them are all that an expression can afford.
pub const CHECK: u64 = 350_000;
/// Between which bounds a size is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub least: u64,
    pub most: u64,
}

impl Size {
    pub const ONE: Self = Self { least: 1, most: 1 };
    pub const ANY: Self = Self { least: 0, most: u64::MAX };

    pub fn exactly(size: u64) -> Self {
        Self { least: size, most: size }
    }

    pub fn or(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), most: self.most.max(other.most) }
    }

    pub fn plus(self, other: Self) -> Self {
        Self { least: self.least.saturating_add(other.least), most: self.most.saturating_add(other.most) }
    }

    pub fn times(self, other: Self) -> Self {
        Self { least: self.least.saturating_mul(other.least), most: self.most.saturating_mul(other.most) }
    }

    pub fn cost(self, each: f64) -> u64 {
        scaled(self.most, each)
    }
}

/// A number times a factor, rounded up.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "what is too large is the largest; neither is below zero"
)]
pub fn scaled(number: u64, by: f64) -> u64 {
    (number as f64 * by).ceil() as u64
}
/// The way from a variable to a value, with room for more parts: whoever adds one puts it where the next one would, too. So has it
/// Go, in which a rule's cost was first counted, and definitions are taken or refused by what came of that.
#[derive(Clone, Default)]
pub struct Path {
    parts: Rc<RefCell<Vec<String>>>,
    pub length: usize,
}

impl Path {
    pub fn of(name: &str) -> Self {
        Self { parts: Rc::new(RefCell::new(vec![name.to_owned()])), length: 1 }
    }

    pub fn and(&self, part: &str) -> Self {
        let room = self.parts.borrow().len();
        let parts = if self.length < room {
            Rc::clone(&self.parts)
        } else {
            let mut parts = self.known();
            parts.resize(1.max(2 * room), String::new());
            Rc::new(RefCell::new(parts))
        };
        part.clone_into(&mut parts.borrow_mut()[self.length]);
        Self { parts, length: self.length + 1 }
    }

    /// Another with the same parts, which shares nothing.
    pub fn copied(&self) -> Self {
        Self { parts: Rc::new(RefCell::new(self.known())), length: self.length }
    }

    pub fn known(&self) -> Vec<String> {
        self.parts.borrow()[..self.length].to_vec()
    }
}
/// What reading a selector costs: at the shortest, two letters are a requirement.
pub fn selector(letters: u64) -> u64 {
    let requirements = scaled(letters, 0.5).saturating_mul(LIST + STRUCT);
    LIST.saturating_add(scaled(letters, LETTER)).saturating_add(requirements)
}
