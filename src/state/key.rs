//! The key that state and journal are encrypted with: an age x25519 identity in the user's configuration folder.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::{Arc, Mutex, PoisonError};

use age::secrecy::ExposeSecret as _;
use age::x25519::{Identity, Recipient};
use zeroize::Zeroize as _;

use crate::cluster::open_private;
use crate::resource::Diagnostic;

use super::files;

/// Where the key is within the configuration folder.
const IN_CONFIG: &str = "keys/state.key";

/// The key of state and journal.
///
/// It is read when it is first needed, and made when something is first encrypted: a plan of a stack without state
/// needs none and writes none. `Debug` shows the file's path alone. Clones share the key.
#[derive(Clone)]
pub struct StateKey {
    path: PathBuf,
    /// The user named the file: one that isn't there is a mistake, not an invitation to make it.
    named: bool,
    identity: Arc<Mutex<Option<Identity>>>,
}

impl fmt::Debug for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StateKey({})", self.path.display())
    }
}

/// Why something can't be decrypted.
#[derive(Debug)]
pub(super) enum DecryptError {
    /// There is no key file.
    NoKey(Diagnostic),
    /// The bytes were encrypted with another key.
    OtherKey,
    /// The bytes aren't what was written.
    Damaged,
}

impl StateKey {
    /// The key in `key_file` (`SPAI_STATE_KEY_FILE`), or else in spai's configuration folder (`$XDG_CONFIG_HOME/spai`):
    /// `keys/state.key`, mode 0600, in age's own format, so `age-keygen` and `age` understand it.
    ///
    /// # Errors
    /// `state::key` if the file is there and can't be read or holds no key, `state::key_missing` if `key_file` names none.
    pub fn load_or_create(config_dir: &Path, key_file: Option<&Path>) -> Result<Self, Diagnostic> {
        let named = key_file.is_some();
        let path = key_file.map_or_else(|| config_dir.join(IN_CONFIG), Path::to_path_buf);
        let identity = read_identity(&path)?;
        if named && identity.is_none() {
            return Err(Diagnostic::error("state::key_missing", format!("SPAI_STATE_KEY_FILE names {}, which isn't there", path.display()))
                .help("mount the key there, or unset SPAI_STATE_KEY_FILE; without it spai makes a key of its own in its configuration folder when it first needs one"));
        }
        Ok(Self { path, named, identity: Arc::new(Mutex::new(identity)) })
    }

    /// The file that it is (or will be) in.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The public half, `age1…`: tells keys apart without giving anything away. None while there is no key.
    pub fn recipient(&self) -> Option<String> {
        self.lock().as_ref().map(|identity| identity.to_public().to_string())
    }

    /// Encrypts; makes the key if there is none yet.
    pub(super) fn encrypt(&self, plain: &[u8]) -> Result<Vec<u8>, Diagnostic> {
        age::encrypt(&self.public()?, plain).map_err(|error| Diagnostic::error("state::encrypt", format!("encrypting failed: {error}")))
    }

    /// Decrypts what [`Self::encrypt`] made.
    pub(super) fn decrypt(&self, cipher: &[u8]) -> Result<Vec<u8>, DecryptError> {
        let guard = self.lock();
        let Some(identity) = guard.as_ref() else {
            return Err(DecryptError::NoKey(self.missing()));
        };
        age::decrypt(identity, cipher).map_err(|error| match error {
            age::DecryptError::NoMatchingKeys => DecryptError::OtherKey,
            _ => DecryptError::Damaged,
        })
    }

    /// What to say where something was encrypted with another key; `recipient` is that key's public half.
    pub(super) fn is_another(&self, what: &Path, recipient: Option<&str>) -> Diagnostic {
        let with = recipient.map_or_else(|| "another key".to_owned(), |r| format!("the key {r}"));
        let ours = self.recipient().map_or_else(String::new, |r| format!(" ({r})"));
        Diagnostic::error(
            "state::key_other",
            format!("{} is encrypted with {with}, not with that in {}{ours}", what.display(), self.path.display()),
        )
        .help("point SPAI_STATE_KEY_FILE at the key it was written with; if that key is lost, `spai state recover` rebuilds the state from the cluster")
    }

    fn missing(&self) -> Diagnostic {
        Diagnostic::error("state::key_missing", format!("the state is encrypted, and its key {} isn't there", self.path.display()))
            .help("bring the key back, or point SPAI_STATE_KEY_FILE at it; if it is lost, `spai state recover` rebuilds the state from the cluster with a new key")
    }

