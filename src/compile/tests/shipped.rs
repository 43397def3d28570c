//! The stacks that are shipped: every environment compiles, without a warning.

use std::path::Path;

use super::*;

#[test]
fn every_shipped_environment_compiles() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("stacks");
    let mut compiled = 0;
    for entry in std::fs::read_dir(root).unwrap() {
        let (stack, diagnostics) = Stack::load(Sources::read(&entry.unwrap().path()).unwrap());
        assert_eq!(diagnostics, Diagnostics::default());
        let stack = stack.unwrap();
        for environment in stack.environments() {
            let (resolved, diagnostics) = stack.resolve(&ResolveOptions { environment, ..ResolveOptions::default() });
            let resolved = resolved.unwrap_or_else(|| panic!("{diagnostics:#?}"));
            let (objects, diagnostics) = compile(&resolved);
            assert_eq!(diagnostics, Diagnostics::default());
            assert!(!objects.is_empty());
            compiled += 1;
        }
    }
    assert!(compiled > 0);
}
