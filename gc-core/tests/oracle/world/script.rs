//! A byte string as a program for two threads on one world. Used by the fuzz target and by the
//! replay of its corpus.
//!
//! 1. The first byte decides how the heap is built and how the program ends ([`Setting`]). The
//!    others are decisions.
//! 2. The threads, *seats* 0 and 1, never run at once. One has the turn, and with it the [`Stage`].
//!    It hands both over through a channel at places that the bytes decide ([`Seat::switch`],
//!    [`Seat::give`]). So the two do the same in each run; the collector's progress meanwhile
//!    differs.
//! 3. A seat hands over *inside* its pin, with pointers in local variables and perhaps a guard out.
//!    A third thread asks for cycles meanwhile ([`Seat::ask`]). So the bytes can hold a pin in one
//!    phase, and let the other seat work in the next.
//! 4. A seat without a pin is asked in by an [`Offer`]. In the verifying build a thread cannot
//!    begin a pin while the collector waits for another one to end. Then the offer is withdrawn and
//!    the first seat goes on.
//! 5. A seat whose pin ends gives the turn to the other one if that is inside a pin. It could not
//!    be sure to get into its next pin.
//! 6. When the bytes are used up the pins end, the threads end, and everything is compared
//!    ([`finish`]).

use super::{Choices, Expected, Pin, World};
use gc_core::{Heap, Mutation, Mutator};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Scope, sleep};
use std::time::Duration;

/// How long a seat waits for the other one to enter its pin. Some 20 µs are usual.
const PATIENCE: Duration = Duration::from_millis(1);
/// What takes long is done at most so many times in one program.
const COLLECTS: usize = 8;
const REQUESTS: usize = 16;
const WAITS: usize = 32;

/// What the first byte says.
struct Setting {
    /// 16 to 128 KiB: with the smaller ones cycles begin by themselves.
    min_heap: usize,
    markers: usize,
    /// Whether some canaries panic when they are dropped.
    panics: bool,
    /// Whether all is collected before the heap ends.
    collects: bool,
    /// Whether the roots outlive the heap.
    late_roots: bool,
    /// Random operations before the first byte, so that there is something to work on.
    prelude: usize,
}

impl Setting {
    fn new(byte: u8) -> Setting {
        Setting {
            min_heap: 16 << 10 << (byte & 3),
            markers: 1 + usize::from(byte >> 2 & 1),
            panics: byte & 8 != 0,
            collects: byte & 16 == 0,
            late_roots: byte & 32 != 0,
            prelude: [0, 40, 200, 800][usize::from(byte >> 6)],
        }
    }
}

/// What a program did, so that a corpus can be shown to do something.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Summary {
    pub(crate) objects: usize,
    pub(crate) cycles: u64,
    /// Turns handed over inside a pin.
    pub(crate) switches: usize,
    /// The same with a guard out.
    pub(crate) guarded: usize,
    pub(crate) panics: usize,
    pub(crate) drop_panics: u64,
}

/// What goes from hand to hand with the turn.
struct Stage {
    world: World,
    pinned: [bool; 2],
    /// To the thread that calls `collect` for those who cannot wait for it.
    requests: Option<Sender<()>>,
    collected: usize,
    requested: usize,
    waited: usize,
    summary: Summary,
}

/// What one seat sends to the other.
enum Message {
    Turn(Box<Stage>),
    /// Enter a pin, and the turn is yours.
    Offer(Arc<Offer>),
    /// Inside the pin that was asked for.
    Ready,
}

/// Whether an offer was taken or withdrawn, whichever came first.
struct Offer(AtomicU8);

impl Offer {
    const OPEN: u8 = 0;
    const TAKEN: u8 = 1;
    const WITHDRAWN: u8 = 2;
    fn settle(&self, how: u8) -> bool {
        self.0.compare_exchange(Offer::OPEN, how, SeqCst, SeqCst).is_ok()
    }
}

