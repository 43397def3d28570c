//! From an environment's `cluster` and the flags to a connection, as kubectl's users expect it.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};

use super::ahead::Ahead;
use super::kinds::Discovery;
use super::transport::Transport;
use super::{ClusterError, wire};
use crate::plan::Target;
use crate::resource::Diagnostic;
use crate::stack::model::ClusterRef;

/// What decides which cluster it is.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// `--kubeconfig`; else `$KUBECONFIG` (a list of files), else `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`; beats the environment's.
    pub context: Option<String>,
    /// The environment's `cluster`.
    pub reference: ClusterRef,
    /// How long a server that doesn't answer is waited for.
    pub server_timeout: Duration,
}

/// What is going on with a server that doesn't answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outage {
    /// It doesn't answer, and is waited for.
    Away {
        /// What went wrong.
        reason: String,
    },
    /// It answers again.
    Back,
}

/// Takes notice of outages; must not block.
pub type OutageObserver = Arc<dyn Fn(&Outage) + Send + Sync>;

/// A connection to one cluster. Cheap to clone; clones share the connection and what is known of the cluster's kinds.
#[derive(Clone)]
pub struct Cluster {
    pub(super) transport: Transport,
    pub(super) kinds: Arc<Discovery>,
    pub(super) ahead: Ahead,
    version: Arc<OnceLock<String>>,
    context: String,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cluster({})", self.context)
    }
}

impl Cluster {
    /// Prepares a connection. Nothing is sent yet: a server that is away shows at the first request.
    ///
    /// # Errors
    /// No such file, no such context, credentials that don't load: all with what was looked for and where.
    pub async fn connect(options: &ConnectOptions) -> Result<Self, Diagnostic> {
        let (mut config, context) = if options.reference.in_cluster && options.context.is_none() && options.kubeconfig.is_none() {
            let config = kube::Config::incluster().map_err(|error| {
                Diagnostic::error("cluster::not_in_cluster", format!("this is not running in a cluster: {}", chain(&error)))
                    .help("`in_cluster = true` is for spai inside a pod with a service account; elsewhere name a context")
            })?;
            (config, "in-cluster".to_owned())
        } else {
            from_kubeconfig(options).await?
        };
        // Repeating is decided here, for it depends on whether the request may have been carried out.
        config.default_retry = false;
        let exceptions = ["NO_PROXY", "no_proxy"].iter().find_map(|name| std::env::var(name).ok()).unwrap_or_default();
        if goes_direct(&config.cluster_url, &exceptions) {
            config.proxy_url = None;
        }
        if config.proxy_url.is_some() {
            let message = format!("the API server of the context `{context}` is to be reached through a proxy, which spai can't do");
            return Err(Diagnostic::error("cluster::proxy", message)
                .help("if it can be reached directly, add its host to NO_PROXY (the proxy comes from HTTPS_PROXY or the kubeconfig's `proxy-url`)"));
        }
        // Packing and unpacking costs more than carrying the bytes within this machine.
        config.disable_compression |= is_loopback(&config.cluster_url);
        let client = wire::client(config).map_err(|error| {
            Diagnostic::error("cluster::configuration", format!("the context `{context}` can't be used: {}", chain(&error)))
                .help("`kubectl --context` with the same name shows whether the kubeconfig works at all")
        })?;
        Ok(Self {
            transport: Transport::new(client, options.server_timeout),
            kinds: Arc::default(),
            version: Arc::default(),
            ahead: Ahead::default(),
            context,
        })
    }

    /// A connection over a client that exists already.
    pub fn over(client: kube::Client, context: impl Into<String>, server_timeout: Duration) -> Self {
        Self {
            transport: Transport::new(client, server_timeout),
            kinds: Arc::default(),
            version: Arc::default(),
            ahead: Ahead::default(),
            context: context.into(),
        }
    }

    /// The same connection, telling `observer` when the server goes away and comes back.
    #[must_use]
    pub fn observed(mut self, observer: OutageObserver) -> Self {
        self.transport = self.transport.observed(observer);
        self
    }

    /// The context's name, or `in-cluster`.
    pub fn context(&self) -> &str {
        &self.context
    }

    /// What the server says that it is: `v1.36.3`. Asked once, then remembered; who asks meanwhile asks too, and waits for nobody.
    ///
    /// # Errors
    /// The server doesn't answer.
    pub(super) async fn version(&self) -> Result<String, ClusterError> {
        if let Some(known) = self.version.get() {
            return Ok(known.clone());
        }
        let version = self.transport.read_json("/version").await?;
        Ok(self.version.get_or_init(|| version["gitVersion"].as_str().unwrap_or_default().to_owned()).clone())
    }

    /// The same, if it was asked already.
    pub(super) fn known_version(&self) -> Option<&str> {
        self.version.get().map(String::as_str)
    }

    /// Which cluster this is: context, version, the uid of kube-system.
    ///
    /// # Errors
    /// The server doesn't answer, or kube-system may not be read.
    pub async fn target(&self, root_namespace: &str) -> Result<Target, ClusterError> {
        let (version, system) = tokio::join!(self.version(), self.transport.read_json("/api/v1/namespaces/kube-system"));
        let (version, system) = (version?, system?);
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        Ok(Target {
            context: self.context.clone(),
            server_version: version,
            cluster_uid: text(&system["metadata"]["uid"]),
            root_namespace: root_namespace.to_owned(),
            chosen_by: Vec::new(),
        })
    }
}

