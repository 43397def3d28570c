//! What the cluster holds: objects, the version that each write moves on by one, and the last writes, for watches and for
//! lists that go on page by page.
//!
//! All of it is in memory, and every write is in the file before it is answered (see [`log`]).

mod folder;
mod history;
mod log;
mod objects;

pub use folder::{Folder, OpenError};
pub use history::{Change, Event};
pub use objects::{Place, Store};
