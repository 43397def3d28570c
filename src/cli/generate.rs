//! What is generated from the definition of the command line: completions, man pages, the reference of the book.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;

use crate::resource::Diagnostic;

use super::args::Cli;
use super::run::Ended;
use super::stack_verbs::write;
use super::terminal::Terminal;

/// `spai completions SHELL`.
pub(super) fn completions(shell: Shell, terminal: Terminal) -> u8 {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "spai", &mut text);
    terminal.print(&String::from_utf8_lossy(&text));
    0
}

/// `spai man`.
pub(super) fn man(out: Option<&Path>, terminal: Terminal) -> Ended {
    let pages = man_pages();
    match out {
        Some(folder) => {
            for (name, page) in &pages {
                write(&folder.join(name), page)?;
            }
            terminal.say(&format!("{} pages in {}", pages.len(), folder.display()));
        }
        None => match pages.into_iter().find(|(name, _)| name == "spai.1") {
            Some((_, page)) => terminal.print(&page),
            None => return Err(Diagnostic::error("cli::man", "there is no page").into()),
        },
    }
    Ok(0)
}

/// All man pages, by their file names: `spai.1`, `spai-plan.1`, …
pub fn man_pages() -> Vec<(String, String)> {
    let mut pages = Vec::new();
    let mut root = Cli::command();
    root.build();
    walk(&root, &mut |command| {
        let name = command.get_display_name().unwrap_or("spai").to_owned();
        let mut page = Vec::new();
        // Writing to a vector cannot fail.
        let _ = clap_mangen::Man::new(command.clone()).render(&mut page);
        pages.push((format!("{name}.1"), String::from_utf8_lossy(&page).into_owned()));
    });
    pages
}

/// The book's page of verbs and flags, as Markdown.
pub fn reference() -> String {
    let mut text = String::from(
        "# Commands and flags\n\n<!-- Generated from the definition of the command line: SPAI_BLESS=1 cargo test --test reference -->\n\n\
         `spai VERB [STACK] [-e ENVIRONMENT] [flags]`. Every flag has a variable, `SPAI_` and its name: `--server-timeout` is\n\
         `SPAI_SERVER_TIMEOUT`. `ENVIRONMENT`, `NAMESPACE`, `DEPLOYMENT_STRATEGY`, `DRY_RUN` and `PARALLEL_JOBS` count where neither\n\
         the flag nor its `SPAI_` variable is there. What variables chose stands in the plan's first lines.\n",
    );
    let mut root = Cli::command().term_width(100);
    root.build();
    walk(&root, &mut |command| {
        if command.has_subcommands() {
            return;
        }
        let name = command.get_bin_name().unwrap_or("spai").to_owned();
        let help = command.clone().term_width(100).render_long_help().to_string();
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        // Writing to a String cannot fail.
        let _ = write!(text, "\n## {name}\n\n```text\n{}\n```\n", help.join("\n").trim_end());
    });
    text
}

fn walk(command: &Command, visit: &mut impl FnMut(&Command)) {
    visit(command);
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        walk(below, visit);
    }
}