/// A way to the other seat and back.
struct Link {
    inbox: Receiver<Message>,
    peer: Sender<Message>,
}

/// A thread of the program.
struct Seat<'scope, 'env> {
    number: usize,
    scope: &'scope Scope<'scope, 'env>,
    heap: &'env Heap,
    /// None in seat 0 until seat 1 is needed, and again when it has ended.
    link: Option<Link>,
    /// Here while this seat has the turn.
    stage: Option<Box<Stage>>,
    /// The seat's own handle, if it has one. Not here during a pin.
    mutator: Option<Mutator>,
    /// Whether the pin is of that handle.
    by_handle: bool,
}

/// Runs the program and compares.
pub(crate) fn play(bytes: &[u8]) -> Summary {
    let (first, rest) = bytes.split_first().unwrap_or((&0, &[]));
    let setting = Setting::new(*first);
    let heap = Heap::builder()
        .reserve(64 << 20)
        .min_heap(setting.min_heap)
        .markers(setting.markers)
        .build()
        .expect("a small heap can be built");
    let panics = setting.panics.then_some(8);
    let most = rest.len() + setting.prelude + 16;
    let mut world = World::new(Choices::random(setting.prelude as u64), most, panics);
    heap.mutate(|mc| {
        let mut pin = Pin::new(mc, 0);
        for _ in 0..setting.prelude {
            world.op(&mut pin);
        }
    });
    world.end_pin(0);
    world.choices = Choices::bytes(rest);
    let stage = Box::new(Stage {
        world,
        pinned: [false; 2],
        requests: None,
        collected: 0,
        requested: 0,
        waited: 0,
        summary: Summary::default(),
    });
    let stage = std::thread::scope(|scope| {
        let mut seat = Seat::new(0, scope, &heap, None, Some(stage));
        loop {
            seat.outside();
            if let Some(mut stage) = seat.stage.take() {
                // Ends that thread, which the scope waits for.
                stage.requests = None;
                return stage;
            }
            assert!(seat.wait(), "the other seat ended with the turn");
        }
    });
    finish(heap, *stage, &setting)
}

/// A cycle, and the destructors of what it found.
fn settle(heap: &Heap) {
    heap.collect().expect("outside of pins");
    heap.drain_drops(Duration::from_secs(60)).expect("destructors here return");
}

/// The end of a program: what is left is compared, before and after the end of the heap.
fn finish(heap: Heap, stage: Stage, setting: &Setting) -> Summary {
    let Stage { mut world, mut summary, .. } = stage;
    world.check(&heap, false);
    if setting.collects {
        settle(&heap);
        world.check(&heap, true);
        world.drop_roots();
        settle(&heap);
        world.check(&heap, true);
        assert_eq!(heap.stats().live_objects, 0);
        assert_eq!(heap.stats().drop_panics, world.board.panics.load(SeqCst));
    }
    assert_eq!(heap.stats().trace_panics, 0);
    summary.cycles = heap.stats().cycles;
    if !setting.late_roots {
        world.drop_roots();
    }
    drop(heap);
    world.check_end();
    summary.objects = world.made();
    summary.drop_panics = world.board.panics.load(SeqCst);
    summary
}

