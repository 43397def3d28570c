//! Every folder of `tests/scenario/errors` is a stack with something wrong with it, and what `spai validate` says of it.
//!
//! A folder holds the files that differ from `_base`, laid over it; `_without` names files of `_base` that are left out,
//! `_arguments` further arguments of `validate`, and `expected.txt` is the golden message. `SPAI_UPDATE_GOLDEN=1` writes the
//! golden messages anew: read each as somebody would who has never seen spai.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenario/errors");
    let mut trials: Vec<Trial> = folders(&folder)
        .into_iter()
        .map(|case| {
            let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let base = folder.join("_base");
            Trial::test(name, move || run(&base, &case))
        })
        .collect();
    let base = folder.join("_base");
    trials.push(Trial::test("the base itself is right", move || {
        let (code, stderr) = validate(&base, &base)?;
        if code == Some(0) && stderr.is_empty() { Ok(()) } else { Err(format!("exit code {code:?}\n{stderr}").into()) }
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// The cases: folders whose names don't begin with `_`, in the order of their names.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).map(|entries| entries.flatten().map(|entry| entry.path()).collect::<Vec<_>>());
    let mut folders = entries.unwrap_or_default();
    folders.retain(|path| path.is_dir() && !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('_')));
    folders.sort();
    folders
}

fn run(base: &Path, case: &Path) -> Result<(), Failed> {
    let (code, stderr) = validate(base, case)?;
    if code != Some(1) {
        return Err(format!("exit code {code:?}, and it must be 1\n{stderr}").into());
    }
    let golden = case.join("expected.txt");
    if std::env::var_os("SPAI_UPDATE_GOLDEN").is_some() {
        return Ok(fs::write(golden, stderr)?);
    }
    let expected = fs::read_to_string(&golden).unwrap_or_default();
    if expected.trim().is_empty() {
        return Err(format!("{} is missing or empty; SPAI_UPDATE_GOLDEN=1 writes it\n{stderr}", golden.display()).into());
    }
    if expected == stderr {
        return Ok(());
    }
    let difference = similar::TextDiff::from_lines(&expected, &stderr).unified_diff().header("expected.txt", "said").to_string();
    Err(format!("another message than expected\n{difference}").into())
}

/// What `spai validate` says of a case: its exit code and what is on stderr, without the folder's own name.
fn validate(base: &Path, case: &Path) -> Result<(Option<i32>, String), Failed> {
    let folder = tempfile::tempdir()?;
    let stack = fs::canonicalize(folder.path())?.join("stack");
    copy(base, &stack)?;
    for path in fs::read_to_string(case.join("_without")).unwrap_or_default().lines() {
        fs::remove_file(stack.join(path))?;
    }
    copy(case, &stack)?;
    let arguments = fs::read_to_string(case.join("_arguments")).unwrap_or_default();
    let output = Command::new(env!("CARGO_BIN_EXE_spai"))
        .args(["validate", "--color", "never"])
        .args(arguments.split_whitespace())
        .current_dir(&stack)
        .env_clear()
        .output()?;
    if !output.stdout.is_empty() && output.status.code() != Some(0) {
        return Err(format!("something is on stdout: {}", String::from_utf8_lossy(&output.stdout)).into());
    }
    let stderr = String::from_utf8(output.stderr)?.replace(&*stack.to_string_lossy(), "FOLDER");
    Ok((output.status.code(), stderr))
}

/// Copies a folder's files over another's; links stay links.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let name = entry.file_name();
        if name == "expected.txt" || name.to_string_lossy().starts_with('_') {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy(&path, &target)?;
            continue;
        }
        if target.symlink_metadata().is_ok() {
            fs::remove_file(&target)?;
        }
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&path)?, &target)?;
        } else {
            fs::copy(&path, &target)?;
        }
    }
    Ok(())
}
