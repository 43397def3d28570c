//! What is kept: state and locks.

use std::fmt::Write as _;

use serde_json::json;

use crate::engine::{self, Request, Session};
use crate::report;
use crate::resource::Diagnostic;
use crate::state::{LocalStore, Lock, Locks};

use super::args::{self, State, Stored};
use super::request::Context;
use super::run::{ERROR, Ended, Problem, warn};
use super::run_verbs::key;
use super::terminal::Terminal;

/// `spai state …`.
pub(super) async fn state(verb: State, context: &Context, terminal: Terminal) -> Ended {
    match verb {
        State::List(stored) => list(&kept(&stored, context)?.store, terminal),
        State::Show { object, folder, reading, place } => {
            show(&object, &read(&context.online(folder.path(), &reading, &place)?)?.store, terminal)
        }
        State::Verify(stored) => verify(&kept(&stored, context)?.store, terminal),
        State::Recover(stored) => recover(&stored, context, terminal).await,
    }
}

async fn session(stored: &Stored, context: &Context) -> Result<Session, Problem> {
    let request = context.online(stored.folder.path(), &stored.reading, &stored.place)?;
    Session::open(&request).await.map_err(|found| Problem::from(found).within(&request.stack_dir))
}

/// The state alone: its cluster may be another process's just now.
fn kept(stored: &Stored, context: &Context) -> Result<engine::Stored, Problem> {
    read(&context.online(stored.folder.path(), &stored.reading, &stored.place)?)
}

fn read(request: &Request) -> Result<engine::Stored, Problem> {
    engine::stored(request).map_err(|found| Problem::from(found).within(&request.stack_dir))
}

fn list(store: &LocalStore, terminal: Terminal) -> Ended {
    let listing = engine::state::list(store)?;
    if terminal.json {
        let mut value = json!(listing);
        value["format"] = "spai.state/1".into();
        terminal.print_json(&value);
        return Ok(0);
    }
    let mut text = String::new();
    for object in &listing.objects {
        let _ = writeln!(text, "{}", report::visible_line(&object.key.to_string()));
    }
    terminal.print(&text);
    let revision = listing.head.as_ref().map_or(0, |head| head.revision);
    terminal.say(&format!("{} objects, revision {revision}", listing.objects.len()));
    Ok(0)
}

fn show(object: &str, store: &LocalStore, terminal: Terminal) -> Ended {
    let shown = engine::state::show(store, &key(object)?, None)?;
    if terminal.json {
        terminal.print_json(&json!(shown));
    } else {
        let documents: Vec<String> = shown.iter().map(|shown| report::yaml(&json!(shown))).collect();
        terminal.print(&documents.join("---\n"));
    }
    Ok(0)
}

fn verify(store: &LocalStore, terminal: Terminal) -> Ended {
    let health = engine::state::verify(store)?;
    let revision = health.store.head.as_ref().map_or(0, |head| head.revision);
    if terminal.json {
        let holder = health.lock.as_ref().map(ToString::to_string);
        terminal.print_json(&json!({
            "format": "spai.state/1", "revision": revision, "revisions": health.store.revisions,
            "unfinished_records": health.unfinished, "lock": holder,
        }));
        return Ok(0);
    }
    let mut text = format!("sound: revision {revision}, {} revisions in the history\n", health.store.revisions);
    if let Some(records) = health.unfinished {
        let _ = writeln!(text, "an unfinished run has {records} records: `spai apply --resume` or `spai apply --rollback`");
    }
    if let Some(holder) = health.lock {
        let _ = writeln!(text, "locked by {}", report::visible_line(&holder.to_string()));
    }
    terminal.print(&text);
    Ok(0)
}