async fn from_kubeconfig(options: &ConnectOptions) -> Result<(kube::Config, String), Diagnostic> {
    let named = options.context.as_deref().or(options.reference.context.as_deref()).filter(|name| *name != "*");
    let (file, looked_in) = match &options.kubeconfig {
        Some(path) => (Kubeconfig::read_from(path), path.display().to_string()),
        None => (Kubeconfig::read(), default_files()),
    };
    let file = file.map_err(|error| {
        Diagnostic::error("cluster::kubeconfig", format!("the kubeconfig {looked_in} can't be read: {}", unread(&error)))
            .help("say where it is with `--kubeconfig` or KUBECONFIG")
    })?;
    let context = match (named, &file.current_context) {
        (Some(name), _) => name.to_owned(),
        (None, Some(current)) if !current.is_empty() => current.clone(),
        _ => {
            return Err(Diagnostic::error("cluster::no_context", format!("the kubeconfig {looked_in} has no current context"))
                .help(format!("choose one with `--context`{}", known(&file))));
        }
    };
    if !file.contexts.iter().any(|known| known.name == context) {
        return Err(Diagnostic::error("cluster::unknown_context", format!("the kubeconfig {looked_in} has no context `{context}`"))
            .help(format!("choose one with `--context`, or in the environment's file{}", known(&file))));
    }
    let wanted = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
    let config = kube::Config::from_custom_kubeconfig(file, &wanted).await.map_err(|error| {
        Diagnostic::error("cluster::configuration", format!("the context `{context}` of {looked_in} can't be used: {}", chain(&error)))
    })?;
    Ok((config, context))
}

/// Why a kubeconfig can't be read. What is wrong with its YAML is told by its place alone: the parser would quote the lines
/// around it, and those hold tokens and keys.
fn unread(error: &KubeconfigError) -> String {
    let KubeconfigError::Parse(error) = error else { return chain(error) };
    let place = error.location().map_or_else(String::new, |at| format!(" at line {}, column {}", at.line(), at.column()));
    format!("it isn't the YAML of a kubeconfig{place}")
}

/// `; it has: a, b`.
fn known(file: &Kubeconfig) -> String {
    let mut names: Vec<&str> = file.contexts.iter().map(|context| context.name.as_str()).collect();
    names.sort_unstable();
    if names.is_empty() { String::new() } else { format!("; it has: {}", names.join(", ")) }
}

fn default_files() -> String {
    match std::env::var("KUBECONFIG") {
        Ok(files) if !files.is_empty() => files,
        _ => "~/.kube/config".to_owned(),
    }
}

/// Whether a proxy that the environment names isn't meant for this server: it is this machine, or among the exceptions of
/// NO_PROXY (names, which stand for what is below them too, addresses, `*`).
fn goes_direct(url: &http::Uri, exceptions: &str) -> bool {
    let host = host(url);
    is_loopback(url)
        || exceptions.split(',').map(|one| one.trim().to_lowercase()).filter(|one| !one.is_empty()).any(|one| {
            let name = one.trim_start_matches('*').trim_start_matches('.');
            one == "*" || host == name || (!name.is_empty() && host.strip_suffix(name).is_some_and(|above| above.ends_with('.')))
        })
}

/// Whether the server is on this machine.
fn is_loopback(url: &http::Uri) -> bool {
    let host = host(url);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn host(url: &http::Uri) -> String {
    url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_lowercase()
}

/// An error and its causes in one line, without saying anything twice.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refused(text: &str, context: Option<&str>, reference: ClusterRef) -> Diagnostic {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        std::fs::write(&path, text).unwrap();
        let options =
            ConnectOptions { kubeconfig: Some(path), context: context.map(str::to_owned), reference, server_timeout: Duration::ZERO };
        Cluster::connect(&options).await.unwrap_err()
    }

    const GOOD: &str = "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\ncontexts: [{name: b, context: {cluster: c, user: u}}, {name: a, context: {cluster: gone, user: u}}]\nusers: [{name: u, user: {token: swordfish}}]\n";

    #[tokio::test]
    async fn what_does_not_fit_is_told_with_what_there_is() {
        let error = refused(GOOD, Some("prod"), ClusterRef::default()).await;
        assert_eq!(error.code, "cluster::unknown_context");
        assert!(error.help.as_deref().is_some_and(|help| help.ends_with("; it has: a, b")), "{error:?}");
        assert_eq!(refused(GOOD, None, ClusterRef::default()).await.code, "cluster::no_context");
        assert_eq!(refused(GOOD, Some("a"), ClusterRef::default()).await.code, "cluster::configuration");
    }

    #[test]
    fn a_proxy_is_left_out_for_this_machine_and_the_exceptions() {
        let direct = |url: &str, exceptions: &str| goes_direct(&url.parse().unwrap(), exceptions);
        assert!(direct("https://127.0.0.1:6443", "") && direct("https://[::1]:6443", "") && direct("https://localhost", ""));
        assert!(
            direct("https://api.prod.example", "a, .Example")
                && direct("https://api.prod.example", "*.prod.example")
                && direct("https://x", "*")
        );
        assert!(
            !direct("https://api.prod.example", "")
                && !direct("https://api.prod.example", "rod.example,api")
                && !direct("https://10.0.0.1", "10.0.0.11")
        );
    }

    #[tokio::test]
    async fn a_broken_file_is_told_without_its_content() {
        for broken in [
            GOOD.replace("users: [{", "users: [{["),
            GOOD.replace("token: swordfish", "token: [swordfish]"),
            GOOD.replace("token: ", "token: \"x\ttab"),
        ] {
            let error = format!("{:?}", refused(&broken, Some("b"), ClusterRef::default()).await);
            assert!(!error.contains("swordfish"), "{error}");
        }
    }
}
