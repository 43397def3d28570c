//! The stacks of this repository are right in all of their environments.

use std::path::{Path, PathBuf};

use super::*;

#[test]
fn every_shipped_stack_resolves_in_every_environment() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("stacks");
    let stacks: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!stacks.is_empty());
    for path in stacks {
        let (stack, diagnostics) = Stack::load(Sources::read(&path).unwrap());
        assert_eq!(diagnostics, Diagnostics::default(), "{}", path.display());
        let stack = stack.unwrap();
        for environment in stack.environments() {
            let (resolved, diagnostics) = stack.resolve(&options(&environment));
            assert_eq!(diagnostics, Diagnostics::default(), "{} {environment}", path.display());
            assert!(resolved.unwrap().places.iter().all(|place| !place.services.is_empty()));
        }
    }
}
