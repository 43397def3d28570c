//! URLs, addresses and their ranges.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::super::value::Value;
use super::{Functions, no_overload};

pub(super) const ALL: Functions = &[
    ("url(string): kubernetes.URL", |args| match args {
        [Value::String(text)] => Url::read(text)
            .map(|url| Value::Url(Arc::new(url)))
            .ok_or_else(|| format!("URL parse error during conversion from string: parse \"{text}\": invalid URI for request")),
        _ => no_overload(),
    }),
    ("isURL(string): bool", |args| is(args, |text| Url::read(text).is_some())),
    ("kubernetes.URL -> getScheme(): string", |args| url(args, |url| Value::text(url.scheme.as_str()))),
    ("kubernetes.URL -> getHost(): string", |args| url(args, |url| Value::text(url.host.as_str()))),
    ("kubernetes.URL -> getHostname(): string", |args| url(args, |url| Value::text(url.split_host().0))),
    ("kubernetes.URL -> getPort(): string", |args| url(args, |url| Value::text(url.split_host().1))),
    ("kubernetes.URL -> getEscapedPath(): string", |args| url(args, |url| Value::text(url.path.as_str()))),
    ("kubernetes.URL -> getQuery(): map(string, list(string))", |args| {
        url(args, |url| {
            let mut found = BTreeMap::<String, Vec<Value>>::new();
            for pair in url.query.split('&').filter(|pair| !pair.is_empty()) {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                found.entry(name.to_owned()).or_default().push(Value::text(value));
            }
            Value::map(found.into_iter().map(|(name, values)| (name, Value::list(values))))
        })
    }),
    ("ip(string): net.IP", |args| match args {
        [Value::String(text)] => address(text).map(Value::Ip),
        _ => no_overload(),
    }),
    ("isIP(string): bool", |args| is(args, |text| address(text).is_ok())),
    ("ip.isCanonical(string): bool", |args| match args {
        [Value::String(text)] => Ok(Value::Bool(address(text)?.to_string() == **text)),
        _ => no_overload(),
    }),
    ("net.IP -> family(): int", |args| ip(args, |ip| Value::Int(if ip.is_ipv4() { 4 } else { 6 }))),
    ("net.IP -> isUnspecified(): bool", |args| ip(args, |ip| Value::Bool(ip.is_unspecified()))),
    ("net.IP -> isLoopback(): bool", |args| ip(args, |ip| Value::Bool(ip.is_loopback()))),
    ("net.IP -> isLinkLocalMulticast(): bool", |args| ip(args, |ip| Value::Bool(is_local_multicast(ip)))),
    ("net.IP -> isLinkLocalUnicast(): bool", |args| ip(args, |ip| Value::Bool(is_local_unicast(ip)))),
    ("net.IP -> isGlobalUnicast(): bool", |args| {
        ip(args, |ip| {
            let broadcast = matches!(ip, IpAddr::V4(four) if four.is_broadcast());
            Value::Bool(!broadcast && !ip.is_unspecified() && !ip.is_loopback() && !ip.is_multicast() && !is_local_unicast(ip))
        })
    }),
    ("cidr(string): net.CIDR", |args| match args {
        [Value::String(text)] => Cidr::read(text).map(Value::Cidr),
        _ => no_overload(),
    }),
    ("isCIDR(string): bool", |args| is(args, |text| Cidr::read(text).is_ok())),
    ("net.CIDR -> containsIP(string): bool", |args| match args {
        [Value::Cidr(cidr), Value::String(text)] => Ok(Value::Bool(cidr.contains(address(text)?))),
        _ => no_overload(),
    }),
    ("net.CIDR -> containsIP(net.IP): bool", |args| match args {
        [Value::Cidr(cidr), Value::Ip(ip)] => Ok(Value::Bool(cidr.contains(*ip))),
        _ => no_overload(),
    }),
    ("net.CIDR -> containsCIDR(string): bool", |args| match args {
        [Value::Cidr(cidr), Value::String(text)] => Ok(Value::Bool(cidr.covers(Cidr::read(text)?))),
        _ => no_overload(),
    }),
    ("net.CIDR -> containsCIDR(net.CIDR): bool", |args| match args {
        [Value::Cidr(cidr), Value::Cidr(other)] => Ok(Value::Bool(cidr.covers(*other))),
        _ => no_overload(),
    }),
    ("net.CIDR -> ip(): net.IP", |args| match args {
        [Value::Cidr(cidr)] => Ok(Value::Ip(cidr.address)),
        _ => no_overload(),
    }),
    ("net.CIDR -> masked(): net.CIDR", |args| match args {
        [Value::Cidr(cidr)] => Ok(Value::Cidr(Cidr { address: cidr.network(cidr.address), length: cidr.length })),
        _ => no_overload(),
    }),
    ("net.CIDR -> prefixLength(): int", |args| match args {
        [Value::Cidr(cidr)] => Ok(Value::Int(cidr.length.into())),
        _ => no_overload(),
    }),
];