    fn public(&self) -> Result<Recipient, Diagnostic> {
        let mut guard = self.lock();
        if let Some(identity) = guard.as_ref() {
            return Ok(identity.to_public());
        }
        if self.named {
            return Err(self.missing());
        }
        let made = create(&self.path)?;
        let recipient = made.to_public();
        *guard = Some(made);
        Ok(recipient)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Identity>> {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_identity(path: &Path) -> Result<Option<Identity>, Diagnostic> {
    let problem = |text: String| Diagnostic::error("state::key", text);
    let mut text = String::new();
    match fs::File::open(path).and_then(|file| file.take(64 * 1024).read_to_string(&mut text)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(problem(format!("the state's key {} can't be read: {error}", path.display()))),
    }
    let identity = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).map(Identity::from_str);
    text.zeroize();
    match identity {
        Some(Ok(identity)) => Ok(Some(identity)),
        _ => Err(problem(format!("{} holds no age key", path.display()))
            .help("it should have a line that begins with AGE-SECRET-KEY-1; bring it back from a backup, or move it away and run `spai state recover`, which makes a new one")),
    }
}

/// Makes a key file; if another process was faster, theirs is the key.
fn create(path: &Path) -> Result<Identity, Diagnostic> {
    let problem = |error: io::Error| Diagnostic::error("state::key", format!("the state's key {} can't be made: {error}", path.display()));
    let parent = path.parent().unwrap_or(path);
    create_private_dir(parent).map_err(problem)?;
    let identity = Identity::generate();
    let fresh = path.with_extension(format!("new.{}", std::process::id()));
    let written = write_identity(&fresh, &identity).and_then(|()| match fs::hard_link(&fresh, path) {
        Ok(()) => files::sync_dir(parent).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    });
    // Whatever became of it, the temporary name must not keep a key around.
    let _ = fs::remove_file(&fresh);
    if written.map_err(problem)? {
        return Ok(identity);
    }
    read_identity(path)?.ok_or_else(|| problem(io::ErrorKind::NotFound.into()))
}

fn write_identity(path: &Path, identity: &Identity) -> io::Result<()> {
    let mut file = open_private(OpenOptions::new().write(true).create(true).truncate(true), path)?;
    let mut text = format!(
        "# spai encrypts its state and journals with this key. Keep a copy; don't commit it.\n# public key: {}\n",
        identity.to_public()
    );
    text.push_str(identity.to_string().expose_secret());
    text.push('\n');
    let written = file.write_all(text.as_bytes());
    text.zeroize();
    written?;
    file.sync_all()
}

fn create_private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_at_first_use_and_its_owner_alone_can_read_it() {
        let config = tempfile::tempdir().unwrap();
        let key = StateKey::load_or_create(config.path(), None).unwrap();
        assert!(!key.path().exists(), "nothing was encrypted yet");
        assert_eq!(key.recipient(), None);
        let cipher = key.encrypt(b"hunter2").unwrap();
        assert!(!cipher.windows(7).any(|w| w == b"hunter2"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(key.path()).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let again = StateKey::load_or_create(config.path(), None).unwrap();
        assert_eq!(again.decrypt(&cipher).unwrap(), b"hunter2");
        assert_eq!(fs::read_dir(key.path().parent().unwrap()).unwrap().count(), 1, "no second copy of the key");
        assert!(!format!("{again:?}").contains("AGE-SECRET"));
    }

    #[test]
    fn two_that_make_a_key_at_once_end_with_one_key() {
        let config = tempfile::tempdir().unwrap();
        let keys: Vec<_> = (0..2).map(|_| StateKey::load_or_create(config.path(), None).unwrap()).collect();
        let cipher = keys[0].encrypt(b"x").unwrap();
        keys[1].encrypt(b"y").unwrap();
        assert_eq!(keys[1].decrypt(&cipher).unwrap(), b"x");
    }

    #[test]
    fn a_named_key_that_is_missing_is_never_made() {
        let config = tempfile::tempdir().unwrap();
        let named = config.path().join("mounted");
        assert_eq!(StateKey::load_or_create(config.path(), Some(&named)).unwrap_err().code, "state::key_missing");
        fs::write(&named, "no key\n").unwrap();
        assert_eq!(StateKey::load_or_create(config.path(), Some(&named)).unwrap_err().code, "state::key");
        assert!(!config.path().join(IN_CONFIG).exists());
    }

    #[test]
    fn another_key_and_damage_are_told_apart() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let key = StateKey::load_or_create(one.path(), None).unwrap();
        let other = StateKey::load_or_create(two.path(), None).unwrap();
        let mut cipher = key.encrypt(b"x").unwrap();
        assert!(matches!(other.decrypt(&cipher), Err(DecryptError::NoKey(_))));
        other.encrypt(b"y").unwrap();
        assert!(matches!(other.decrypt(&cipher), Err(DecryptError::OtherKey)));
        *cipher.last_mut().unwrap() ^= 1;
        assert!(matches!(key.decrypt(&cipher), Err(DecryptError::Damaged)));
    }
}
