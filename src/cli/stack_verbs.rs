//! Verbs that need no cluster: validate, render, graph.

use std::fs;
use std::path::Path;

use crate::engine;
use crate::graph::draw::{self, Grouping};
use crate::report::{self, objects};
use crate::resource::{Desired, Diagnostic};
use serde_json::json;

use super::args::{By, Drawing, Graph, Render, Validate};
use super::request::{Context, filter};
use super::run::{Ended, warn};
use super::terminal::Terminal;

/// `spai validate`.
pub(super) fn validate(args: &Validate, context: &Context, terminal: Terminal) -> Ended {
    let request = context.offline(&args.folder.stack, &args.reading)?;
    let (stack, _) = engine::read(&request)?;
    let warnings = engine::validate(&request)?;
    let environments = request.environment.clone().map_or_else(|| stack.environments(), |name| vec![name]);
    if terminal.json {
        let found = json!({"format": "spai.diagnostics/1", "stack": stack.name(), "environments": environments, "diagnostics": warnings.0});
        terminal.print_json(&found);
        return Ok(0);
    }
    warn(&warnings, stack.sources(), terminal);
    terminal.print(&format!("{} is valid in {}\n", stack.name(), environments.join(", ")));
    Ok(0)
}

/// `spai render`.
pub(super) fn render(args: &Render, context: &Context, terminal: Terminal) -> Ended {
    let mut request = context.offline(&args.folder.stack, &args.reading)?;
    request.filter = filter(&args.only);
    let compiled = engine::compile(&request)?;
    warn(&compiled.warnings, compiled.stack.sources(), terminal);
    let wanted: Vec<&Desired> = compiled.desired.iter().filter(|desired| request.filter.wants(desired)).collect();
    match &args.out {
        Some(folder) => {
            for desired in &wanted {
                let path = folder.join(objects::file_name(&desired.key()));
                write(&path, &objects::document(desired, args.reveal_secrets))?;
            }
            terminal.say(&format!("{} objects in {}", wanted.len(), folder.display()));
        }
        None if terminal.json => terminal.print_json(&objects::list(&wanted, args.reveal_secrets)),
        None => terminal.print(&objects::stream(&wanted, args.reveal_secrets)),
    }
    Ok(0)
}

/// `spai graph`.
pub(super) fn graph(args: &Graph, context: &Context, terminal: Terminal) -> Ended {
    let request = context.offline(&args.folder.stack, &args.reading)?;
    let compiled = engine::compile(&request)?;
    warn(&compiled.warnings, compiled.stack.sources(), terminal);
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