impl<'scope, 'env> Seat<'scope, 'env> {
    fn new(
        number: usize,
        scope: &'scope Scope<'scope, 'env>,
        heap: &'env Heap,
        link: Option<Link>,
        stage: Option<Box<Stage>>,
    ) -> Self {
        Seat { number, scope, heap, link, stage, mutator: None, by_handle: false }
    }
    fn stage(&mut self) -> &mut Stage {
        self.stage.as_mut().expect("this seat has the turn")
    }
    fn peer(&self) -> usize {
        1 - self.number
    }
    /// The way to the other seat; seat 0 makes seat 1 where there is none.
    fn link(&mut self) -> &Link {
        let (scope, heap) = (self.scope, self.heap);
        self.link.get_or_insert_with(|| {
            let (to_first, first) = channel();
            let (to_second, second) = channel();
            let link = Link { inbox: second, peer: to_first };
            scope.spawn(move || Seat::new(1, scope, heap, Some(link), None).second());
            Link { inbox: first, peer: to_second }
        })
    }
    fn send(&mut self, message: Message) {
        self.link().peer.send(message).unwrap_or_else(|_| panic!("the other seat has failed"));
    }
    /// Gives the turn to the other seat.
    fn give(&mut self) {
        let stage = self.stage.take().expect("this seat has the turn");
        self.send(Message::Turn(stage));
    }
    /// Waits inside a pin until the turn comes back.
    fn take(&mut self) {
        match self.link().inbox.recv() {
            Ok(Message::Turn(stage)) => self.stage = Some(stage),
            Ok(_) => panic!("an offer to a seat that is inside a pin"),
            Err(_) => panic!("the other seat has failed"),
        }
    }
    /// Waits outside of pins until this seat has the turn, there too; false if the other seat has
    /// ended.
    fn wait(&mut self) -> bool {
        while self.stage.is_none() {
            match self.link().inbox.recv() {
                Ok(Message::Turn(stage)) => self.stage = Some(stage),
                Ok(Message::Offer(offer)) => self.pin(Some(&offer)),
                Ok(Message::Ready) => panic!("nothing was offered"),
                Err(_) => return false,
            }
        }
        true
    }

    /// The body of seat 1's thread.
    fn second(mut self) {
        while self.wait() {
            self.outside();
            if self.stage.is_some() {
                self.give();
            }
        }
    }

    /// Plays outside of pins until the bytes are used up, or the turn has gone. The other seat is
    /// outside too.
    fn outside(&mut self) {
        while let Some(stage) = &mut self.stage
            && !stage.world.choices.is_over()
        {
            match stage.world.choices.below(16) {
                0..7 => self.pin(None),
                7 => {
                    if stage.collected < COLLECTS {
                        stage.collected += 1;
                        settle(self.heap);
                        stage.world.check(self.heap, true);
                    }
                }
                8 => self.ask(),
                9 => stage.pause(),
                10 => stage.world.drop_root(),
                11 => stage.world.check(self.heap, false),
                12 => {
                    if self.number == 0 {
                        // Seat 1's thread ends; the next turn of that seat is another one's.
                        self.link = None;
                    }
                }
                13 => self.give(),
                14 => {
                    self.heap.release_free_memory();
                }
                _ => {
                    let old = self.mutator.take();
                    self.mutator = if old.is_none() { Some(self.heap.mutator()) } else { None };
                }
            }
        }
    }

