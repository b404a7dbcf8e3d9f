//! Who may ask the dashboard for what.
//!
//! That it listens on the loopback interface is no defence: every page in a browser on this machine can send requests
//! there. So each request must name this very server as its `Host`, which a page of a name that was rebound to
//! 127.0.0.1 cannot; must not come from another `Origin`; and must hold a token that is random in each process.
//! The token is in the page's address, or in `Authorization`, but in no cookie: cookies ignore ports, so
//! any other server on this machine would be told. All that is answered only reads.

use http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};
use ring::rand::{SecureRandom, SystemRandom};
use subtle::ConstantTimeEq;

use crate::error::{Result, SystemError};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A secret of 128 random bits, as hexadecimal digits.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Fails where the system has no randomness.
    pub fn random() -> Result<Self> {
        let mut bits = [0; 16];
        let filled = SystemRandom::new().fill(&mut bits);
        let refused = |_| SystemError::new(&std::io::Error::last_os_error(), "getrandom");
        filled.map_err(refused)?;
        Ok(Self(hex::encode(bits)))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Takes as long for any other text of its length.
    fn is(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Token")
    }
}

/// What a request gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Page,
    /// The events that follow the one with this number, or all that are kept.
    Events {
        after: Option<u64>,
    },
    Refused(Refusal),
}

/// Why a request gets nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    ForeignHost,
    ForeignOrigin,
    NoToken,
    WrongToken,
    NotRead,
    Unknown,
}

impl Refusal {
    pub fn status(self) -> StatusCode {
        match self {
            Self::ForeignHost | Self::ForeignOrigin | Self::WrongToken => StatusCode::FORBIDDEN,
            Self::NoToken => StatusCode::UNAUTHORIZED,
            Self::NotRead => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unknown => StatusCode::NOT_FOUND,
        }
    }

    pub fn reason(self) -> &'static str {
        match self {
            Self::ForeignHost => "The Host is not this server.",
            Self::ForeignOrigin => "The Origin is not this server.",
            Self::NoToken => {
                "Open the address that the dashboard was started with: it has a token."
            }
            Self::WrongToken => "The token is not of this process. Was it started again?",
            Self::NotRead => "Only GET is answered.",
            Self::Unknown => "There is no such page.",
        }
    }
}

/// The rules of one server.
#[derive(Clone, Debug)]
pub struct Access {
    /// How a client may name the server: `127.0.0.1:8080`.
    hosts: Vec<String>,
    token: Token,
}

impl Access {
    pub fn new(port: u16, token: Token) -> Self {
        let names = ["127.0.0.1", "localhost"];
        let mut hosts: Vec<_> = names.iter().map(|name| format!("{name}:{port}")).collect();
        // Clients leave out the default port.
        if port == 80 {
            hosts.extend(names.map(str::to_owned));
        }
        Self { hosts, token }
    }

