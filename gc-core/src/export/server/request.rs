//! Reading a request, and refusing what no tool of this machine would send.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// The most bytes of a request.
const HEAD: usize = 8 << 10;
/// The most headers.
const HEADERS: usize = 64;
/// How long a client may take to send a request.
const READ: Duration = Duration::from_secs(5);

/// A request that may be answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HttpRequest {
    /// The path without the query.
    pub(super) path: String,
    /// The query's parameters, decoded.
    query: Vec<(String, String)>,
    /// Whether the answer goes without its body.
    pub(super) is_head: bool,
}

impl HttpRequest {
    /// A parameter of the query.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A request that is refused: the status, and the reason, which is the answer's text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused(pub(super) &'static str, pub(super) String);

impl Refused {
    /// Writes the answer.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let Refused(status, why) = self;
        let more = match *status {
            "405 Method Not Allowed" => "Allow: GET, HEAD\r\n",
            "503 Service Unavailable" => "Retry-After: 1\r\n",
            _ => "",
        };
        write!(
            out,
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n{more}\
             X-Content-Type-Options: nosniff\r\nContent-Length: {}\r\nConnection: close\r\n\r\n\
             {why}\n",
            why.len() + 1
        )
    }
}

fn bad(why: &str) -> Refused {
    Refused("400 Bad Request", why.to_owned())
}

/// Reads a request for the server on `port`.
pub(super) fn read(mut stream: &TcpStream, port: u16) -> Result<HttpRequest, Refused> {
    let until = Instant::now() + READ;
    let mut head = Vec::with_capacity(1024);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return Err(Refused("408 Request Timeout", "the request came too slowly".to_owned()));
        }
        let mut chunk = [0; 1024];
        match stream.read(&mut chunk) {
            Ok(0) => return Err(bad("the connection ended in the middle of a request")),
            Ok(n) => head.extend_from_slice(&chunk[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => continue,
        }
        if let Some(request) = parse(&head, port)? {
            return Ok(request);
        }
        if head.len() >= HEAD {
            return Err(Refused(
                "431 Request Header Fields Too Large",
                format!("a request has at most {HEAD} bytes"),
            ));
        }
    }
}

/// Parses the head of a request; `None` if it is not complete.
fn parse(head: &[u8], port: u16) -> Result<Option<HttpRequest>, Refused> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(bad(&format!("this is no HTTP: {error}"))),
    }
    let is_head = match request.method {
        Some("GET") => false,
        Some("HEAD") => true,
        _ => {
            let why = "the debug server only shows: GET and HEAD".to_owned();
            return Err(Refused("405 Method Not Allowed", why));
        }
    };
    check_sender(request.headers, port)?;
    let target = request.path.unwrap_or("/");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decode(key)?, decode(value)?))
    });
    let query = pairs.collect::<Option<Vec<_>>>().ok_or_else(|| bad("the query is not encoded"))?;
    Ok(Some(HttpRequest { path: path.to_owned(), query, is_head }))
}

/// Refuses requests that another site's page could have sent.
fn check_sender(headers: &[httparse::Header<'_>], port: u16) -> Result<(), Refused> {
    let forbidden = |why: &str| Err(Refused("403 Forbidden", why.to_owned()));
    let all = |name: &str| {
        let own = headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
        own.map(|header| std::str::from_utf8(header.value).unwrap_or("?").trim())
            .collect::<Vec<_>>()
    };
    let hosts = all("Host");
    let [host] = hosts[..] else { return Err(bad("a request names one Host")) };
    // A page of another site whose name was made to lead here sends the name of that site.
    if !is_ours(host, port) {
        return forbidden("the Host is not this server: open it as 127.0.0.1 or localhost");
    }
    let is_own = |origin: &&str| origin.strip_prefix("http://").is_some_and(|o| is_ours(o, port));
    if !all("Origin").iter().all(is_own) {
        return forbidden("requests of other origins are refused");
    }
    if !all("Sec-Fetch-Site").iter().all(|site| matches!(*site, "none" | "same-origin")) {
        return forbidden("requests that another site's page causes are refused");
    }
    Ok(())
}

/// Whether a name with its port is this server's.
fn is_ours(host: &str, port: u16) -> bool {
    let (name, found) = match host.rsplit_once(':') {
        Some((name, found)) if !found.ends_with(']') => (name, found.parse().ok()),
        _ => (host, Some(80)),
    };
    let is_loopback = name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1";
    is_loopback && found == Some(port)
}

/// Decodes a part of a query; `None` if it is not well encoded.
fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(head: &str) -> &'static str {
        match parse(head.as_bytes(), 6060) {
            Ok(Some(_)) => "200 OK",
            Ok(None) => "partial",
            Err(refused) => refused.0,
        }
    }

    #[test]
    fn a_request_is_parsed() {
        let head = "GET /why?type=Node%3Cu8%3E&x=a+b HTTP/1.1\r\nHost: localhost:6060\r\n\r\n";
        let request = parse(head.as_bytes(), 6060).unwrap().unwrap();
        assert_eq!(request.path, "/why");
        assert_eq!(request.parameter("type"), Some("Node<u8>"));
        assert_eq!((request.parameter("x"), request.parameter("y")), (Some("a b"), None));
        assert_eq!(status(&head[..20]), "partial");
        assert_eq!(status(&head.replace("%3C", "%3")), "400 Bad Request");
        assert_eq!(status(&head.replace("GET", "POST")), "405 Method Not Allowed");
        assert_eq!(status("\u{1}\u{2}\r\n\r\n"), "400 Bad Request");
    }

    #[test]
    fn other_hosts_and_origins_are_refused() {
        let of = |headers: &str| status(&format!("GET / HTTP/1.1\r\n{headers}\r\n\r\n"));
        for host in ["127.0.0.1:6060", "localhost:6060", "LocalHost:6060"] {
            assert_eq!(of(&format!("Host: {host}")), "200 OK", "{host}");
        }
        for host in ["evil.example:6060", "127.0.0.1", "127.0.0.1:80", "localhost.evil:6060", ""] {
            assert_eq!(of(&format!("Host: {host}")), "403 Forbidden", "{host}");
        }
        assert_eq!(of("Accept: */*"), "400 Bad Request", "no host");
        assert_eq!(of("Host: localhost:6060\r\nHost: evil"), "400 Bad Request", "two hosts");
        let with = |header: &str| of(&format!("Host: localhost:6060\r\n{header}"));
        assert_eq!(with("Origin: http://localhost:6060"), "200 OK");
        for origin in
            ["http://evil.example", "null", "http://localhost:8080", "https://localhost:6060"]
        {
            assert_eq!(with(&format!("Origin: {origin}")), "403 Forbidden", "{origin}");
        }
        assert_eq!(with("Sec-Fetch-Site: same-origin"), "200 OK");
        assert_eq!(with("Sec-Fetch-Site: none"), "200 OK");
        assert_eq!(with("Sec-Fetch-Site: cross-site"), "403 Forbidden");
        assert_eq!(with("Sec-Fetch-Site: same-site"), "403 Forbidden");
    }
}
