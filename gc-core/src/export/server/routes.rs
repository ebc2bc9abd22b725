//! The answers of the debug server, by path.

use super::Shared;
use super::request::{HttpRequest, Refused};
use crate::api::Heap;
use crate::error::SnapshotError;
use crate::export::{FlightError, FlightOptions, FlightRecorder};
use crate::observe::{ClassStats, Histogram, PauseKind};
use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const PAGE: &str = include_str!("page.html");
const SCRIPT: &str = include_str!("page.js");
const STYLE: &str = include_str!("page.css");

/// The longest trace.
const TRACE: u64 = 60;
/// How often a trace looks whether its client is still there.
const LOOK: Duration = Duration::from_millis(100);
/// Classes that the page shows: those with the most bytes.
const CLASSES: usize = 12;
/// The windows for which the page shows the utilisation, in milliseconds.
const WINDOWS: [u64; 3] = [1, 10, 100];

/// The start of an answer: what it is, and for a file its name.
fn begin(out: &mut impl Write, kind: &str, file: Option<&str>) -> io::Result<()> {
    write!(
        out,
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nCache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\nCross-Origin-Resource-Policy: same-origin\r\n\
         Content-Security-Policy: default-src 'self'; frame-ancestors 'none'\r\n"
    )?;
    if let Some(name) = file {
        write!(out, "Content-Disposition: attachment; filename=\"{name}\"\r\n")?;
    }
    // Without a length: the end of the connection is the end of the answer.
    out.write_all(b"Connection: close\r\n\r\n")
}

/// Answers a request.
pub(super) fn answer(
    request: &HttpRequest,
    shared: &Shared,
    stream: &TcpStream,
    out: &mut impl Write,
) -> io::Result<()> {
    let text = |out: &mut dyn Write, kind: &str, body: &str| {
        begin(&mut &mut *out, kind, None)?;
        if request.is_head { Ok(()) } else { out.write_all(body.as_bytes()) }
    };
    match request.path.as_str() {
        "/" => return text(out, "text/html; charset=utf-8", PAGE),
        "/page.js" => return text(out, "text/javascript; charset=utf-8", SCRIPT),
        "/favicon.ico" => {
            return out.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
        }
        "/page.css" => return text(out, "text/css; charset=utf-8", STYLE),
        _ => {}
    }
    let Some(heap) = shared.heap.upgrade().map(|inner| Heap { inner }) else {
        return Refused("410 Gone", "the heap has ended".to_owned()).write(out);
    };
    let Some(route) = Route::of(&request.path) else {
        let why = format!("there is no {}; the page / has links", request.path);
        return Refused("404 Not Found", why).write(out);
    };
    if request.is_head {
        return begin(out, "text/plain; charset=utf-8", None);
    }
    let refused = match route {
        Route::Data => return text(out, "application/json", &data(&heap).to_string()),
        Route::Metrics => {
            drop(heap);
            return text(out, PROMETHEUS, &shared.prometheus.render());
        }
        Route::Profile => profile(&heap, out)?,
        Route::Snapshot => snapshot(&heap, out)?,
        Route::Why => why(&heap, request.parameter("type"), out)?,
        Route::Trace => trace(heap, request.parameter("seconds"), stream, out)?,
    };
    refused.map_or(Ok(()), |refused| refused.write(out))
}

/// The type of Prometheus's text, by the version that prometheus-client writes.
const PROMETHEUS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is asked of the heap.
enum Route {
    Data,
    Metrics,
    Profile,
    Snapshot,
    Why,
    Trace,
}

impl Route {
    fn of(path: &str) -> Option<Route> {
        Some(match path {
            "/data" => Route::Data,
            "/metrics" => Route::Metrics,
            "/debug/pprof/heap" => Route::Profile,
            "/debug/heap/snapshot" => Route::Snapshot,
            "/debug/heap/why" => Route::Why,
            "/debug/trace" => Route::Trace,
            _ => return None,
        })
    }
}

fn unavailable(why: impl ToString) -> Option<Refused> {
    Some(Refused("503 Service Unavailable", why.to_string()))
}

fn profile(heap: &Heap, out: &mut impl Write) -> io::Result<Option<Refused>> {
    match heap.profile() {
        Ok(profile) => {
            begin(out, "application/octet-stream", Some("heap.pb.gz"))?;
            profile.write_pprof(out)?;
            Ok(None)
        }
        Err(off) => Ok(unavailable(off)),
    }
}

fn snapshot(heap: &Heap, out: &mut impl Write) -> io::Result<Option<Refused>> {
    match heap.snapshot() {
        Ok(snapshot) => {
            begin(out, "application/json", Some("heap.heapsnapshot"))?;
            snapshot.write_heapsnapshot(out)?;
            Ok(None)
        }
        Err(error) => Ok(unavailable(error)),
    }
}

