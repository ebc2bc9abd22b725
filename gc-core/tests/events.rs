//! What listeners hear: the steps of a cycle in their order, and for whom a handshake waits.

use gc_core::{CollectError, CycleReport, Event, Gc, Handshake, Heap, Phase};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

/// An event as a word, for what is compared.
fn word(event: &Event<'_>) -> String {
    match event {
        Event::CycleBegin { cycle, .. } => format!("cycle {cycle}"),
        Event::PhaseBegin { cycle, phase, .. } => format!("{} {cycle}", phase.name()),
        Event::PhaseEnd { phase, .. } => format!("/{}", phase.name()),
        Event::CycleEnd(report) => format!("/cycle {}", report.cycle),
        Event::Handshake(handshake) => format!("handshake {}", handshake.phase.name()),
        _ => "?".into(),
    }
}

#[test]
fn a_cycle_is_told_step_by_step() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = told.clone();
    let listener = move |heap: u64, event: &Event<'_>| {
        seen.lock().unwrap().push((heap, word(event)));
    };
    let heap = Heap::builder().event_listener(listener).build().unwrap();
    heap.collect().unwrap();
    heap.collect().unwrap();
    let told = told.lock().unwrap();
    assert!(told.iter().all(|(number, _)| *number == heap.number()));
    let mut words: Vec<&str> = told.iter().map(|(_, word)| word.as_str()).collect();
    // Marking takes one round and one handshake more if nothing is shaded meanwhile; here nothing
    // is.
    words.dedup();
    let cycle = |n: u64| {
        format!(
            "cycle {n},prep {n},handshake prep,/prep,mark {n},handshake mark,/mark,\
             cross {n},handshake cross,/cross,sweep {n},/sweep,/cycle {n}"
        )
    };
    let both = format!("{},{}", cycle(1), cycle(2));
    assert!(words.join(",").starts_with(&both), "{words:?}");
}

#[test]
fn a_report_says_what_the_counters_say() {
    let reports = Arc::new(Mutex::new(Vec::<CycleReport>::new()));
    let seen = reports.clone();
    let listener = move |_: u64, event: &Event<'_>| {
        if let Event::CycleEnd(report) = event {
            seen.lock().unwrap().push((*report).clone());
        }
    };
    let heap = Heap::builder().event_listener(listener).build().unwrap();
    let kept = heap.mutate(|mc| {
        let all: Vec<Gc<'_, [u64; 8]>> = (0..1000).map(|i| Gc::new(mc, [i; 8])).collect();
        Gc::root(Gc::new(mc, all), mc)
    });
    heap.collect().unwrap();
    let reports = reports.lock().unwrap();
    let report = reports.last().unwrap();
    assert_eq!((report.heap, report.cycle), (heap.number(), heap.stats().cycles));
    // The vector, and what it holds.
    assert!(report.marked_objects >= 1, "{report:?}");
    assert!(report.live_bytes >= 64_000 && report.heap_end_bytes >= 64_000, "{report:?}");
    assert!(report.rounds >= 1 && !report.mark.is_zero(), "{report:?}");
    let line = report.to_string();
    assert!(line.starts_with(&format!("gc {} heap {} @", report.cycle, report.heap)), "{line}");
    drop(kept);
}

#[test]
fn a_handshake_names_the_thread_it_waits_for_and_its_call() {
    let waits = Arc::new(Mutex::new(Vec::<Handshake>::new()));
    let seen = waits.clone();
    let listener = move |_: u64, event: &Event<'_>| {
        if let Event::Handshake(handshake) = event {
            seen.lock().unwrap().push((*handshake).clone());
        }
    };
    let heap = Heap::builder().event_listener(listener).build().unwrap();
    let (inside, is_inside) = mpsc::channel();
    let long = heap.clone();
    let sits = move || {
        long.mutate(|_| ()); // Another place, which is not the one that counts.
        let line = line!() + 1;
        long.mutate(|_| {
            inside.send(line).unwrap();
            thread::sleep(Duration::from_millis(200));
        });
    };
    let thread = thread::Builder::new().name("sits".into()).spawn(sits).unwrap();
    let line = is_inside.recv().unwrap();
    heap.collect().unwrap();
    thread.join().unwrap();
    let waits = waits.lock().unwrap();
    let prep = waits.iter().find(|handshake| handshake.phase == Phase::Prep).unwrap();
    assert!(prep.is_complete && prep.threads >= 1, "{prep:?}");
    let straggler = prep.straggler.as_ref().expect("it waited");
    assert_eq!(straggler.name.as_deref(), Some("sits"));
    assert!(straggler.wait <= prep.time, "{prep:?}");
    let place = straggler.place.expect("it was in a pin");
    assert_eq!((place.file(), place.line()), (file!(), line));
}

#[test]
fn a_thread_with_a_handle_of_its_own_is_named_too() {
    let name = Arc::new(Mutex::new(None));
    let seen = name.clone();
    let listener = move |_: u64, event: &Event<'_>| {
        if let Event::Handshake(handshake) = event
            && let Some(straggler) = &handshake.straggler
        {
            *seen.lock().unwrap() = Some(straggler.to_string());
        }
    };
    let heap = Heap::builder().event_listener(listener).build().unwrap();
    let (inside, is_inside) = mpsc::channel();
    let long = heap.clone();
    let sits = move || {
        long.mutator().mutate(|_| {
            inside.send(()).unwrap();
            thread::sleep(Duration::from_millis(200));
        });
    };
    let thread = thread::Builder::new().name("handle".into()).spawn(sits).unwrap();
    is_inside.recv().unwrap();
    heap.collect().unwrap();
    thread.join().unwrap();
    let name = name.lock().unwrap();
    let name = name.as_ref().expect("it waited");
    assert!(name.contains("\"handle\", mutate at ") && name.contains("events.rs:"), "{name}");
}

#[test]
fn a_listener_may_panic_and_use_the_heap() {
    let heap = Arc::new(OnceLock::<Heap>::new());
    let collected = Arc::new(Mutex::new(Vec::new()));
    let (own, seen) = (heap.clone(), collected.clone());
    let uses = move |_: u64, event: &Event<'_>| {
        let Some(heap) = own.get() else { return };
        heap.mutate(|mc| Gc::new(mc, word(event)).len());
        if let Event::CycleEnd(_) = event {
            seen.lock().unwrap().push(heap.collect());
        }
    };
    let panics = |_: u64, _: &Event<'_>| std::panic::resume_unwind(Box::new("a listener"));
    let made = Heap::builder().event_listener(panics).event_listener(uses).build().unwrap();
    heap.set(made.clone()).unwrap();
    for _ in 0..3 {
        made.collect().unwrap();
    }
    let collected = collected.lock().unwrap();
    assert!(collected.len() >= 3, "{collected:?}");
    assert!(collected.iter().all(|result| *result == Err(CollectError::OnCollectorThread)));
    // What it has made has died in turn.
    assert!(made.stats().freed_objects > 0);
}
