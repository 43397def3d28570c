//! What is to go wrong, on request: what a client has to live with when a network or a server doesn't behave.

use std::time::Duration;

use super::api::{Call, Failure};

/// What goes wrong with a request.
#[derive(Clone, Debug)]
pub enum Mishap {
    /// The answer takes so much longer.
    Latency(Duration),
    /// The connection breaks off before the request is carried out.
    Reset,
    /// It is carried out, and the answer is lost.
    LostAnswer,
    /// It is refused.
    Refuse(Failure),
}

/// When a mishap strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Before the request is carried out.
    Before,
    /// After.
    After,
}

impl Mishap {
    /// When it strikes.
    pub fn stage(&self) -> Stage {
        if matches!(self, Self::LostAnswer) { Stage::After } else { Stage::Before }
    }

    /// A refusal with a code: 409, 429, 500, …
    pub fn code(code: u16) -> Self {
        let (reason, message) = match code {
            409 => ("Conflict", "the object has been modified; please apply your changes to the latest version and try again"),
            429 => ("TooManyRequests", "too many requests, please try again later"),
            503 => ("ServiceUnavailable", "the server is currently unable to handle the request"),
            504 => ("Timeout", "the server was unable to return a response in the time allotted"),
            _ => ("InternalError", "an error on the server has prevented the request from succeeding"),
        };
        Self::Refuse(Failure { code, reason, message: message.to_owned(), details: None })
    }

    /// A refusal by an admission webhook of this name, with its words.
    pub fn webhook(name: &str, words: &str) -> Self {
        let message = format!("admission webhook \"{name}\" denied the request: {words}");
        Self::Refuse(Failure { code: 403, reason: "Forbidden", message, details: None })
    }
}

/// A fault: on which requests it strikes, and how often.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The method; None: any.
    pub method: Option<http::Method>,
    /// A part of the path; empty: any.
    pub path: String,
    /// So many matching requests are let through first.
    pub after: usize,
    /// So many are struck; then it is over.
    pub times: usize,
    /// What happens to them.
    pub mishap: Mishap,
}

/// All faults that are asked for.
#[derive(Debug, Default)]
pub struct Faults {
    faults: Vec<Fault>,
}

impl Faults {
    /// Asks for one more.
    pub fn add(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// No more faults.
    pub fn clear(&mut self) {
        self.faults.clear();
    }

    /// What strikes this request.
    pub fn strike(&mut self, call: &Call) -> Vec<Mishap> {
        if self.faults.is_empty() {
            return Vec::new();
        }
        let path = format!("/{}", call.path.join("/"));
        let mut struck = Vec::new();
        for fault in &mut self.faults {
            if fault.method.as_ref().is_some_and(|method| *method != call.method) || !path.contains(&fault.path) || fault.times == 0 {
                continue;
            }
            if fault.after > 0 {
                fault.after -= 1;
                continue;
            }
            fault.times -= 1;
            struck.push(fault.mishap.clone());
        }
        self.faults.retain(|fault| fault.times > 0);
        struck
    }
}