fn is(args: &[Value], holds: fn(&str) -> bool) -> Result<Value, String> {
    match args {
        [Value::String(text)] => Ok(Value::Bool(holds(text))),
        _ => no_overload(),
    }
}

fn url(args: &[Value], part: fn(&Url) -> Value) -> Result<Value, String> {
    match args {
        [Value::Url(url)] => Ok(part(url)),
        _ => no_overload(),
    }
}

fn ip(args: &[Value], part: fn(IpAddr) -> Value) -> Result<Value, String> {
    match args {
        [Value::Ip(ip)] => Ok(part(*ip)),
        _ => no_overload(),
    }
}

/// An address, with neither a zone nor an old one inside a new one.
fn address(text: &str) -> Result<IpAddr, String> {
    let parsed: IpAddr = text.parse().map_err(|_| {
        format!("IP Address \"{text}\" parse error during conversion from string: ParseAddr(\"{text}\"): unable to parse IP")
    })?;
    match parsed {
        IpAddr::V6(six) if six.to_ipv4_mapped().is_some() => Err(format!("IPv4-mapped IPv6 address \"{text}\" is not allowed")),
        _ => Ok(parsed),
    }
}

fn is_local_multicast(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(four) => four.octets()[..3] == [224, 0, 0],
        IpAddr::V6(six) => six.segments()[0] & 0xff0f == 0xff02,
    }
}

fn is_local_unicast(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(four) => four.is_link_local(),
        IpAddr::V6(six) => six.is_unicast_link_local(),
    }
}

/// An absolute URL, or a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    text: String,
    scheme: String,
    host: String,
    path: String,
    query: String,
}

impl Url {
    pub fn read(text: &str) -> Option<Self> {
        if text.chars().any(|c| c.is_control() || c == ' ') {
            return None;
        }
        let (scheme, rest) = match text.split_once("://") {
            _ if text.starts_with('/') => ("", text),
            Some((scheme, rest)) => (scheme, rest),
            None => return None,
        };
        let is_scheme = |text: &str| {
            text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        };
        if !scheme.is_empty() && !is_scheme(scheme) {
            return None;
        }
        let (authority, rest) = if scheme.is_empty() { ("", rest) } else { rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len())) };
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let url = Self {
            text: text.to_owned(),
            scheme: scheme.to_lowercase(),
            host: host.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
        };
        url.split_host().1.bytes().all(|byte| byte.is_ascii_digit()).then_some(url)
    }

    /// Name and port.
    fn split_host(&self) -> (&str, &str) {
        if let Some((name, rest)) = self.host.strip_prefix('[').and_then(|host| host.split_once(']')) {
            return (name, rest.strip_prefix(':').unwrap_or_default());
        }
        self.host.rsplit_once(':').unwrap_or((&self.host, ""))
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    length: u8,
}

impl Cidr {
    fn read(text: &str) -> Result<Self, String> {
        let wrong = || format!("CIDR \"{text}\" parse error during conversion from string: netip.ParsePrefix(\"{text}\"): no '/'");
        let (ip, length) = text.split_once('/').ok_or_else(wrong)?;
        let ip = address(ip)?;
        let length = length.parse::<u8>().ok().filter(|length| *length <= if ip.is_ipv4() { 32 } else { 128 }).ok_or_else(wrong)?;
        Ok(Self { address: ip, length })
    }

    /// Whether it is of short addresses.
    pub fn is_v4(self) -> bool {
        self.address.is_ipv4()
    }

    /// The part of an address that the range has in common.
    fn network(self, ip: IpAddr) -> IpAddr {
        match ip {
            IpAddr::V4(four) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.length)).unwrap_or(0);
                IpAddr::V4((u32::from(four) & mask).into())
            }
            IpAddr::V6(six) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.length)).unwrap_or(0);
                IpAddr::V6((u128::from(six) & mask).into())
            }
        }
    }

    fn contains(self, ip: IpAddr) -> bool {
        self.address.is_ipv4() == ip.is_ipv4() && self.network(ip) == self.network(self.address)
    }

    fn covers(self, other: Self) -> bool {
        other.length >= self.length && self.contains(other.address)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}
