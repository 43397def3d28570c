//! Verbs that need no cluster: validate, render, graph.

use std::fs;
use std::path::Path;

use crate::engine::{self, Compiled, Request, Validated};
use crate::graph::draw::{self, Grouping};
use crate::report::{self, objects};
use crate::resource::{Desired, Diagnostic, Diagnostics, Severity};
use crate::stack::Sources;
use serde_json::json;

use super::args::{By, Drawing, Graph, Render, Validate};
use super::request::{Context, filter};
use super::run::{Ended, Problem, leave, warn};
use super::terminal::Terminal;

/// `spai validate`.
pub(super) fn validate(args: &Validate, context: &Context, terminal: Terminal) -> Ended {
    let request = context.offline(args.folder.path(), &args.reading)?;
    let mut found = engine::validate(&request);
    strictly(&mut found.diagnostics, args.reading.strict);
    if found.diagnostics.has_errors() {
        return Err(Problem::from(found.diagnostics).within(&request.stack_dir));
    }
    if terminal.json {
        let Validated { stack, environments, diagnostics } = found;
        terminal.print_json(
            &json!({"format": "spai.diagnostics/1", "stack": stack, "environments": environments, "diagnostics": diagnostics.0}),
        );
        return Ok(0);
    }
    if let Ok(sources) = Sources::read(&request.stack_dir) {
        warn(&found.diagnostics, &sources, terminal);
    }
    terminal.print(&format!("{} is valid in {}\n", found.stack, found.environments.join(", ")));
    Ok(0)
}

/// The stack as objects; its warnings are said.
pub(super) fn compiled(request: &Request, strict: bool, terminal: Terminal) -> Result<Compiled, Problem> {
    let mut compiled = Compiled::read(request).map_err(|found| Problem::from(found).within(&request.stack_dir))?;
    strictly(&mut compiled.warnings, strict);
    if compiled.warnings.has_errors() {
        return Err(Problem::from(compiled.warnings).within(&request.stack_dir));
    }
    warn(&compiled.warnings, compiled.stack.sources(), terminal);
    Ok(compiled)
}

/// `--strict`: warnings are errors.
pub(super) fn strictly(diagnostics: &mut Diagnostics, strict: bool) {
    if strict {
        for diagnostic in &mut diagnostics.0 {
            diagnostic.severity = Severity::Error;
        }
    }
}

/// `spai render`.
pub(super) fn render(args: &Render, context: &Context, terminal: Terminal) -> Ended {
    let mut request = context.offline(args.folder.path(), &args.reading)?;
    request.filter = filter(&args.only);
    let compiled = compiled(&request, args.reading.strict, terminal)?;
    let wanted: Vec<&Desired> = compiled.desired.iter().filter(|desired| request.filter.selects(&desired.key(), &desired.scope)).collect();
    match &args.out {
        Some(folder) => {
            for desired in &wanted {
                let path = folder.join(objects::file_name(&desired.key()));
                write(&path, &objects::document(desired, args.reveal_secrets))?;
            }
            terminal.say(&format!("{} objects in {}", wanted.len(), folder.display()));
        }
        None if terminal.json => terminal.print_json(&objects::list(&wanted, args.reveal_secrets)),
        None => {
            for part in objects::stream(&wanted, args.reveal_secrets) {
                terminal.print(&part);
            }
        }
    }
    leave(compiled);
    Ok(0)
}

/// `spai graph`.
pub(super) fn graph(args: &Graph, context: &Context, terminal: Terminal) -> Ended {
    let request = context.offline(args.folder.path(), &args.reading)?;
    let compiled = compiled(&request, args.reading.strict, terminal)?;
    let grouping = match args.by {
        By::Objects => Grouping::Objects,
        By::Services => Grouping::Services,
        By::Tenants => Grouping::Tenants,
    };
    let drawing = if terminal.json { Drawing::Json } else { args.draw };
    match drawing {
        Drawing::Dot => terminal.print(&report::visible(&draw::dot(&compiled.graph, grouping))),
        Drawing::Mermaid => terminal.print(&report::visible(&draw::mermaid(&compiled.graph, grouping))),
        Drawing::Json => terminal.print_json(&draw::json(&compiled.graph, grouping)),
    }
    Ok(0)
}

/// Writes a file, and the folders above it.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Diagnostic> {
    let failed = |error: std::io::Error| {
        Diagnostic::error("cli::write", format!("{} can't be written: {error}", path.display()))
            .help("see whether the folder exists and is yours to write")
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(path, text).map_err(failed)
}
