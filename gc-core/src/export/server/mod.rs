#![forbid(unsafe_code)]
//! The debug server: everything that the exporters show of one heap, on a page.
//!
//! 1. [`DebugServer::start`] listens on the loopback address. One thread accepts connections.
//! 2. Each connection has a thread, which reads one request ([`request`]), answers it ([`routes`])
//!    and closes the connection.
//! 3. [`request`] refuses what another site's page could have a browser send: another `Host` (DNS
//!    rebinding), another `Origin`, and requests that the browser marks as from elsewhere.
//!
//! What one client can cost is bounded: so many connections at a time, so many bytes and so much
//! time for a request, and so much time for each write of an answer. Of snapshots and traces one is
//! taken at a time. The server keeps no heap: when the heap ends, its answers say so.
//!
//! The crate httparse parses requests. A whole server library would bring no bound on connections
//! (tiny_http) or an async runtime (axum).
//!
//! Files, lowest first: `request`, `routes`.

mod request;
mod routes;

use crate::api::heap::{Heap, Inner};
use crate::export::PrometheusExporter;
use crate::sync::{Arc, Weak};
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// Connections at a time; browsers open up to six.
const CONNECTIONS: usize = 8;
/// How long a client may let a write of the answer wait.
const WRITE: Duration = Duration::from_secs(10);
/// How long a connection waits for its client to close it, and what it still reads meanwhile.
const LINGER: Duration = Duration::from_millis(500);
const UNREAD: usize = 64 << 10;

/// Why a debug server does not start.
///
/// ```
/// use gc_core::{DebugServer, DebugServerError, Heap};
/// let heap = Heap::new();
/// let first = DebugServer::start(&heap, 0)?;
/// let port = first.address().port();
/// let error = DebugServer::start(&heap, port).unwrap_err();
/// assert!(matches!(error, DebugServerError::PortInUse { .. }));
/// # Ok::<(), DebugServerError>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum DebugServerError {
    /// Another program, or another server of this one, listens on the port.
    PortInUse {
        /// The port.
        port: u16,
    },
    /// The system refuses the socket or the thread.
    Io(io::Error),
}

impl fmt::Display for DebugServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DebugServerError::PortInUse { port } => {
                write!(f, "port {port} is in use: choose another, or 0 for any free one")
            }
            DebugServerError::Io(error) => write!(f, "the debug server cannot start: {error}"),
        }
    }
}

impl std::error::Error for DebugServerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            DebugServerError::PortInUse { .. } => None,
            DebugServerError::Io(error) => Some(error),
        }
    }
}

/// Serves what the heap's tools show, over HTTP on the loopback address only (feature
/// `debug-server`).
///
/// | path | answer |
/// |---|---|
/// | `/` | a page with live charts |
/// | `/metrics` | Prometheus text |
/// | `/debug/pprof/heap` | the heap profile, for `go tool pprof http://…/debug/pprof/heap` |
/// | `/debug/heap/snapshot` | a heap snapshot, for Chrome's DevTools |
/// | `/debug/heap/why?type=NAME` | why an object of the type is alive |
/// | `/debug/trace?seconds=N` | a Chrome trace of the next N seconds, 60 at most |
///
/// There is no password: every user of the machine can read it. Do not forward its port to others.
/// The server ends when the value is dropped. It does not keep its heap.
///
/// ```
/// use gc_core::{DebugServer, Heap};
/// let heap = Heap::new();
/// let server = DebugServer::start(&heap, 0)?;
/// println!("look at http://{}", server.address());
/// assert!(server.address().ip().is_loopback());
/// # Ok::<(), gc_core::DebugServerError>(())
/// ```
#[derive(Debug)]
pub struct DebugServer {
    address: SocketAddr,
    /// Dropped first: when the listener's thread finds it gone, it ends.
    alive: Option<Arc<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the threads of a server share.
struct Shared {
    heap: Weak<Inner>,
    prometheus: PrometheusExporter,
    port: u16,
}

impl DebugServer {
    /// Listens on `port` of 127.0.0.1; 0 for any free one.
    ///
    /// # Errors
    ///
    /// If the port is in use, or the system refuses the socket or the thread.
    pub fn start(heap: &Heap, port: u16) -> Result<DebugServer, DebugServerError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
            if error.kind() == io::ErrorKind::AddrInUse {
                DebugServerError::PortInUse { port }
            } else {
                DebugServerError::Io(error)
            }
        })?;
        let address = listener.local_addr().map_err(DebugServerError::Io)?;
        let prometheus = PrometheusExporter::new();
        let added = prometheus.add("main", heap);
        debug_assert!(added.is_ok(), "a new exporter has no other heap");
        let shared = Arc::new(Shared {
            heap: Arc::downgrade(&heap.inner),
            prometheus,
            port: address.port(),
        });
        let alive = Arc::new(());
        let is_alive = Arc::downgrade(&alive);
        let thread = Builder::new()
            .name("gc-debug".to_owned())
            .spawn(move || serve(&listener, &shared, &is_alive))
            .map_err(DebugServerError::Io)?;
        Ok(DebugServer { address, alive: Some(alive), thread: Some(thread) })
    }
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for DebugServer {
    fn drop(&mut self) {
        self.alive = None;
        // Wakes the listener. If the system refuses, the thread is left to the next connection.
        let woken = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        if let (Ok(_), Some(thread)) = (woken, self.thread.take()) {
            let _panicked = thread.join();
        }
    }
}

/// Accepts connections until the server is dropped.
fn serve(listener: &TcpListener, shared: &Arc<Shared>, is_alive: &Weak<()>) {
    // One is the server's own; each connection has another.
    let places = Arc::new(());
    for stream in listener.incoming() {
        if is_alive.strong_count() == 0 {
            return;
        }
        let Ok(stream) = stream else {
            // For instance out of file descriptors: the next try need not be at once.
            std::thread::sleep(Duration::from_millis(10));
            continue;
        };
        if Arc::strong_count(&places) > CONNECTIONS {
            let busy = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\
                        Connection: close\r\n\r\n";
            // Not worth a thread: a client that does not take this has lost it.
            let _ = stream.set_nonblocking(true);
            let _ = (&stream).write_all(busy.as_bytes());
            continue;
        }
        let (place, shared) = (places.clone(), shared.clone());
        // A refused thread drops the connection.
        let _ = Builder::new().name("gc-debug-client".to_owned()).spawn(move || {
            // A panic ends this thread, and no other.
            let _ = handle(&stream, &shared);
            drop(place);
        });
    }
}

/// Answers one request.
fn handle(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_write_timeout(Some(WRITE))?;
    let mut out = io::BufWriter::with_capacity(64 << 10, stream);
    match request::read(stream, shared.port) {
        Ok(request) => routes::answer(&request, shared, stream, &mut out)?,
        Err(refused) => refused.write(&mut out)?,
    }
    out.flush()?;
    drop(out);
    linger(stream)
}

/// Ends a connection whose client may still be sending. If it were closed with unread bytes, the
/// system would tell the client of an error in place of the answer.
fn linger(mut stream: &TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(LINGER))?;
    let (mut left, mut chunk) = (UNREAD, [0; 1024]);
    while left > 0 {
        match stream.read(&mut chunk)? {
            0 => break,
            n => left = left.saturating_sub(n),
        }
    }
    Ok(())
}