    pub fn judge(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Verdict {
        self.admit(method, uri, headers).unwrap_or_else(Verdict::Refused)
    }

    fn admit(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Verdict, Refusal> {
        let authority = uri.authority().map(|authority| authority.as_str());
        let host = only(headers, header::HOST).ok_or(Refusal::ForeignHost)?;
        if !authority.into_iter().chain([host]).all(|named| self.is_this_server(named)) {
            return Err(Refusal::ForeignHost);
        }
        if headers.contains_key(header::ORIGIN) {
            let origin =
                only(headers, header::ORIGIN).and_then(|origin| origin.strip_prefix("http://"));
            origin.filter(|named| self.is_this_server(named)).ok_or(Refusal::ForeignOrigin)?;
        }
        let given = bearer(headers).or_else(|| parameter(uri, "token")).ok_or(Refusal::NoToken)?;
        if !self.token.is(given) {
            return Err(Refusal::WrongToken);
        }
        if method != Method::GET {
            return Err(Refusal::NotRead);
        }
        match uri.path() {
            "/" => Ok(Verdict::Page),
            "/events" => {
                let after = only(headers, LAST_EVENT_ID).or_else(|| parameter(uri, "after"));
                Ok(Verdict::Events { after: after.and_then(|number| number.parse().ok()) })
            }
            _ => Err(Refusal::Unknown),
        }
    }

    fn is_this_server(&self, named: &str) -> bool {
        self.hosts.iter().any(|host| host.eq_ignore_ascii_case(named))
    }
}

/// The value of a header that comes once, in ASCII.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = only(headers, header::AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// A parameter of the query, as it stands there: none of ours needs escapes.
fn parameter<'uri>(uri: &'uri Uri, name: &str) -> Option<&'uri str> {
    let mut pairs = uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find_map(|(known, value)| (known == name).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::{Verdict::*, *};

    fn verdict(path: &str, headers: &[(&str, &str)]) -> Verdict {
        let token = Token::random().unwrap();
        let uri: Uri = path.replace("TOKEN", token.as_str()).parse().unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let value = value.replace("TOKEN", token.as_str());
            map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        Access::new(8080, token).judge(&Method::GET, &uri, &map)
    }

    const HOST: (&str, &str) = ("host", "127.0.0.1:8080");

    #[test]
    fn the_token_opens_both_ways() {
        assert_eq!(verdict("/?token=TOKEN", &[HOST]), Page);
        assert_eq!(verdict("/", &[HOST, ("authorization", "bearer TOKEN")]), Page);
        assert_eq!(verdict("/?token=TOKEN", &[("host", "LOCALHOST:8080")]), Page);
        assert_eq!(verdict("/other?token=TOKEN", &[HOST]), Refused(Refusal::Unknown));
        for (path, refusal) in [
            ("/", Refusal::NoToken),
            ("/?other=TOKEN", Refusal::NoToken),
            ("/?token=", Refusal::WrongToken),
            ("/?token=TOKEN0", Refusal::WrongToken),
            ("/?token=00000000000000000000000000000000", Refusal::WrongToken),
        ] {
            assert_eq!(verdict(path, &[HOST]), Refused(refusal), "{path}");
        }
    }

    #[test]
    fn every_other_name_and_origin_is_foreign() {
        for host in ["evil.example:8080", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:8080.evil", ""] {
            let verdict = verdict("/?token=TOKEN", &[("host", host)]);
            assert_eq!(verdict, Refused(Refusal::ForeignHost), "{host}");
        }
        for hosts in [&[][..], &[HOST, HOST], &[HOST, ("host", "evil.example")]] {
            assert_eq!(verdict("/?token=TOKEN", hosts), Refused(Refusal::ForeignHost));
        }
        let absolute = verdict("http://evil.example:8080/?token=TOKEN", &[HOST]);
        assert_eq!(absolute, Refused(Refusal::ForeignHost));
        for origin in
            ["null", "https://127.0.0.1:8080", "http://evil.example", "http://127.0.0.1:1"]
        {
            let verdict = verdict("/?token=TOKEN", &[HOST, ("origin", origin)]);
            assert_eq!(verdict, Refused(Refusal::ForeignOrigin), "{origin}");
        }
        let own = ("origin", "http://localhost:8080");
        assert_eq!(verdict("/?token=TOKEN", &[HOST, own]), Page);
    }

    #[test]
    fn events_go_on_where_they_were() {
        assert_eq!(verdict("/events?token=TOKEN", &[HOST]), Events { after: None });
        assert_eq!(verdict("/events?token=TOKEN&after=7", &[HOST]), Events { after: Some(7) });
        let again = [HOST, ("last-event-id", "9")];
        assert_eq!(verdict("/events?token=TOKEN&after=7", &again), Events { after: Some(9) });
        assert_eq!(verdict("/events?token=TOKEN&after=x", &[HOST]), Events { after: None });
    }

    #[test]
    fn only_get_is_answered_and_port_80_needs_no_number() {
        let token = Token::random().unwrap();
        let uri: Uri = format!("/?token={}", token.as_str()).parse().unwrap();
        let headers = HeaderMap::from_iter([(header::HOST, "127.0.0.1".parse().unwrap())]);
        let access = Access::new(80, token);
        assert_eq!(access.judge(&Method::GET, &uri, &headers), Page);
        assert_eq!(access.judge(&Method::POST, &uri, &headers), Refused(Refusal::NotRead));
    }

    #[test]
    fn a_token_is_random_and_never_shown() {
        let [one, other] = [(); 2].map(|()| Token::random().unwrap());
        assert!(one.as_str().len() == 32 && one.as_str() != other.as_str());
        assert_eq!(format!("{one:?}"), "Token");
    }
}
