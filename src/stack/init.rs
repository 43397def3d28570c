//! A small stack that works, to begin with: one service, one tenant, one environment.
//!
//! What it holds passes `validate`, and runs on any cluster that may pull public images: the service answers over HTTP,
//! as a user without rights, writing nothing.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use crate::resource::{Diagnostic, Diagnostics};

use super::naming::{MAX_STACK, is_dns_label};

/// The files of the stack, by their paths in its folder.
pub fn files(name: &str) -> [(&'static str, String); 4] {
    let stack = format!(
        r#"name        = "{name}"
description = "A stack to begin with"

# What one replica of a service may use, and how many replicas there are.
[tiers.standard]
cpu      = "100m"
memory   = "64Mi"
replicas = 2
"#
    );
    [
        ("stack.toml", stack),
        (
            "environments/development.toml",
            r#"# A cluster in spai's own process, in which nothing runs; `{ context = "prod" }` is one of your kubeconfig, "*" its current one.
cluster = { embedded = true }
domain  = "example.test"
"#
            .to_owned(),
        ),
        ("tenants/acme.toml", "display_name = \"Acme\"\ntier         = \"standard\"\n".to_owned()),
        (
            "services/web.toml",
            r#"description = "Answers with a greeting"
image       = { repository = "hashicorp/http-echo", tag = "1.0" }
args        = ["-listen=:8080", "-text=Hello, ${tenant.display_name}"]

[ports.http]
port  = 8080
probe = { path = "/" }

[pod]
user = 65532 # the image's own user
"#
            .to_owned(),
        ),
    ]
}

/// Makes the stack in a folder, called like the folder. Existing files are left as they are: with one of them there,
/// nothing is written.
///
/// # Errors
/// Where files are in the way or can't be written.
pub fn init(folder: &Path) -> Result<Vec<PathBuf>, Diagnostics> {
    let files = files(&name_of(folder));
    let mut in_the_way = Diagnostics::default();
    for (path, _) in &files {
        if folder.join(path).symlink_metadata().is_ok() {
            in_the_way.push(
                Diagnostic::error("stack::exists", format!("`{path}` is there already, in {}", folder.display()))
                    .help("nothing was written; name another folder: `spai init DIR`"),
            );
        }
    }
    let mut made = in_the_way.into_result(Vec::new())?;
    for (path, text) in &files {
        let path = folder.join(path);
        write_new(&path, text)?;
        made.push(path);
    }
    Ok(made)
}

/// Writes a file that isn't there; one that has come in between is an error, not overwritten.
fn write_new(path: &Path, text: &str) -> Result<(), Diagnostic> {
    let failed = |error: std::io::Error| {
        let reason = if error.kind() == ErrorKind::PermissionDenied { "permission denied".to_owned() } else { error.to_string() };
        Diagnostic::error("stack::unwritable", format!("can't write {}: {reason}", path.display()))
            .help("name a folder that you may write to")
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut file = fs::File::options().write(true).create_new(true).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

/// The folder's name as a stack's: `My Shop` → `my-shop`.
fn name_of(folder: &Path) -> String {
    let real = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let name = real.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let mut mapped = String::new();
    for c in name.chars() {
        match c {
            c if c.is_ascii_alphanumeric() => mapped.push(c),
            _ if mapped.ends_with('-') => {}
            _ => mapped.push('-'),
        }
    }
    let mapped: String = mapped.trim_matches('-').chars().take(MAX_STACK).collect();
    let mapped = mapped.trim_matches('-');
    if is_dns_label(mapped) { mapped.to_owned() } else { "my-stack".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::{ResolveOptions, Sources, Stack};

    #[test]
    fn what_is_made_has_nothing_wrong_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("My Shop");
        let made = init(&folder).unwrap();
        assert_eq!(made.len(), 4);
        let (stack, diagnostics) = Stack::load(Sources::read(&folder).unwrap());
        assert_eq!(diagnostics, Diagnostics::default());
        let stack = stack.unwrap();
        assert_eq!(stack.name(), "my-shop");
        let (resolved, diagnostics) = stack.resolve(&ResolveOptions { environment: "development".to_owned(), ..Default::default() });
        assert_eq!(diagnostics, Diagnostics::default());
        let (desired, diagnostics) = crate::compile::compile(&resolved.unwrap());
        assert_eq!(diagnostics, Diagnostics::default());
        assert!(desired.iter().any(|desired| desired.key().kind == "Deployment"));
    }

    #[test]
    fn it_is_formatted_as_fmt_would() {
        for (path, text) in files("shop") {
            assert_eq!(crate::stack::fmt::format(&path.into(), &text).unwrap(), text, "{path}");
        }
    }

    #[test]
    fn nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("services")).unwrap();
        fs::write(folder.path().join("services/web.toml"), "mine").unwrap();
        assert_eq!(init(folder.path()).unwrap_err().0[0].code, "stack::exists");
        assert!(!folder.path().join("stack.toml").exists());
        assert_eq!(fs::read_to_string(folder.path().join("services/web.toml")).unwrap(), "mine");
    }

    #[test]
    fn names_of_folders_become_names_of_stacks() {
        for (folder, name) in [("shop", "shop"), ("My Shop!", "my-shop"), ("../..", "my-stack"), ("Ünter", "nter"), ("日本", "my-stack")]
        {
            assert_eq!(name_of(Path::new("/nowhere").join(folder).as_path()), name, "{folder}");
        }
    }
}
