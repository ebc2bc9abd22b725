//! The debug server from outside: what it answers, and what it refuses.

#![forbid(unsafe_code)]

use gc_core::{DebugServer, DebugServerError, Gc, GcRefCell, Heap, HeapProfile, Root, Trace};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

#[derive(Trace)]
struct Session<'gc> {
    user: Gc<'gc, str>,
}

type Sessions = GcRefCell<Vec<Gc<'static, Session<'static>>>>;

/// A heap with some sessions, and its server.
fn served() -> (Heap, Root<Sessions>, DebugServer) {
    let heap = Heap::builder().profile_rate(HeapProfile::RATE).build().unwrap();
    let sessions: Root<Sessions> =
        heap.mutate(|mc| mc.root(GcRefCell::<Vec<Gc<'_, Session<'_>>>>::default()));
    heap.mutate(|mc| {
        for _ in 0..1000 {
            let session = Gc::new(mc, Session { user: Gc::from_str(mc, "Ada") });
            sessions.get(mc).borrow_mut(mc).push(session);
        }
    });
    let server = DebugServer::start(&heap, 0).unwrap();
    (heap, sessions, server)
}

/// Sends bytes and returns the status line and what follows the head.
fn send(server: &DebugServer, bytes: &[u8]) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").expect("the answer has a head");
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    (head.lines().next().unwrap().to_owned(), answer[end + 4..].to_vec())
}

fn request(server: &DebugServer, method: &str, path: &str) -> (String, Vec<u8>) {
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n\r\n", server.address());
    send(server, head.as_bytes())
}

fn get(server: &DebugServer, path: &str) -> Vec<u8> {
    let (status, body) = request(server, "GET", path);
    assert_eq!(status, "HTTP/1.1 200 OK", "{path}: {}", String::from_utf8_lossy(&body));
    body
}

fn text(server: &DebugServer, path: &str) -> String {
    String::from_utf8(get(server, path)).unwrap()
}

#[test]
fn every_path_answers() {
    let (_heap, sessions, server) = served();
    assert!(text(&server, "/").contains("<title>gc-core heap</title>"));
    assert!(text(&server, "/page.js").contains("fetch(\"/data\")"));
    assert!(text(&server, "/page.css").contains("prefers-color-scheme"));
    let data: serde_json::Value = serde_json::from_slice(&get(&server, "/data")).unwrap();
    assert!(data["heap_bytes"].as_u64().unwrap() > 0 && data["profile"] == true, "{data}");
    let classes = data["classes"].as_array().unwrap();
    assert!(classes.iter().any(|class| class["type"].as_str().unwrap().contains("Session")));
    assert!(text(&server, "/metrics").contains("gc_heap_bytes{heap=\"main\"}"));
    assert!(get(&server, "/debug/pprof/heap").starts_with(&[0x1f, 0x8b]), "pprof is gzip");
    let snapshot: serde_json::Value =
        serde_json::from_slice(&get(&server, "/debug/heap/snapshot")).unwrap();
    assert!(snapshot["snapshot"]["node_count"].as_u64().unwrap() >= 2000);
    let why = text(&server, "/debug/heap/why?type=Session");
    assert!(why.contains("debug_server.rs") && why.contains("[0]"), "{why}");
    let begin = Instant::now();
    let trace: serde_json::Value =
        serde_json::from_slice(&get(&server, "/debug/trace?seconds=1")).unwrap();
    assert!(trace["traceEvents"].is_array() && begin.elapsed() >= Duration::from_secs(1));
    let (status, body) = request(&server, "HEAD", "/metrics");
    assert_eq!((status.as_str(), body.len()), ("HTTP/1.1 200 OK", 0));
    drop(sessions);
}

