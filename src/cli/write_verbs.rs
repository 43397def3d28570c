//! Verbs for whoever writes a stack: init, fmt, explain, schema.

use serde_json::json;

use crate::report;
use crate::resource::Diagnostic;
use crate::stack::shape::{self, FileKind};
use crate::stack::{self, explain as explained};

use super::args::{Explain, Fmt, Init, Schema, SchemaFile};
use super::request::Context;
use super::run::{ERROR, Ended, Problem};
use super::stack_verbs::{compiled, write};
use super::terminal::Terminal;

/// `spai init`.
pub(super) fn init(args: &Init, terminal: Terminal) -> Ended {
    let made = stack::init::init(&args.dir)?;
    let paths: Vec<String> = made.iter().map(|path| path.display().to_string()).collect();
    if terminal.json {
        terminal.print_json(&json!({"format": "spai.files/1", "files": paths}));
        return Ok(0);
    }
    for path in &paths {
        terminal.print(&format!("{}\n", report::visible_line(path)));
    }
    let folder = args.dir.display().to_string();
    terminal.say(&format!("next: spai plan {} -e development", report::visible_line(&folder)));
    Ok(0)
}

/// `spai fmt`.
pub(super) fn fmt(args: &Fmt, terminal: Terminal) -> Ended {
    let folder = args.folder.path();
    let unformatted = stack::fmt::folder(folder).map_err(|found| Problem::from(found).within(folder))?;
    if !args.check {
        for file in &unformatted {
            write(&folder.join(&file.path), &file.text)?;
        }
    }
    let paths: Vec<&str> = unformatted.iter().map(|file| file.path.as_str()).collect();
    if terminal.json {
        terminal.print_json(&json!({"format": "spai.files/1", "files": paths}));
    } else {
        for path in &paths {
            terminal.print(&format!("{}\n", report::visible_line(path)));
        }
    }
    Ok(if args.check && !paths.is_empty() { ERROR } else { 0 })
}

/// `spai explain`.
pub(super) fn explain(args: &Explain, context: &Context, terminal: Terminal) -> Ended {
    let request = context.offline(args.folder.path(), &args.reading)?;
    let compiled = compiled(&request, args.reading.strict, terminal)?;
    if let Some(object) = &args.object {
        let field = match args.what.as_slice() {
            [] => None,
            [field] => Some(field.as_str()),
            _ => {
                return Err(Diagnostic::error("cli::explain", "with --object, only a field can be named")
                    .help("`spai explain -h` has examples")
                    .into());
            }
        };
        let found = explained::object(&compiled.desired, object, field)?;
        if terminal.json {
            terminal.print_json(&json!(found));
        } else {
            terminal.print(&report::explain_object(&found, terminal.out));
        }
        return Ok(0);
    }
    let Some(service) = args.what.first() else {
        return Err(Diagnostic::error("cli::explain", "explain what?")
            .help("name a service, and a field if you like: `spai explain backend replicas.min`; or an object: --object KIND/NS/NAME")
            .into());
    };
    let field = args.what.get(1).map(String::as_str);
    let found = explained::service(&compiled.resolved, service, args.tenant.as_deref(), field)?;
    if terminal.json {
        terminal.print_json(&json!(found));
    } else {
        terminal.print(&report::explain_service(&found, terminal.out));
    }
    Ok(0)
}

/// `spai schema`.
pub(super) fn schema(args: &Schema, terminal: Terminal) -> u8 {
    let kind = match args.file {
        SchemaFile::Stack => FileKind::Stack,
        SchemaFile::Environment => FileKind::Environment,
        SchemaFile::Tenant => FileKind::Tenant,
        SchemaFile::Service => FileKind::Service,
    };
    if terminal.json {
        terminal.print_json(&shape::json_schema(kind));
    } else {
        terminal.print(&shape::describe(kind));
    }
    0
}