    /// One pin: by this seat's own decision, or because the other seat offers it.
    fn pin(&mut self, offer: Option<&Offer>) {
        let mutator = self.mutator.take();
        self.by_handle = mutator.is_some();
        let done = catch_unwind(AssertUnwindSafe(|| match &mutator {
            Some(mutator) => mutator.mutate(|mc| self.pinned(mc, offer)),
            None => self.heap.mutate(|mc| self.pinned(mc, offer)),
        }));
        self.mutator = mutator;
        if let Err(payload) = done
            && !payload.is::<Expected>()
        {
            resume_unwind(payload);
        }
        let (number, peer) = (self.number, self.peer());
        if let Some(stage) = &mut self.stage {
            stage.pinned[number] = false;
            stage.world.end_pin(number);
            if stage.pinned[peer] {
                self.give();
            }
        }
    }
    fn pinned<'gc>(&mut self, mc: &'gc Mutation<'gc>, offer: Option<&Offer>) {
        if let Some(offer) = offer {
            if !offer.settle(Offer::TAKEN) {
                return;
            }
            self.send(Message::Ready);
            self.take();
        }
        let number = self.number;
        self.stage().pinned[number] = true;
        self.inside(&mut Pin::new(mc, number));
    }

    /// Plays inside a pin until it ends.
    fn inside(&mut self, pin: &mut Pin<'_>) {
        while !self.stage().world.choices.is_over() {
            let stage = self.stage();
            match stage.world.choices.below(20) {
                0..9 => stage.world.op(pin),
                9..12 => self.switch(),
                12 => self.ask(),
                13 | 14 => stage.pause(),
                15 => self.guarded(pin),
                16 => self.nested(),
                17 => stage.world.check_graph(pin, false),
                18 => return,
                _ => {
                    if stage.world.choices.one_in(4) {
                        stage.summary.panics += 1;
                        resume_unwind(Box::new(Expected));
                    }
                    return;
                }
            }
        }
    }

    /// Lets the other seat go on inside its pin, and begin one if need be, while this one stays
    /// inside its own.
    fn switch(&mut self) {
        let peer = self.peer();
        if !self.stage().pinned[peer] {
            let offer = Arc::new(Offer(AtomicU8::new(Offer::OPEN)));
            self.send(Message::Offer(offer.clone()));
            let inbox = &self.link().inbox;
            let mut answer = inbox.recv_timeout(PATIENCE);
            if answer.is_err() && !offer.settle(Offer::WITHDRAWN) {
                answer = inbox.recv().map_err(|_| RecvTimeoutError::Disconnected);
            }
            match answer {
                Ok(Message::Ready) => {}
                Ok(_) => panic!("a seat without the turn has sent more than its answer"),
                Err(RecvTimeoutError::Timeout) => return,
                Err(RecvTimeoutError::Disconnected) => panic!("the other seat has failed"),
            }
        }
        self.stage().summary.switches += 1;
        self.give();
        self.take();
    }

    /// Asks for a cycle without waiting for it; perhaps for one whose marking takes long.
    fn ask(&mut self) {
        let (scope, heap) = (self.scope, self.heap);
        let stage = self.stage();
        if stage.requested == REQUESTS {
            return;
        }
        stage.requested += 1;
        if stage.world.choices.one_in(2) {
            stage.world.board.naps.store(1, SeqCst);
        }
        let requests = stage.requests.get_or_insert_with(|| {
            let (sender, receiver) = channel();
            scope.spawn(move || {
                for () in receiver {
                    settle(heap);
                }
            });
            sender
        });
        requests.send(()).expect("the thread ends after its channel");
        // So that what comes next has a chance to be in the cycle.
        stage.pause();
    }

    /// An operation in a pin within the pin. Only where both are of one record: a pin of another
    /// record could wait for the outer one.
    fn nested(&mut self) {
        if !self.by_handle {
            let number = self.number;
            let stage = self.stage.as_mut().expect("this seat has the turn");
            self.heap.mutate(|mc| stage.world.op(&mut Pin::nested(mc, number)));
        }
    }

    /// Operations with a guard of some bag's vector out.
    fn guarded(&mut self, pin: &mut Pin<'_>) {
        let Some((bag, id)) = self.stage().world.lock(pin) else { return };
        bag.change(pin.mc, |all| {
            let world = &mut self.stage().world;
            if world.choices.one_in(2) {
                world.take_out(pin, id, all);
            }
            for _ in 0..world.choices.below(4) {
                if self.stage().world.choices.one_in(2) {
                    self.stage().summary.guarded += 1;
                    self.switch();
                } else {
                    self.stage().world.op(pin);
                }
            }
            let stage = self.stage();
            if stage.world.choices.one_in(2) {
                stage.world.put_in(pin, id, all);
            }
            if stage.world.choices.one_in(16) {
                stage.summary.panics += 1;
                resume_unwind(Box::new(Expected));
            }
        });
        let number = self.number;
        self.stage().world.unlock(number);
    }
}

impl Stage {
    /// Gives the collector time to get as far as it can.
    fn pause(&mut self) {
        if self.waited < WAITS {
            self.waited += 1;
            sleep(Duration::from_micros(30));
        }
    }
}
