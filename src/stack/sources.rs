//! The texts of a stack's folder, read once, within limits.
//!
//! | what | limit |
//! |---|---|
//! | a TOML file | 4 MiB |
//! | a manifest, or a file that a service or an input takes | 32 MiB |
//! | all together | 256 MiB, 20,000 files |
//! | folders within folders | 16 |
//!
//! Files are UTF-8. A byte order mark is skipped and CRLF read as LF, so the same stack says the same wherever it was checked out.
//! Links are followed as long as they stay inside the stack's folder.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::resource::{Diagnostic, Diagnostics, Origin};

use super::names;

/// The largest TOML file, in bytes.
pub const MAX_TOML: u64 = 4 << 20;
/// The largest manifest or other file, in bytes.
pub const MAX_FILE: u64 = 32 << 20;
/// All files together, in bytes.
pub const MAX_TOTAL: u64 = 256 << 20;
/// How many files.
pub const MAX_FILES: usize = 20_000;
/// How many folders within folders.
pub const MAX_DEPTH: usize = 16;

/// The folders of a stack whose files are TOML.
const TOML_FOLDERS: [&str; 3] = ["environments", "services", "tenants"];
/// The folder of manifests.
const MANIFESTS: &str = "manifests";

/// The texts of a stack, by their paths relative to its folder (with `/`).
#[derive(Clone, Debug, Default)]
pub struct Sources {
    root: Option<PathBuf>,
    texts: BTreeMap<Arc<str>, Arc<str>>,
    /// Files that services and inputs take, read when they are first asked for.
    taken: Arc<Mutex<BTreeMap<String, Arc<str>>>>,
    warnings: Diagnostics,
}

impl Sources {
    /// Reads the stack in folder `root`: `stack.toml`, `environments`, `tenants` and `services` (`*.toml`), and `manifests`
    /// (`*.yaml`, `*.yml`, `*.json`, in folders of any depth up to [`MAX_DEPTH`]). All that can't be read is an error, not the first alone.
    pub fn read(root: &Path) -> Result<Self, Diagnostics> {
        let real = match fs::canonicalize(root) {
            Ok(real) if real.is_dir() => real,
            Ok(_) => {
                let message = format!("{} is a file, and a stack is a folder", root.display());
                return Err(Diagnostic::error("stack::not_a_folder", message).help("name the folder that holds stack.toml").into());
            }
            Err(error) => {
                let message = format!("there is no stack in {}: {}", root.display(), in_words(&error));
                return Err(Diagnostic::error("stack::not_found", message).help("name the folder that holds stack.toml").into());
            }
        };
        let mut reader = Reader { root: real.clone(), texts: BTreeMap::new(), total: 0, diagnostics: Diagnostics::default(), full: false };
        reader.read_all();
        let (errors, warnings): (Vec<_>, Vec<_>) =
            reader.diagnostics.0.into_iter().partition(|d| d.severity == crate::resource::Severity::Error);
        if !errors.is_empty() {
            return Err(Diagnostics(errors));
        }
        Ok(Self { root: Some(real), texts: reader.texts, taken: Arc::default(), warnings: Diagnostics(warnings) })
    }

    /// A stack that is in no folder: for tests, and for what writes stacks. Files that services take are among the texts.
    pub fn of<P: Into<Arc<str>>, T: Into<Arc<str>>>(texts: impl IntoIterator<Item = (P, T)>) -> Self {
        Self { texts: texts.into_iter().map(|(path, text)| (path.into(), text.into())).collect(), ..Self::default() }
    }

    /// The stack's folder, if it is in one.
    pub fn root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    /// The text of a file: `services/backend.toml`.
    pub fn get(&self, path: &str) -> Option<Arc<str>> {
        self.texts.get(path).cloned()
    }

