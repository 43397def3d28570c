//! What issue-makers, reviewers and whoever is on call rely on, shown with the `spai` binary on a real API server,
//! controller manager and scheduler: every test is a user's story.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says so by failing")]

mod changes;
mod failures;
mod ownership;
mod state;
mod whole;
mod world;