async fn recover(stored: &Stored, context: &Context, terminal: Terminal) -> Ended {
    let request = context.online(stored.folder.path(), &stored.reading, &stored.place)?;
    let session = session(stored, context).await?;
    let recovered = engine::recover(&session, &request).await.map_err(|refusal| {
        let code = refusal.exit_code();
        Problem::from(refusal.diagnostics()).within(&request.stack_dir).exits(code)
    })?;
    let aside = recovered.aside.as_ref().map(|folder| folder.display().to_string());
    if terminal.json {
        terminal.print_json(&json!({
            "format": "spai.recovered/1", "revision": recovered.revision, "objects": recovered.objects, "as_wanted": recovered.as_wanted,
            "aside": aside, "former": recovered.former, "warnings": recovered.warnings.0,
        }));
        return Ok(0);
    }
    if let Some(former) = &recovered.former {
        terminal.say(&format!("the former state: {}", report::visible(&former.message)));
    }
    warn(&recovered.warnings, session.compiled.stack.sources(), terminal);
    let mut text = format!(
        "Recovered: {} objects, {} of them as the stack wants them. Revision {}.\n",
        recovered.objects, recovered.as_wanted, recovered.revision
    );
    if let Some(aside) = aside {
        let _ = writeln!(text, "The former state was put aside: {}", report::visible_line(&aside));
    }
    terminal.print(&text);
    Ok(0)
}

/// `spai lock …`.
pub(super) async fn lock(verb: args::Lock, context: &Context, terminal: Terminal) -> Ended {
    match verb {
        args::Lock::Show(stored) => {
            let session = match session(&stored, context).await {
                Ok(session) => session,
                // Whoever has the embedded cluster has the lock beside the state, and no other can have one in it.
                Err(problem) if problem.says(engine::HELD) => {
                    let holder = Lock::holder(&kept(&stored, context)?.dir)?;
                    terminal.say("the embedded cluster is another process's just now: this is the lock beside the state");
                    terminal.print(&holder.map_or_else(
                        || "nobody holds the lock\n".to_owned(),
                        |holder| report::visible(&format!("held by {holder}\n")).into(),
                    ));
                    return Ok(0);
                }
                Err(problem) => return Err(problem),
            };
            match Locks::show(&session.state_dir, &session.cluster, session.identity(), session.root_namespace()).await {
                Ok(locks) => say_locks(&locks, "nobody holds the lock", terminal),
                // The lock beside the state is known even if the cluster is away.
                Err(error) => {
                    let lines = Lock::holder(&session.state_dir)?.map_or_else(String::new, |holder| format!("held by {holder}\n"));
                    terminal.print(&report::visible(&lines));
                    return Err(error.into());
                }
            }
            Ok(0)
        }
        args::Lock::Break { stored, yes } => {
            let session = session(&stored, context).await?;
            let (dir, cluster, root) = (&session.state_dir, &session.cluster, session.root_namespace());
            let held = Locks::show(dir, cluster, session.identity(), root).await?;
            say_locks(&held, "nobody holds the lock", terminal);
            if held.local.is_none() && held.lease.is_none() {
                return Ok(0);
            }
            if !yes {
                if !terminal.asks {
                    return Err(Diagnostic::error(
                        "cli::confirm",
                        "breaking a lock asks for confirmation, and there is no terminal to ask at",
                    )
                    .help("make sure that the run is dead, then say `--yes`")
                    .into());
                }
                if !terminal.ask("If that run still lives, it stops at its next step. Break the lock?") {
                    return Ok(ERROR);
                }
            }
            Locks::break_(dir, cluster, session.identity(), root).await?;
            terminal.say("the lock is free");
            Ok(0)
        }
    }
}

fn say_locks(locks: &Locks, nobody: &str, terminal: Terminal) {
    let local = locks.local.as_ref().map(ToString::to_string);
    let lease = locks.lease.as_ref().map(|lease| lease.text.clone());
    if terminal.json {
        return terminal.print_json(&json!({"format": "spai.lock/1", "local": local, "lease": lease}));
    }
    let mut text = String::new();
    for (place, holder) in [("beside the state", &local), ("in the cluster", &lease)] {
        if let Some(holder) = holder {
            let _ = writeln!(text, "held {place} by {}", report::visible_line(holder));
        }
    }
    if text.is_empty() {
        text = format!("{nobody}\n");
    }
    terminal.print(&text);
}
