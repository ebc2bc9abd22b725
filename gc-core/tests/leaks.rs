//! Leak work, end to end: memory grows for each of four reasons, the tools tell which, name the
//! culprit, and its repair closes it. `docs/GUIDE.md` has the same steps with their output.

#![forbid(unsafe_code)]

use gc_core::{Event, External, Gc, GcRefCell, Heap, Root, Trace};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Trace)]
struct Session<'gc> {
    user: Gc<'gc, str>,
    picture: Option<External>,
}

#[derive(Trace)]
struct Server<'gc> {
    sessions: GcRefCell<Vec<Gc<'gc, Session<'gc>>>>,
}

/// What a monitor sees of a heap after a cycle.
#[derive(Debug, Clone, Copy)]
struct Figures {
    heap: u64,
    live: u64,
    external: u64,
}

fn figures(heap: &Heap) -> Figures {
    heap.collect().unwrap();
    // A session may hold a picture, so it has a destructor.
    heap.drain_drops(Duration::from_secs(20)).unwrap();
    let metrics = heap.metrics();
    let get = |name| metrics.get(name).unwrap() as u64;
    Figures {
        heap: get("gc_heap_bytes"),
        live: get("gc_live_bytes"),
        external: get("gc_external_bytes"),
    }
}

fn server(heap: &Heap) -> Root<Server<'static>> {
    heap.mutate(|mc| mc.root(Server { sessions: GcRefCell::default() }))
}

/// Serves `n` users and forgets none of them.
fn serve(heap: &Heap, server: &Root<Server<'static>>, n: usize, picture: usize) {
    for i in 0..n {
        heap.mutate(|mc| {
            let user = Gc::from_str(mc, &format!("user {i}"));
            let picture = (picture > 0).then(|| External::new(mc, picture));
            let session = Gc::new(mc, Session { user, picture });
            server.get(mc).sessions.borrow_mut(mc).push(session);
        });
    }
}

#[test]
fn an_object_leak() {
    let heap = Heap::new();
    let server = server(&heap);
    let (before, earlier) = (figures(&heap), heap.snapshot().unwrap());
    serve(&heap, &server, 20_000, 0);
    // 1. Live bytes grow with the heap: objects that something reaches.
    let now = figures(&heap);
    assert!(now.live > before.live + 900_000 && now.external == 0, "{before:?}, {now:?}");
    // 2. Two snapshots name the type.
    let grown = heap.snapshot().unwrap().diff(&earlier);
    let row = grown.iter().find(|row| row.type_name.contains("Session")).unwrap();
    assert_eq!(row.objects(), 20_000);
    println!("{row}");
    // 3. The way from a root names the field, and the line of the root.
    let why = heap.why_alive("Session").unwrap().unwrap();
    println!("{why}");
    assert_eq!(why.fields(), ".sessions[0]");
    assert!(why.place.unwrap().file().ends_with("leaks.rs"));
    // 4. The repair, and the memory goes back.
    heap.mutate(|mc| server.get(mc).sessions.borrow_mut(mc).clear());
    let after = figures(&heap);
    assert!(after.live < before.live + 500_000, "{after:?}");
    let released = heap.release_free_memory();
    println!("{released} bytes went back");
    assert!(heap.stats().heap_bytes < now.heap / 2 && released > 0);
}

#[test]
fn a_span_leak() {
    let heap = Heap::new();
    let server = server(&heap);
    serve(&heap, &server, 50_000, 0);
    let full = figures(&heap);
    // The program keeps one session of a hundred: each holds a span.
    heap.mutate(|mc| {
        let server = server.get(mc);
        let mut n = 0;
        server.sessions.borrow_mut(mc).retain(|_| {
            n += 1;
            n % 100 == 0
        });
    });
    // 1. Few live bytes in many spans: neither objects nor external memory.
    let now = figures(&heap);
    assert!(now.live < full.live / 5 && now.heap > 3 * now.live, "{full:?}, {now:?}");
    // 2. The classes name the type whose spans are nearly empty.
    let classes = heap.classes();
    let worst = classes.iter().max_by_key(|class| class.waste_bytes()).unwrap();
    println!(
        "{}: {} of {} bytes are free slots",
        worst.type_name,
        worst.waste_bytes(),
        worst.span_bytes
    );
    assert!(worst.waste_bytes() > now.heap / 4);
    // 3. What is sparse is used again before the heap grows: no leak of objects.
    serve(&heap, &server, 40_000, 0);
    assert!(figures(&heap).heap < full.heap * 5 / 4);
    // 4. When the last of them go, so do the spans.
    heap.mutate(|mc| server.get(mc).sessions.borrow_mut(mc).clear());
    figures(&heap);
    heap.release_free_memory();
    let left = heap.stats();
    assert!(left.heap_bytes < full.heap / 10 && left.spans_idle == 0, "{left:?}");
}

#[test]
fn external_memory() {
    let heap = Heap::new();
    let server = server(&heap);
    let before = figures(&heap);
    serve(&heap, &server, 500, 1 << 20);
    // 1. The heap stays small, and what its objects hold outside grows.
    let now = figures(&heap);
    println!("{} MB in the heap, {} MB outside", now.heap >> 20, now.external >> 20);
    assert!(now.external >= 500 << 20 && now.heap < before.heap + (8 << 20), "{now:?}");
    // 2. Who holds such objects is a question to a snapshot, as for any other.
    let why = heap.why_alive("Session").unwrap().unwrap();
    assert_eq!(why.fields(), ".sessions[0]");
    // 3. The repair gives it back.
    heap.mutate(|mc| server.get(mc).sessions.borrow_mut(mc).clear());
    assert_eq!(figures(&heap).external, 0);
}

#[test]
fn a_straggler() {
    let seen = Arc::new(Mutex::new(None));
    let found = seen.clone();
    let listener = move |_heap: u64, event: &Event<'_>| {
        if let Event::Handshake(handshake) = event
            && let Some(straggler) = &handshake.straggler
            && straggler.wait > Duration::from_millis(50)
        {
            *found.lock().unwrap() = Some(straggler.clone());
        }
    };
    let heap = Heap::builder().event_listener(listener).build().unwrap();
    let (begun, has_begun) = channel();
    std::thread::scope(|s| {
        let inside = &heap;
        let stuck = std::thread::Builder::new().name("stuck".to_owned());
        let stuck = stuck.spawn_scoped(s, move || {
            inside.mutate(|_| {
                begun.send(()).unwrap();
                std::thread::sleep(Duration::from_millis(300));
            });
        });
        has_begun.recv().unwrap();
        // 1. Memory grows, and no cycle ends: a thread stays inside `mutate`.
        heap.collect().unwrap();
        stuck.unwrap().join().unwrap();
    });
    // 2. The event, as the trace does, names the thread and the line of its `mutate`.
    let straggler = seen.lock().unwrap().clone().expect("the handshake waited");
    println!("{straggler}");
    assert_eq!(straggler.name.as_deref(), Some("stuck"));
    assert!(straggler.place.unwrap().file().ends_with("leaks.rs"));
}