#[test]
fn what_makes_no_sense_has_a_clear_error() {
    let (heap, _sessions, server) = served();
    let status = |method: &str, path: &str| {
        let (status, body) = request(&server, method, path);
        (status["HTTP/1.1 ".len()..][..3].to_owned(), String::from_utf8(body).unwrap())
    };
    assert_eq!(status("GET", "/nothing").0, "404");
    assert_eq!(status("POST", "/metrics").0, "405");
    assert_eq!(status("GET", "/debug/heap/why").0, "400");
    let (code, why) = status("GET", "/debug/heap/why?type=NoSuchType");
    assert!(code == "404" && why.contains("NoSuchType"), "{why}");
    for seconds in ["0", "61", "-1", "x", "99999999999999999999"] {
        let (code, why) = status("GET", &format!("/debug/trace?seconds={seconds}"));
        assert!(code == "400" && why.contains("from 1 to 60"), "{why}");
    }
    heap.set_profile_rate(0);
    let (code, why) = status("GET", "/debug/pprof/heap");
    assert!(code == "503" && why.contains("profile_rate"), "{why}");
    assert_eq!(send(&server, b"\x00\x01\x02\r\n\r\n").0, "HTTP/1.1 400 Bad Request");
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "y".repeat(20_000));
    assert!(send(&server, long.as_bytes()).0.starts_with("HTTP/1.1 431"));
}

#[test]
fn other_sites_are_refused() {
    let (_heap, _sessions, server) = served();
    let port = server.address().port();
    let with = |host: &str, more: &str| {
        let head = format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\n{more}\r\n");
        send(&server, head.as_bytes()).0
    };
    let (ours, refused) = (format!("localhost:{port}"), "HTTP/1.1 403 Forbidden");
    assert_eq!(with(&ours, ""), "HTTP/1.1 200 OK");
    assert_eq!(with(&format!("rebound.example:{port}"), ""), refused);
    assert_eq!(with(&ours, "Origin: http://other.example\r\n"), refused);
    assert_eq!(with(&ours, "Sec-Fetch-Site: cross-site\r\n"), refused);
}

#[test]
fn a_client_costs_no_more_than_its_share() {
    let (heap, _sessions, server) = served();
    // Clients that say nothing hold their connections for a while, and no more than there are.
    let idle: Vec<TcpStream> =
        (0..20).map(|_| TcpStream::connect(server.address()).unwrap()).collect();
    std::thread::sleep(Duration::from_millis(200));
    let mut refused = TcpStream::connect(server.address()).unwrap();
    refused.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut answer = String::new();
    let _cut_off = refused.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer:?}");
    drop(idle);
    // A client that disappears while it waits for a trace frees the recorder.
    let mut gone = TcpStream::connect(server.address()).unwrap();
    let head =
        format!("GET /debug/trace?seconds=60 HTTP/1.1\r\nHost: {}\r\n\r\n", server.address());
    gone.write_all(head.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    drop(gone);
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let (status, _) = request(&server, "GET", "/debug/trace?seconds=1");
        if status == "HTTP/1.1 200 OK" {
            break;
        }
        assert!(Instant::now() < until, "{status}");
        std::thread::sleep(Duration::from_millis(100));
    }
    heap.collect().unwrap();
}

#[test]
fn a_server_outlives_its_heap_and_ends_when_it_is_dropped() {
    let (heap, sessions, server) = served();
    drop((heap, sessions));
    let (status, body) = request(&server, "GET", "/metrics");
    assert_eq!(status, "HTTP/1.1 410 Gone");
    assert!(String::from_utf8(body).unwrap().contains("ended"));
    let address = server.address();
    drop(server);
    assert!(TcpStream::connect(address).is_err(), "it listens no more");
    let heap = Heap::new();
    let again = DebugServer::start(&heap, address.port()).unwrap();
    let error = DebugServer::start(&heap, again.address().port()).unwrap_err();
    assert!(matches!(error, DebugServerError::PortInUse { .. }), "{error}");
}

#[test]
fn answers_come_while_the_heap_is_used() {
    let (heap, sessions, server) = served();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|s| {
        s.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                heap.mutate(|mc| {
                    let session = Gc::new(mc, Session { user: Gc::from_str(mc, "Bob") });
                    let sessions = sessions.get(mc);
                    let mut all = sessions.borrow_mut(mc);
                    let at = all.len() / 2;
                    all[at] = session;
                });
            }
        });
        for _ in 0..3 {
            for path in ["/data", "/metrics", "/debug/pprof/heap", "/debug/heap/why?type=Session"] {
                assert!(!get(&server, path).is_empty());
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}
