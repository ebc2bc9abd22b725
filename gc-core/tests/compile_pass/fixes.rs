//! What `docs/ERRORS.md` says to write instead.

use gc_core::{
    Branded, Gc, GcCell, GcMutex, GcOnceCell, GcRefCell, GcRwLock, Heap, Mutation, Root, Trace,
    rootable_dyn, unsize,
};
use std::collections::HashMap;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, mpsc};

#[derive(Trace)]
struct Job<'gc> {
    after: Option<Gc<'gc, Job<'gc>>>,
    #[trace(skip)]
    command: Command,
    #[trace(skip)]
    on_click: Box<dyn Fn() + Send + Sync>,
}

trait Shape<'gc>: Send + Sync {
    fn name(&self) -> Gc<'gc, str>;
}
rootable_dyn!(Shape<'gc>);

#[derive(Trace)]
struct Circle<'gc>(Gc<'gc, str>);

impl<'gc> Shape<'gc> for Circle<'gc> {
    fn name(&self) -> Gc<'gc, str> {
        self.0
    }
}

fn shape<'gc>(circle: Gc<'gc, Circle<'gc>>) -> Gc<'gc, dyn Shape<'gc> + 'gc> {
    unsize!(circle => dyn Shape<'gc> + 'gc)
}

#[derive(Trace)]
struct Drawing<'gc> {
    #[trace(skip)]
    leaf: Box<dyn Fn() -> u64 + Send + Sync>,
    shared: Gc<'gc, dyn Shape<'gc> + 'gc>,
}

fn pair<'gc, T: Trace<'gc> + Send + Sync + 'gc>(
    mc: &Mutation<'gc>,
    one: T,
    two: T,
) -> Gc<'gc, (T, T)> {
    Gc::new(mc, (one, two))
}

fn keep<'gc, T: Branded<'gc>>(mc: &Mutation<'gc>, gc: Gc<'gc, T>) -> Root<T::Static> {
    Gc::root(gc, mc)
}

/// The part with a `Drop` has no pointers.
#[derive(Trace)]
struct Handle(u64);

impl Drop for Handle {
    fn drop(&mut self) {}
}

#[derive(Trace)]
struct Cells<'gc> {
    handle: Handle,
    hits: AtomicU64,
    one: GcCell<'gc, u64>,
    once: GcOnceCell<Gc<'gc, u64>>,
    map: GcRefCell<HashMap<u64, Gc<'gc, u64>>>,
    locked: GcMutex<Vec<Gc<'gc, u64>>>,
    read: GcRwLock<Vec<Gc<'gc, u64>>>,
}

fn names<'gc>(shapes: Vec<Gc<'gc, Circle<'gc>>>) -> impl Iterator<Item = &'gc str> {
    shapes.into_iter().map(|shape| Gc::as_ref(shape.0))
}

static LAST: Mutex<Option<Root<u64>>> = Mutex::new(None);

#[test]
fn what_the_document_of_errors_says_to_write_works() {
    let heap = Heap::new();
    let (sender, receiver) = mpsc::channel();
    let text = heap.mutate(|mc| {
        let name = Gc::from_str(mc, "circle");
        let circle = Gc::new(mc, Circle(name));
        let shared = shape(circle);
        let drawing = Drawing { leaf: Box::new(|| 7), shared };
        assert_eq!((&*drawing.shared.name(), (drawing.leaf)()), ("circle", 7));
        let _: Root<dyn Shape<'static>> = Gc::root(shared, mc);
        assert_eq!(names(vec![circle]).next(), Some("circle"));

        let job = Job { after: None, command: Command::new("true"), on_click: Box::new(|| {}) };
        assert!(job.after.is_none() && job.command.get_args().len() == 0);
        (job.on_click)();

        let number = Gc::new(mc, 7);
        let cells = Cells {
            handle: Handle(1),
            hits: AtomicU64::new(0),
            one: GcCell::new(None),
            once: GcOnceCell::new(),
            map: GcRefCell::new(HashMap::new()),
            locked: GcMutex::new(Vec::new()),
            read: GcRwLock::new(Vec::new()),
        };
        let cells = Gc::new(mc, cells);
        cells.hits.fetch_add(cells.handle.0, Ordering::Relaxed);
        cells.one.set(mc, Some(number));
        assert!(cells.once.set(mc, number).is_ok());
        cells.map.borrow_mut(mc).insert(1, number);
        cells.locked.lock(mc).push(number);
        cells.read.write(mc).push(number);

        sender.send(keep(mc, pair(mc, number, number))).unwrap();
        *LAST.lock().unwrap() = Some(Gc::root(number, mc));
        name.to_string()
    });
    let root = receiver.recv().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| heap.mutate(|mc| assert_eq!(*root.get(mc).0, 7)));
    });
    assert_eq!(text, "circle");
    LAST.lock().unwrap().take();
}
