//! From the stack's folder to objects and their graph: what every verb begins with, and all that `validate`, `render`
//! and `graph` need. No cluster.

use crate::compile;
use crate::graph::ResourceGraph;
use crate::resource::{Desired, Diagnostic, Diagnostics, Severity};
use crate::stack::{ResolveOptions, Resolved, Sources, Stack};

use super::Request;

/// A stack in one environment, compiled.
#[derive(Debug)]
pub struct Compiled {
    /// The files, for whoever prints diagnostics.
    pub stack: Stack,
    /// Everything resolved.
    pub resolved: Resolved,
    /// What the cluster shall hold, sorted by identity.
    pub desired: Vec<Desired>,
    /// What comes after what.
    pub graph: ResourceGraph,
    /// What to know, though nothing stops.
    pub warnings: Diagnostics,
}

/// Why nothing was done: all that is wrong, and the files that it stands in.
#[derive(Debug)]
pub struct Stopped {
    /// All that is wrong, warnings included.
    pub diagnostics: Diagnostics,
    /// The texts that the diagnostics' places are in; None where the stack itself couldn't be read.
    pub sources: Option<Sources>,
}

impl From<Diagnostic> for Stopped {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { diagnostics: diagnostic.into(), sources: None }
    }
}

impl From<Diagnostics> for Stopped {
    fn from(diagnostics: Diagnostics) -> Self {
        Self { diagnostics, sources: None }
    }
}

impl Stopped {
    /// The same, with the files that the places are in.
    #[must_use]
    pub fn within(mut self, sources: &Sources) -> Self {
        self.sources.get_or_insert_with(|| sources.clone());
        self
    }
}

/// Reads the stack's files, and finds what is wrong with them whatever the environment.
pub fn read(request: &Request) -> Result<(Stack, Diagnostics), Stopped> {
    let sources = Sources::read(&request.stack_dir)?;
    let (stack, mut diagnostics) = Stack::load(sources.clone());
    settle(&mut diagnostics, request.strict);
    match stack {
        Some(stack) if !diagnostics.has_errors() => Ok((stack, diagnostics)),
        // What depends on an environment is worth knowing as well, where the files allow to say it: all errors of a run.
        Some(stack) => {
            for environment in environments(&stack, request) {
                let options = options(request, &environment);
                diagnostics.extend(stack.resolve(&options).1);
            }
            settle(&mut diagnostics, request.strict);
            Err(Stopped { diagnostics, sources: Some(sources) })
        }
        None => Err(Stopped { diagnostics, sources: Some(sources) }),
    }
}

/// The environment that a request is about: the one it names, or the stack's only one.
pub fn environment_of(stack: &Stack, request: &Request) -> Result<String, Diagnostic> {
    if let Some(environment) = &request.environment {
        return Ok(environment.clone());
    }
    let environments = stack.environments();
    match environments.as_slice() {
        [only] => Ok(only.clone()),
        _ => Err(Diagnostic::error("cli::which_environment", "the stack has several environments, and none was named")
            .help(format!("say which: `-e NAME`, or ENVIRONMENT; there are {}", environments.join(", ")))),
    }
}

/// Everything up to the graph, for the environment that the request names.
pub fn compile(request: &Request) -> Result<Compiled, Stopped> {
    let (stack, warnings) = read(request)?;
    let environment = environment_of(&stack, request)?;
    compile_environment(stack, warnings, request, &environment)
}

/// The same for a given environment of a stack that was read.
pub fn compile_environment(stack: Stack, warnings: Diagnostics, request: &Request, environment: &str) -> Result<Compiled, Stopped> {
    let mut diagnostics = warnings;
    let stop = |mut diagnostics: Diagnostics, stack: &Stack| {
        settle(&mut diagnostics, request.strict);
        Stopped { diagnostics, sources: Some(stack.sources().clone()) }
    };
    let (resolved, found) = stack.resolve(&options(request, environment));
    diagnostics.extend(found);
    let Some(resolved) = resolved else { return Err(stop(diagnostics, &stack)) };
    let (desired, found) = compile::compile(&resolved);
    diagnostics.extend(found);
    let graph = match ResourceGraph::build(&desired) {
        Ok(graph) => graph,
        Err(cycles) => {
            diagnostics.extend(cycles);
            return Err(stop(diagnostics, &stack));
        }
    };
    settle(&mut diagnostics, request.strict);
    if diagnostics.has_errors() {
        return Err(stop(diagnostics, &stack));
    }
    Ok(Compiled { stack, resolved, desired, graph, warnings: diagnostics })
}

/// `validate`: every environment, or the one that is named; everything that is wrong anywhere, each thing once.
pub fn validate(request: &Request) -> Result<Diagnostics, Stopped> {
    let (stack, mut diagnostics) = read(request)?;
    let sources = stack.sources().clone();
    for environment in environments(&stack, request) {
        match compile_environment(stack.clone(), Diagnostics::default(), request, &environment) {
            Ok(compiled) => diagnostics.extend(compiled.warnings),
            Err(stopped) => diagnostics.extend(stopped.diagnostics),
        }
    }
    settle(&mut diagnostics, request.strict);
    if diagnostics.has_errors() { Err(Stopped { diagnostics, sources: Some(sources) }) } else { Ok(diagnostics) }
}

fn environments(stack: &Stack, request: &Request) -> Vec<String> {
    request.environment.clone().map_or_else(|| stack.environments(), |environment| vec![environment])
}

fn options(request: &Request, environment: &str) -> ResolveOptions {
    ResolveOptions {
        environment: environment.to_owned(),
        root_namespace: request.root_namespace.clone(),
        strategy: request.strategy,
        inputs: request.inputs.clone(),
        variables: request.process.variables.clone(),
    }
}

/// In reading order, each once, and with `--strict` no warnings.
fn settle(diagnostics: &mut Diagnostics, strict: bool) {
    if strict {
        for diagnostic in &mut diagnostics.0 {
            diagnostic.severity = Severity::Error;
        }
    }
    diagnostics.sort();
}
