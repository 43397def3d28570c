//! Names, uids and the like: a stream of numbers from a seed, so that a test can have the same ones again.

/// The letters of generated names: no vowels, so that no words come about, and none that look alike.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A generator; not for secrets.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A stream that a seed decides.
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream that nobody had before.
    pub fn fresh() -> Self {
        use std::hash::{BuildHasher as _, Hasher as _};
        // The standard library's hashers are keyed by the system's randomness.
        Self(std::collections::hash_map::RandomState::new().build_hasher().finish())
    }

    /// The next number (splitmix64).
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below another.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound.max(1)
    }

    /// A uid of version 4.
    pub fn uid(&mut self) -> String {
        let (high, low) = (self.number(), self.number());
        let high = (high & !0xf000) | 0x4000;
        let low = (low & !(0b11 << 62)) | (0b10 << 62);
        format!("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, (high >> 16) & 0xffff, high & 0xffff, low >> 48, low & 0xffff_ffff_ffff)
    }

    /// Five letters, as generated names end.
    pub fn suffix(&mut self) -> String {
        (0..5).map(|_| letter(self.number())).collect()
    }
}

/// A number as letters: the same number, the same letters.
pub fn letters(mut number: u64, count: usize) -> String {
    let mut out = String::with_capacity(count);
    for _ in 0..count {
        out.push(letter(number));
        number /= LETTERS.len() as u64;
    }
    out
}

fn letter(number: u64) -> char {
    let index = usize::try_from(number % LETTERS.len() as u64).unwrap_or_default();
    char::from(LETTERS[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_everything() {
        let (mut one, mut two) = (Random::seeded(7), Random::seeded(7));
        let uid = one.uid();
        assert_eq!((uid.len(), uid.as_bytes()[14], &uid), (36, b'4', &two.uid()));
        assert_eq!(one.suffix(), two.suffix());
        assert_ne!(one.suffix(), one.suffix());
    }
}
