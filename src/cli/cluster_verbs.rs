//! The embedded cluster by itself: served on a port, and begun anew.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cluster::open_private;
use crate::embedded::Trouble;
use crate::embedded::serve::Server;
use crate::engine::embedded as engine;
use crate::report;
use crate::resource::Diagnostic;

use super::args::{Cluster, Embedded};
use super::interrupt::{interrupted, listen};
use super::request::Context;
use super::run::{ERROR, Ended, Problem};
use super::terminal::Terminal;

/// `spai cluster …`.
pub(super) async fn cluster(verb: Cluster, context: &Context, terminal: Terminal) -> Ended {
    match verb {
        Cluster::Serve { of, port, kubeconfig_out, fault } => {
            let data = data(of, context)?;
            let file = kubeconfig_out.unwrap_or_else(|| data.join("kubeconfig"));
            serve(&data, port, &file, fault, terminal).await
        }
        Cluster::Reset { of, yes } => reset(&data(of, context)?, yes, terminal),
    }
}

/// The folder of a cluster's data.
fn data(of: Embedded, context: &Context) -> Result<PathBuf, Problem> {
    let mut request = context.offline(of.folder.path(), &of.reading)?;
    request.state_dir = of.state;
    engine::folder(&request).map_err(|found| Problem::from(found).within(&request.stack_dir))
}

async fn serve(data: &Path, port: u16, file: &PathBuf, faults: Vec<Trouble>, terminal: Terminal) -> Ended {
    let stopped = listen(terminal);
    let cluster = engine::open(data)?;
    for trouble in faults {
        cluster.trouble(trouble);
    }
    let server = Server::start(cluster, port).await.map_err(|error| {
        Diagnostic::error("embedded::serve", format!("the embedded cluster can't be served on port {port}: {error}"))
            .help("take another port with `--port`, or none: a free one is found")
    })?;
    write(file, &server.kubeconfig())?;
    let path = file.display().to_string();
    let shown = report::visible_line(&path);
    if terminal.json {
        terminal.print_json(&json!({"format": "spai.serve/1", "server": server.url(), "kubeconfig": file}));
    } else {
        terminal.print(&format!(
            "The embedded cluster is served at {} until Ctrl-C. Nothing runs in its pods.\n\n  export KUBECONFIG={shown}\n",
            server.url()
        ));
    }
    interrupted(stopped).await;
    // Its token is worth nothing any more.
    let _ = std::fs::remove_file(file);
    Ok(0)
}

/// Writes a file that only its owner may read.
fn write(file: &Path, text: &str) -> Result<(), Diagnostic> {
    let opened = open_private(std::fs::OpenOptions::new().create(true).write(true).truncate(true), file);
    let written = opened.and_then(|mut out| out.write_all(text.as_bytes()));
    written.map_err(|error| Diagnostic::error("embedded::kubeconfig", format!("{} can't be written: {error}", file.display())))
}

fn reset(data: &Path, yes: bool, terminal: Terminal) -> Ended {
    if !yes {
        if !terminal.asks {
            return Err(Diagnostic::error("cli::confirm", "the embedded cluster would be emptied, and there is no terminal to ask at")
                .help("say `--yes`")
                .into());
        }
        if !terminal.ask("Empty the embedded cluster?") {
            return Ok(ERROR);
        }
    }
    engine::reset(data)?;
    terminal.say("the embedded cluster is empty, and a new one: `spai state recover` makes the state say so");
    Ok(0)
}
