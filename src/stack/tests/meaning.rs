//! What stacks mean.

use super::*;

#[test]
fn the_least_stack_is_a_name_and_a_cluster() {
    let resolved = resolve(&[]);
    assert_eq!(resolved.root_namespace, "shop-dev");
    assert!(resolved.places.is_empty());
}