    /// All paths and texts, in the order of the paths.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        self.texts.iter()
    }

    /// What is worth a warning about the folder: files that nobody reads.
    pub fn warnings(&self) -> &Diagnostics {
        &self.warnings
    }

    /// The text of a file that a service or an input takes, wherever in the stack's folder it is. `origin` is the line that names it.
    ///
    /// # Errors
    /// Where the path leaves the stack's folder, or the file isn't there, isn't UTF-8 or is too large.
    pub fn open(&self, path: &str, origin: &Origin) -> Result<Arc<str>, Diagnostic> {
        let wrong = |code: &str, message: String, text: &str| Diagnostic::error(code, message).at(origin, text.to_owned());
        let plain = !path.is_empty() && Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !plain {
            return Err(wrong("stack::outside", format!("`{path}` leaves the stack's folder"), "names a file outside")
                .help("a stack takes files of its own folder only: write the path relative to it, without `..`"));
        }
        if let Some(text) = self.get(path) {
            return Ok(text);
        }
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = taken.get(path) {
            return Ok(Arc::clone(text));
        }
        let missing = |reason: &str| {
            let near = names::nearest(path, self.texts.keys().map(AsRef::as_ref)).map(|near| format!("did you mean `{near}`?"));
            wrong("stack::missing_file", format!("can't read `{path}`: {reason}"), near.as_deref().unwrap_or("names this file"))
                .help("the path is relative to the stack's folder")
        };
        let Some(root) = &self.root else { return Err(missing("no such file")) };
        let real = fs::canonicalize(root.join(path)).map_err(|error| missing(&in_words(&error)))?;
        if !real.starts_with(root) {
            return Err(wrong("stack::outside", format!("`{path}` is a link that leaves the stack's folder"), "names a file outside"));
        }
        let text = read_text(&real, MAX_FILE).map_err(|error| missing(&error.to_string()))?;
        taken.insert(path.to_owned(), Arc::clone(&text));
        Ok(text)
    }
}

/// Why a file has no text.
#[derive(Debug, thiserror::Error)]
enum TextError {
    #[error("{}", in_words(.0))]
    Io(#[from] io::Error),
    #[error("it is no file")]
    NoFile,
    #[error("it is larger than {} MiB", .0 >> 20)]
    TooLarge(u64),
    #[error("it is UTF-16; save it as UTF-8")]
    Utf16,
    #[error("it isn't UTF-8: byte {0} begins no character; save it as UTF-8")]
    NotUtf8(usize),
}

/// An I/O error without its number.
fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or folder".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ if error.raw_os_error() == Some(40) => "links that go round in a circle".to_owned(),
        _ => error.to_string(),
    }
}

