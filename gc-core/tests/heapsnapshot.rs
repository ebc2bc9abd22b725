//! A snapshot as a `.heapsnapshot` file: read back by its own description. `ci/heapsnapshot.sh` has
//! Chrome's own reader look at the file that `HEAPSNAPSHOT_OUT` names.

#[path = "common/full.rs"]
mod full;

use full::Full;
use gc_core::{Gc, GcRefCell, GcWeak, Heap, Root, Trace};
use serde_json::Value;
use std::collections::HashMap;
use std::io;

#[derive(Trace)]
struct Session<'gc> {
    user: Gc<'gc, str>,
    server: GcWeak<'gc, Server<'gc>>,
}

#[derive(Trace)]
struct Server<'gc> {
    name: Gc<'gc, str>,
    sessions: GcRefCell<Vec<Option<Gc<'gc, Session<'gc>>>>>,
    ring: GcRefCell<HashMap<u8, (u8, Gc<'gc, str>)>>,
}

type Keep = (Root<Server<'static>>, Root<[Option<Gc<'static, str>>]>);

/// A server with `n` sessions, and an array.
fn program(heap: &Heap, n: usize) -> Keep {
    heap.mutate(|mc| {
        let name = Gc::from_str(mc, "\"quoted\"\n");
        let server = Server { name, sessions: GcRefCell::default(), ring: GcRefCell::default() };
        let server = Gc::new(mc, server);
        for i in 0..n {
            let user = Gc::from_str(mc, &format!("user {i}"));
            let session = Session { user, server: Gc::downgrade(server, mc) };
            server.sessions.borrow_mut(mc).extend([None, Some(Gc::new(mc, session))]);
        }
        server.ring.borrow_mut(mc).insert(1, (2, name));
        let array = Gc::from_iter_in(mc, (0..100usize).map(|i| (i >= 90).then_some(name)));
        (Gc::root(server, mc), Gc::root(array, mc))
    })
}

fn numbers(list: &Value) -> Vec<usize> {
    list.as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect()
}

#[test]
fn the_file_is_what_its_description_says() {
    let heap = Heap::new();
    let keep = program(&heap, 300);
    let snapshot = heap.snapshot().unwrap();
    let mut file = Vec::new();
    snapshot.write_heapsnapshot(&mut file).unwrap();
    if let Ok(path) = std::env::var("HEAPSNAPSHOT_OUT") {
        std::fs::write(path, &file).unwrap();
    }
    let read: Value = serde_json::from_slice(&file).unwrap();
    let meta = &read["snapshot"]["meta"];
    let width = meta["node_fields"].as_array().unwrap().len();
    let (nodes, edges) = (numbers(&read["nodes"]), numbers(&read["edges"]));
    let count = |name: &str| read["snapshot"][name].as_u64().unwrap() as usize;
    assert_eq!((nodes.len(), edges.len()), (count("node_count") * width, count("edge_count") * 3));
    let strings: Vec<&str> =
        read["strings"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    let types: Vec<&str> =
        meta["node_types"][0].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
    let edge_types: Vec<&str> =
        meta["edge_types"][0].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();

    let mut ids = std::collections::HashSet::new();
    let (mut at, mut size, mut named) = (0, 0, HashMap::<String, usize>::new());
    let name_of = |node: usize| strings[nodes[node + 1]];
    for (i, node) in nodes.chunks(width).enumerate() {
        assert!(ids.insert(node[2]), "every number once");
        size += node[3];
        assert_eq!(types[node[0]] == "synthetic", node[3] == 0, "{i}");
        for edge in edges[at * 3..].chunks(3).take(node[4]) {
            assert!(edge[2] % width == 0 && edge[2] < nodes.len());
            let by = match edge_types[edge[0]] {
                "element" => format!("[{}]", edge[1]),
                kind => format!("{kind} {}", strings[edge[1]]),
            };
            let name = strings[node[1]].split('<').next().unwrap();
            let from = name.rsplit("::").next().unwrap();
            *named.entry(format!("{from} {by} {}", name_of(edge[2]))).or_default() += 1;
        }
        at += node[4];
    }
    assert_eq!(at * 3, edges.len());
    assert_eq!(size as u64, snapshot.bytes());
    let has = |text: &str, n: usize| {
        assert_eq!(
            named.iter().filter(|(name, _)| name.starts_with(text)).map(|row| row.1).sum::<usize>(),
            n,
            "{text} of {named:#?}"
        );
    };
    has("Server property name leaf data", 1);
    has("Server property sessions[] ", 300);
    has("Server property ring[].1 leaf data", 1);
    has("Session property user leaf data", 300);
    has("Session property server GcWeak", 300);
    has("GcWeak weak target ", 300);
    has("(roots of the program) [0] Root made at ", 1);
    assert!(named.keys().any(|name| name.contains("[90] leaf data")), "{named:#?}");
    drop(keep);
}

#[test]
fn a_disk_that_fills_is_an_error() {
    let heap = Heap::new();
    let keep = program(&heap, 5000);
    let snapshot = heap.snapshot().unwrap();
    for room in [0, 10, 70_000] {
        let error = snapshot.write_heapsnapshot(Full(room)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
    snapshot.write_heapsnapshot(Full(usize::MAX)).unwrap();
    drop(keep);
}
