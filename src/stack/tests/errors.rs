//! What is wrong with stacks.