fn why(heap: &Heap, of: Option<&str>, out: &mut impl Write) -> io::Result<Option<Refused>> {
    let Some(name) = of.filter(|name| !name.is_empty()) else {
        let why = "say which type: /debug/heap/why?type=Session".to_owned();
        return Ok(Some(Refused("400 Bad Request", why)));
    };
    let found: Result<_, SnapshotError> = heap.why_alive(name);
    Ok(match found {
        Ok(Some(path)) => {
            begin(out, "text/plain; charset=utf-8", None)?;
            writeln!(out, "{path}")?;
            None
        }
        Ok(None) => {
            let why = format!("no root leads to an object of a type {name}");
            Some(Refused("404 Not Found", why))
        }
        Err(error) => unavailable(error),
    })
}

/// Records for some seconds, and writes what was recorded. The heap may end meanwhile.
fn trace(
    heap: Heap,
    seconds: Option<&str>,
    mut stream: &TcpStream,
    out: &mut impl Write,
) -> io::Result<Option<Refused>> {
    let seconds = seconds.unwrap_or("1").parse().ok().filter(|n| (1..=TRACE).contains(n));
    let Some(seconds) = seconds else {
        let why = format!("seconds is a number from 1 to {TRACE}");
        return Ok(Some(Refused("400 Bad Request", why)));
    };
    let last = Duration::from_secs(seconds);
    let options = FlightOptions { last, ..FlightOptions::default() };
    let recorder = match FlightRecorder::start(&heap, options) {
        Ok(recorder) => recorder,
        Err(error) => return Ok(unavailable(error)),
    };
    drop(heap);
    let until = Instant::now() + Duration::from_secs(seconds);
    stream.set_read_timeout(Some(LOOK))?;
    while Instant::now() < until {
        // A client that has gone gets no trace, and holds no recorder.
        match stream.read(&mut [0; 64]) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
    }
    let mut body = Vec::new();
    match recorder.write(&mut body) {
        Ok(_) => {
            begin(out, "application/json", Some("trace.json"))?;
            out.write_all(&body)?;
            Ok(None)
        }
        Err(FlightError::Ended) => Ok(Some(Refused("410 Gone", "the heap has ended".to_owned()))),
        Err(error) => Ok(unavailable(error)),
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// What the page shows, at this moment.
fn data(heap: &Heap) -> Value {
    let (metrics, mut classes) = heap.metrics_and_classes();
    let stats = heap.stats();
    let get = |name| metrics.get(name).unwrap_or(0.0);
    let pauses = heap.pauses();
    let row = |(kind, times): (PauseKind, &Histogram)| {
        json!({
            "kind": format!("{kind:?}"), "count": times.len(), "p50": ms(times.percentile(50.0)),
            "p99": ms(times.percentile(99.0)), "max": ms(times.max()),
        })
    };
    let kinds = pauses.kinds().filter(|(_, times)| !times.is_empty()).map(row);
    classes.sort_by_key(|class| std::cmp::Reverse(class.span_bytes));
    let class = |class: &ClassStats| {
        json!({
            "type": class.type_name, "array": class.is_array, "slot": class.slot_bytes,
            "objects": class.live_objects, "live": class.live_bytes, "spans": class.spans,
            "bytes": class.span_bytes, "cached": class.cached_spans, "full": class.full_spans,
        })
    };
    let windows = WINDOWS.map(Duration::from_millis);
    let utilisation = heap.utilisation(&windows);
    let of_window = utilisation.iter().map(|of| json!({ "ms": ms(of.window), "least": of.least }));
    let limit = |name| Some(get(name)).filter(|bytes: &f64| bytes.is_finite());
    json!({
        "heap": heap.number(),
        "heap_bytes": stats.heap_bytes,
        "live_bytes": stats.live_bytes,
        "live_objects": stats.live_objects,
        "goal_bytes": stats.goal_bytes,
        "external_bytes": stats.external_bytes,
        "allocated_bytes": stats.allocated_bytes,
        "memory_limit": limit("gc_memory_limit_bytes"),
        "cycles": stats.cycles,
        "in_cycle": get("gc_in_cycle") != 0.0,
        "collector_cpu": get("gc_collector_cpu_seconds_total") + get("gc_marker_cpu_seconds_total"),
        "threads": get("gc_threads"),
        "stragglers": get("gc_stragglers_total"),
        "straggler_ms": get("gc_straggler_seconds") * 1e3,
        "undropped": stats.undropped_objects,
        "pauses": kinds.collect::<Vec<_>>(),
        "worst": heap.worst_pauses().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "utilisation": of_window.collect::<Vec<_>>(),
        "classes": classes.iter().take(CLASSES).map(class).collect::<Vec<_>>(),
        "profile": heap.profile().is_ok(),
    })
}