/// Reads at most `limit` bytes of UTF-8; a byte order mark is skipped, CRLF becomes LF.
fn read_text(path: &Path, limit: u64) -> Result<Arc<str>, TextError> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(TextError::NoFile);
    }
    if metadata.len() > limit {
        return Err(TextError::TooLarge(limit));
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(TextError::TooLarge(limit));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(TextError::Utf16);
    }
    let text = String::from_utf8(bytes).map_err(|error| TextError::NotUtf8(error.utf8_error().valid_up_to()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Ok(if text.contains("\r\n") { Arc::from(text.replace("\r\n", "\n")) } else { Arc::from(text) })
}

struct Reader {
    root: PathBuf,
    texts: BTreeMap<Arc<str>, Arc<str>>,
    total: u64,
    diagnostics: Diagnostics,
    full: bool,
}

impl Reader {
    fn read_all(&mut self) {
        if self.root.join("stack.toml").exists() {
            self.read_file("stack.toml".to_owned(), MAX_TOML);
        } else {
            self.diagnostics.push(
                Diagnostic::error("stack::not_found", format!("there is no stack.toml in {}", self.root.display()))
                    .help("`spai init` makes a small stack that works; `--stack DIR` names the folder of another"),
            );
        }
        for folder in TOML_FOLDERS {
            for (name, is_folder) in self.list(folder) {
                let path = format!("{folder}/{name}");
                match Path::new(&name).extension().and_then(|extension| extension.to_str()) {
                    Some("toml") if !is_folder => self.read_file(path, MAX_TOML),
                    _ if is_folder || name.to_lowercase().ends_with(".md") => {}
                    _ => self.diagnostics.push(
                        Diagnostic::warning("stack::unread", format!("`{path}` isn't read"))
                            .help(format!("files in `{folder}` are called NAME.toml; what services take may be in a folder of its own")),
                    ),
                }
            }
        }
        self.read_manifests(MANIFESTS, &mut Vec::new());
        self.look_for_misspelt_folders();
    }

    fn read_manifests(&mut self, folder: &str, above: &mut Vec<PathBuf>) {
        let real = fs::canonicalize(self.root.join(folder)).unwrap_or_default();
        if above.contains(&real) {
            let message = format!("folder `{folder}` contains itself: a link leads back to a folder above it");
            self.diagnostics.push(Diagnostic::error("stack::link_circle", message).help("remove the link"));
            return;
        }
        if above.len() >= MAX_DEPTH {
            let message = format!("folder `{folder}` is more than {MAX_DEPTH} folders deep");
            self.diagnostics.push(Diagnostic::error("stack::too_deep", message));
            return;
        }
        above.push(real);
        for (name, is_folder) in self.list(folder) {
            let path = format!("{folder}/{name}");
            if is_folder {
                self.read_manifests(&path, above);
            } else if is_manifest(&name) {
                self.read_file(path, MAX_FILE);
            } else if !name.to_lowercase().ends_with(".md") {
                self.diagnostics.push(
                    Diagnostic::warning("stack::unread", format!("`{path}` isn't read"))
                        .help("manifests are called NAME.yaml, NAME.yml or NAME.json"),
                );
            }
        }
        above.pop();
    }

    /// What is in a folder, in the order of the names, but for hidden files: the names, and whether each is a folder.
    fn list(&mut self, folder: &str) -> Vec<(String, bool)> {
        let path = self.root.join(folder);
        let entries = match fs::read_dir(&path) {
            Ok(entries) if self.is_inside(folder, &path) => entries,
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let message = format!("can't read `{folder}`: {}", in_words(&error));
                self.diagnostics.push(Diagnostic::error("stack::unreadable", message));
                return Vec::new();
            }
            _ => return Vec::new(),
        };
        let mut names = Vec::new();
        for entry in entries.take(MAX_FILES + 1) {
            match entry.map(|entry| entry.file_name().into_string()) {
                Ok(Ok(name)) => names.push(name),
                Ok(Err(name)) => {
                    let message = format!("the name of `{folder}/{}` isn't UTF-8", name.to_string_lossy());
                    self.diagnostics.push(Diagnostic::error("stack::unreadable", message).help("rename it"));
                }
                Err(error) => {
                    let message = format!("can't read `{folder}`: {}", in_words(&error));
                    self.diagnostics.push(Diagnostic::error("stack::unreadable", message));
                }
            }
        }
        names.retain(|name| !name.starts_with('.'));
        names.sort_unstable();
        names.into_iter().map(|name| (path.join(&name).is_dir(), name)).map(|(is_folder, name)| (name, is_folder)).collect()
    }

    fn read_file(&mut self, path: String, limit: u64) {
        let full = self.root.join(&path);
        if self.full || !self.is_inside(&path, &full) {
            return;
        }
        match read_text(&full, limit) {
            Ok(text) => {
                self.total += text.len() as u64;
                self.texts.insert(Arc::from(path), text);
                if self.total > MAX_TOTAL || self.texts.len() > MAX_FILES {
                    self.full = true;
                    let message = format!("the stack is larger than {} MiB or {MAX_FILES} files", MAX_TOTAL >> 20);
                    self.diagnostics.push(Diagnostic::error("stack::too_large", message));
                }
            }
            Err(error) => {
                let code = match error {
                    TextError::TooLarge(_) => "stack::too_large",
                    TextError::Utf16 | TextError::NotUtf8(_) => "stack::not_utf8",
                    TextError::Io(_) | TextError::NoFile => "stack::unreadable",
                };
                self.diagnostics.push(Diagnostic::error(code, format!("can't read `{path}`: {error}")));
            }
        }
    }

    /// Whether a path, links followed, is in the stack's folder. A link that leads nowhere is for the reader to complain about.
    fn is_inside(&mut self, shown: &str, path: &Path) -> bool {
        let inside = fs::canonicalize(path).map_or(true, |real| real.starts_with(&self.root));
        if !inside {
            let message = format!("`{shown}` is a link that leaves the stack's folder");
            self.diagnostics.push(Diagnostic::error("stack::outside", message).help("a stack reads files of its own folder only"));
        }
        inside
    }

    fn look_for_misspelt_folders(&mut self) {
        let known = || TOML_FOLDERS.into_iter().chain([MANIFESTS]);
        let names: Vec<String> = self.list("").into_iter().filter(|(_, is_folder)| *is_folder).map(|(name, _)| name).collect();
        for name in names.iter().filter(|name| !known().any(|known| known == name.as_str())) {
            let near = names::nearest(name, known()).filter(|near| !names.iter().any(|name| name == near));
            if let Some(near) = near {
                self.diagnostics.push(
                    Diagnostic::warning("stack::unread", format!("folder `{name}` isn't read")).help(format!("did you mean `{near}`?")),
                );
            }
        }
    }
}

fn is_manifest(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("yaml" | "yml" | "json"))
}
