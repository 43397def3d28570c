//! Every command that README and docs/ show works as printed: the `console` blocks of each page are run in order, in a
//! folder with the shipped stacks, against the real API server, and what they print is compared.
//!
//! In a block, `$ ` begins a command; what follows is its output, as far as it is given: `…` stands for any text in a
//! line, a line of `…` alone for any lines. A comment `# exit N` behind a command says that it ends with N, not 0.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says so by failing")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A command of a page, with what it should print.
struct Shown {
    line: usize,
    command: String,
    exit: i32,
    output: Vec<String>,
}

#[test]
fn every_command_of_the_documentation_works_as_printed() {
    let Some(kubeconfig) = std::env::var_os("SPAI_TEST_KUBECONFIG") else {
        assert!(std::env::var("SPAI_REQUIRE_CONTROL_PLANE").as_deref() != Ok("1"), "no SPAI_TEST_KUBECONFIG: run tests/run");
        eprintln!("left out: no control plane (tests/run starts one)");
        return;
    };
    let mut pages = Vec::new();
    markdown(&root().join("docs"), &mut pages);
    pages.push(root().join("README.md"));
    let (mut wrong, mut commands) = (String::new(), 0);
    // One page after the other: they use the same stacks by the same names.
    for page in pages {
        let shown = read(&fs::read_to_string(&page).unwrap());
        if shown.is_empty() {
            continue;
        }
        commands += shown.len();
        run_page(&page, &shown, Path::new(&kubeconfig), &mut wrong);
    }
    assert!(commands >= 20, "only {commands} commands are shown");
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// The demo, as far as its end: `--once` leaves out the waiting for Ctrl-C.
#[test]
fn the_demo_plans_and_applies_the_shipped_platform() {
    if std::env::var_os("SPAI_TEST_KUBECONFIG").is_none() {
        eprintln!("left out: no control plane (tests/run starts one)");
        return;
    }
    let output = Command::new(root().join("tests/demo")).arg("--once").stdin(Stdio::null()).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}");
    for said in ["to create; 0 unchanged", "Applied: ", "No changes: "] {
        assert!(text.contains(said), "no `{said}` in\n{text}");
    }
}

fn run_page(page: &Path, shown: &[Shown], kubeconfig: &Path, wrong: &mut String) {
    let folder = tempfile::tempdir().unwrap();
    copy_tree(&root().join("stacks"), &folder.path().join("stacks"));
    let binary = Path::new(env!("CARGO_BIN_EXE_spai")).parent().unwrap();
    let assets = std::env::var_os("KUBEBUILDER_ASSETS").unwrap_or_default();
    let path = std::env::join_paths(
        [binary.to_path_buf(), assets.into()].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    )
    .unwrap();
    let run = |command: &str| {
        let output = Command::new("bash")
            .args(["-c", command])
            .current_dir(folder.path())
            .env("PATH", &path)
            .env("HOME", folder.path())
            .env("XDG_CONFIG_HOME", folder.path().join(".config"))
            .env("KUBECONFIG", kubeconfig)
            // The pages say it: kubectl and spai look at the same cluster.
            .env("SPAI_CONTEXT", "spai-test")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code().unwrap_or(-1), text)
    };
    for shown in shown {
        let (exit, text) = run(&shown.command);
        let printed: Vec<&str> = text.lines().map(str::trim_end).collect();
        let expected: Vec<&str> = shown.output.iter().map(String::as_str).collect();
        if exit != shown.exit || !(expected.is_empty() || lines_match(&expected, &printed)) {
            let place = page.strip_prefix(root()).unwrap().display();
            let _ = writeln!(wrong, "{place}:{}: $ {}\nexit {exit}, wanted {}\n{text}", shown.line, shown.command, shown.exit);
            break;
        }
    }
    // Whatever a page leaves behind, the next one begins with nothing.
    for stack in fs::read_dir(folder.path().join("stacks")).unwrap() {
        let stack = stack.unwrap().path();
        for environment in fs::read_dir(stack.join("environments")).into_iter().flatten() {
            let environment = environment.unwrap().path();
            let name = environment.file_stem().unwrap().to_str().unwrap();
            run(&format!("spai destroy '{}' -e {name} --yes --allow-irreversible --allow-deletes", stack.display()));
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn markdown(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            markdown(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// The commands of a page's `console` blocks.
fn read(text: &str) -> Vec<Shown> {
    let (mut found, mut inside): (Vec<Shown>, bool) = (Vec::new(), false);
    for (index, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if let (true, Some(command)) = (inside, line.strip_prefix("$ ")) {
            let (command, exit) = match command.rsplit_once("# exit ") {
                Some((command, exit)) => (command.trim_end(), exit.trim().parse().unwrap()),
                None => (command, 0),
            };
            found.push(Shown { line: index + 1, command: command.to_owned(), exit, output: Vec::new() });
        } else if let (true, Some(last)) = (inside, found.last_mut()) {
            if last.output.is_empty() && last.command.ends_with('\\') {
                last.command = format!("{}\n{line}", last.command);
            } else {
                last.output.push(line.trim_end().to_owned());
            }
        }
    }
    for shown in &mut found {
        while shown.output.last().is_some_and(String::is_empty) {
            shown.output.pop();
        }
    }
    found
}

fn lines_match(expected: &[&str], printed: &[&str]) -> bool {
    match expected.split_first() {
        None => printed.iter().all(|line| line.is_empty()),
        Some((&"…", rest)) => (0..=printed.len()).any(|skip| lines_match(rest, &printed[skip..])),
        Some((first, rest)) => printed.split_first().is_some_and(|(line, printed)| line_matches(first, line) && lines_match(rest, printed)),
    }
}

fn line_matches(pattern: &str, line: &str) -> bool {
    let pieces: Vec<&str> = pattern.split('…').collect();
    if pieces.len() == 1 {
        return pattern == line;
    }
    let Some(mut rest) = line.strip_prefix(pieces[0]) else { return false };
    for piece in &pieces[1..pieces.len() - 1] {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(pieces[pieces.len() - 1])
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
