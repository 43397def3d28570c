//! What is to go wrong, on request: what a client has to live with when a network or a server doesn't behave.

use std::str::FromStr;
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
    /// Of those that match, this share is struck, evenly: 0.1 is every tenth.
    pub share: f64,
    /// What happens to them.
    pub mishap: Mishap,
}

/// What is to go wrong, as it is written: `latency=200ms`, `429=0.1`, `500=0.05:patch`, `reset=0.01`, `lost-answer=1:create`,
/// `webhook=NAME:create`, `never-ready=NAME`.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// With requests.
    Fault(Fault),
    /// With the pods of what has this name.
    NeverReady(String),
}

impl FromStr for Trouble {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (what, verb) = match text.rsplit_once(':') {
            Some((what, verb)) => (what, Some(method(verb)?)),
            None => (text, None),
        };
        let (kind, value) = what.split_once('=').unwrap_or((what, ""));
        let share = || match value {
            "" => Ok(1.0),
            value => value
                .parse::<f64>()
                .ok()
                .filter(|share| *share > 0.0 && *share <= 1.0)
                .ok_or_else(|| format!("`{value}` is no share of requests: write a number up to 1, as 0.1")),
        };
        let (mishap, share) = match kind {
            "latency" => {
                let time = value.parse::<jiff::SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
                let time = time.ok_or_else(|| format!("`{value}` is no time: write it as 200ms"))?;
                (Mishap::Latency(time), 1.0)
            }
            "reset" => (Mishap::Reset, share()?),
            "lost-answer" => (Mishap::LostAnswer, share()?),
            "webhook" if !value.is_empty() => (Mishap::webhook(value, "refused on request"), 1.0),
            "never-ready" if !value.is_empty() && verb.is_none() => return Ok(Self::NeverReady(value.to_owned())),
            "409" | "429" | "500" | "503" | "504" => (Mishap::code(kind.parse().unwrap_or(500)), share()?),
            _ => {
                return Err(
                    "faults are latency=TIME, 409, 429, 500, 503, 504, reset and lost-answer (each with =SHARE), webhook=NAME, never-ready=NAME"
                        .to_owned(),
                );
            }
        };
        Ok(Self::Fault(Fault { method: verb, path: String::new(), after: 0, times: usize::MAX, share, mishap }))
    }
}

fn method(verb: &str) -> Result<http::Method, String> {
    match verb {
        "get" | "list" => Ok(http::Method::GET),
        "create" => Ok(http::Method::POST),
        "update" => Ok(http::Method::PUT),
        "patch" => Ok(http::Method::PATCH),
        "delete" => Ok(http::Method::DELETE),
        _ => Err(format!("`{verb}` is no verb: they are get, create, update, patch and delete")),
    }
}

/// All faults that are asked for.
#[derive(Debug, Default)]
pub struct Faults {
    faults: Vec<Due>,
}

/// A fault, and how much of a strike has come together.
#[derive(Debug)]
struct Due {
    fault: Fault,
    part: f64,
}

impl Faults {
    /// Asks for one more.
    pub fn add(&mut self, fault: Fault) {
        self.faults.push(Due { fault, part: 0.0 });
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
        for Due { fault, part } in &mut self.faults {
            if fault.method.as_ref().is_some_and(|method| *method != call.method) || !path.contains(&fault.path) || fault.times == 0 {
                continue;
            }
            if fault.after > 0 {
                fault.after -= 1;
                continue;
            }
            *part += fault.share;
            // A hair less than a whole is a rounded whole.
            if *part < 1.0 - 1e-9 {
                continue;
            }
            *part -= 1.0;
            fault.times -= 1;
            struck.push(fault.mishap.clone());
        }
        self.faults.retain(|due| due.fault.times > 0);
        struck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Fault {
        match text.parse().unwrap() {
            Trouble::Fault(fault) => fault,
            Trouble::NeverReady(name) => panic!("{name}"),
        }
    }

    #[test]
    fn faults_are_read_as_they_are_written() {
        let fault = asked("500=0.05:patch");
        assert_eq!((fault.method, fault.share), (Some(http::Method::PATCH), 0.05));
        assert!(matches!(asked("latency=200ms").mishap, Mishap::Latency(time) if time == Duration::from_millis(200)));
        assert!(matches!("never-ready=web".parse(), Ok(Trouble::NeverReady(name)) if name == "web"));
        for wrong in ["429=2", "429=x", "latency", "latency=soon", "nothing", "429=0.1:fetch", "never-ready", "webhook"] {
            assert!(wrong.parse::<Trouble>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_share_is_struck_evenly() {
        let mut faults = Faults::default();
        faults.add(asked("429=0.1"));
        let call = || Call::of(http::Request::get("/api/v1/pods").body(bytes::Bytes::new()).unwrap());
        let struck: Vec<usize> = (1..=30).filter(|_| !faults.strike(&call()).is_empty()).collect();
        assert_eq!(struck, [10, 20, 30]);
    }
}
