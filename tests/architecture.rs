//! The modules form one direction: a module uses only those above it in the list. Read from the sources, so that an
//! import that points down fails here and not in a reader's head.

#![allow(clippy::unwrap_used, reason = "a test says so by failing")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// From the top: each may use those before it, and none after.
const ORDER: [&str; 16] = [
    "resource",
    "schema",
    "merge",
    "admission",
    "stack",
    "compile",
    "graph",
    "strategy",
    "plan",
    "cluster",
    "embedded",
    "state",
    "apply",
    "engine",
    "report",
    "cli",
];

/// The core: what must not reach for a clock, randomness, the network or the environment.
const CORE: usize = 9;

/// `stack` reads the user's files: they are its input.
const MAY_READ_FILES: [&str; 1] = ["stack"];

#[test]
fn modules_use_only_those_above_them() {
    let mut wrong = Vec::new();
    for (module, file, text) in sources() {
        let own = ORDER
            .iter()
            .position(|name| *name == module)
            .unwrap_or_else(|| panic!("{module}: not in the table; src/ has the modules of the architecture and nothing else"));
        for (number, line) in code_lines(&text) {
            for used in uses(line) {
                if ORDER.iter().position(|name| *name == used).is_some_and(|used| used > own) {
                    wrong.push(format!("{}:{number}: `{module}` uses `{used}`, which stands below it", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_core_does_no_io() {
    let forbidden = [
        "TcpStream",
        "UdpSocket",
        "TcpListener",
        "std::env",
        "SystemTime",
        "Instant::now",
        "Timestamp::now",
        "tokio::",
        "kube::",
        "std::process",
        "rand::",
    ];
    let mut wrong = Vec::new();
    for (module, file, text) in sources() {
        if !ORDER[..CORE].contains(&module.as_str()) || is_test(&file) {
            continue;
        }
        for (number, line) in code_lines(&text) {
            for word in forbidden {
                // `crate::…` paths may contain a word by chance; these are external crates and std only.
                if line.contains(word) {
                    wrong.push(format!("{}:{number}: the core reaches for `{word}`", file.display()));
                }
            }
            if line.contains("std::fs") && !MAY_READ_FILES.contains(&module.as_str()) {
                wrong.push(format!("{}:{number}: the core reaches for files", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_and_stays_readable() {
    let mut wrong = Vec::new();
    for (_, file, text) in sources() {
        if !text.starts_with("//!") {
            wrong.push(format!("{}: begins without `//!`", file.display()));
        }
        let lines = text.lines().count();
        if lines > 900 {
            wrong.push(format!("{}: {lines} lines: is it one idea?", file.display()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_engine_knows_no_shipped_stack() {
    let names: Vec<String> =
        fs::read_dir(root().join("stacks")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.len() >= 2, "{names:?}");
    let mut wrong = Vec::new();
    for (_, file, text) in sources() {
        for name in names.iter().filter(|name| name.contains('-')) {
            if text.contains(name.as_str()) {
                wrong.push(format!("{}: names the stack `{name}`", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// A file of tests, which may use what they like.
fn is_test(file: &Path) -> bool {
    let name = file.file_name().unwrap().to_str().unwrap();
    name == "tests.rs" || name.ends_with("_tests.rs") || file.components().any(|part| part.as_os_str() == "tests")
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// (module, file, text) of every source file below `src`, in order.
fn sources() -> Vec<(String, PathBuf, String)> {
    let mut found = BTreeMap::new();
    walk(&root().join("src"), &mut found);
    assert!(found.len() > 40, "only {} files found", found.len());
    found
        .into_iter()
        .filter_map(|(file, text)| {
            let relative = file.strip_prefix(root().join("src")).unwrap().to_path_buf();
            let module = relative.components().next().unwrap().as_os_str().to_str().unwrap().to_owned();
            (relative.components().count() > 1).then_some((module, relative, text))
        })
        .collect()
}

fn walk(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.insert(path.clone(), fs::read_to_string(&path).unwrap());
        }
    }
}

/// Lines of code with their numbers: no comments, and nothing from `#[cfg(test)]` on (tests may use what they like).
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
        .map(|(index, line)| (index + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// The crate's modules that a line names: `crate::plan::…`.
fn uses(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default())
}
