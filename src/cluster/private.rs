//! Files that hold what opens a cluster or a state (tokens, keys, what was applied): nobody but their owner may read them.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Opens a file that its owner alone may read; one that was there and that others could read, they can't any more.
///
/// # Errors
/// It can't be opened, or is another user's.
pub fn open_private(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, MODE);
    let file = options.open(path)?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(MODE))?;
    Ok(file)
}

#[cfg(unix)]
const MODE: u32 = 0o600;

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_its_owners_alone_whether_it_is_new_or_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        open_private(OpenOptions::new().write(true).create_new(true), &path).unwrap();
        assert_eq!(mode(), 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        open_private(OpenOptions::new().write(true).create(true).truncate(true), &path).unwrap();
        assert_eq!(mode(), 0o600);
    }
}
