//! The cells without their borrows: `get_mut`, `From`, `Default`, guards of a part, and `Debug` of
//! data that leads to itself.

#![forbid(unsafe_code)]

#[path = "common/settle.rs"]
mod settle;

use gc_core::{
    Gc, GcCell, GcMappedRefMut, GcMutex, GcMutexGuard, GcOnceCell, GcRef, GcRefCell, GcRefMut,
    GcRwLock, GcWeakMap, Heap, Root, Trace,
};
use settle::Settle;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

#[test]
fn cells_are_made_and_taken_apart() {
    Heap::new().mutate(|mc| {
        let one = Gc::new(mc, 1);
        assert_eq!(GcRefCell::from(1).into_inner() + GcMutex::from(2).into_inner(), 3);
        assert_eq!(GcRwLock::from("a").into_inner(), "a");
        assert_eq!(GcOnceCell::from(4).into_inner(), Some(4));
        assert_eq!(GcOnceCell::<u8>::default().into_inner(), None);
        assert!(Gc::ptr_eq(GcCell::from(one).get().unwrap(), one));
        assert!(
            GcCell::<u8>::from(None).get().is_none() && GcCell::<u8>::default().get().is_none()
        );
        let defaults: (GcRefCell<u8>, GcMutex<String>, GcRwLock<Vec<u8>>) = Default::default();
        assert_eq!(defaults.0.into_inner(), 0);
        assert!(defaults.1.into_inner().is_empty() && defaults.2.into_inner().is_empty());
        assert!(GcWeakMap::<u8, u8>::default().is_empty());
    });
}

#[test]
fn what_nobody_else_sees_is_changed_without_a_borrow() {
    Heap::new().mutate(|mc| {
        let (one, two) = (Gc::new(mc, 1), Gc::new(mc, 2));
        let (mut cell, mut mutex) = (GcRefCell::new(vec![one]), GcMutex::new(one));
        cell.get_mut().push(two);
        *mutex.get_mut() = two;
        let mut lock = GcRwLock::new((one, 0));
        lock.get_mut().1 = 5;
        assert_eq!((cell.borrow().len(), **mutex.lock(mc), lock.read().1), (2, 2, 5));

        let mut once = GcOnceCell::new();
        assert!(once.get_mut().is_none() && once.take().is_none());
        assert!(once.set(mc, one).is_ok());
        *once.get_mut().unwrap() = two;
        assert_eq!(once.take().map(|gc| *gc), Some(2));
        assert!(once.set(mc, one).is_ok() && once.set(mc, two).is_err());

        let mut word = GcCell::new(Some(one));
        assert!(word.get_mut().is_some_and(|gc| *gc == 1));
        *word.get_mut() = Some(two);
        assert!(Gc::ptr_eq(word.get().unwrap(), two));
        assert!(word.get_mut().take().is_some() && word.get().is_none());
        // A leaked guard stores nothing.
        let mut leaked = word.get_mut();
        *leaked = Some(one);
        std::mem::forget(leaked);
        assert!(word.get().is_none());
    });
}

#[test]
fn a_leaked_guard_closes_every_way_in() {
    Heap::new().mutate(|mc| {
        let mut cell = GcRefCell::new(Gc::new(mc, 1));
        std::mem::forget(GcRefMut::map(cell.borrow_mut(mc), |gc| gc));
        assert!(cell.try_borrow().is_none() && cell.try_borrow_mut(mc).is_none());
        assert!(catch_unwind(AssertUnwindSafe(|| **cell.get_mut())).is_err());
        assert!(catch_unwind(AssertUnwindSafe(|| cell.into_inner())).is_err());
        // A shared borrow that is leaked does not prevent a `&mut`: the borrow checker knows that
        // it is over.
        let mut lock = GcRwLock::new(1);
        std::mem::forget(lock.read());
        *lock.get_mut() += 1;
        assert!(lock.try_write(mc).is_none() && *lock.read() == 2);
    });
}

/// Pointers go round between cells inside a guarded cell, by `get_mut` and by guards of parts,
/// while cycles run.
#[test]
fn what_get_mut_moves_inside_of_a_guard_stays_alive() {
    type Ptr<'gc> = Gc<'gc, (u64, String)>;
    #[derive(Trace)]
    struct Inner<'gc> {
        list: GcMutex<Vec<Ptr<'gc>>>,
        cell: GcRefCell<Option<Ptr<'gc>>>,
        lock: GcRwLock<BTreeMap<u64, Ptr<'gc>>>,
        once: GcOnceCell<Ptr<'gc>>,
        word: GcCell<'gc, (u64, String)>,
    }
    let heap = Heap::builder().min_heap(256 << 10).build().unwrap();
    let root: Root<GcRefCell<Inner<'static>>> = heap.mutate(|mc| {
        let new = |i: u64| Gc::new(mc, (i, i.to_string()));
        mc.root(GcRefCell::new(Inner {
            list: GcMutex::new((0..20).map(new).collect()),
            cell: GcRefCell::new(Some(new(20))),
            lock: GcRwLock::new((21..30).map(|i| (i, new(i))).collect()),
            once: GcOnceCell::from(new(30)),
            word: GcCell::from(new(31)),
        }))
    });
    let done = AtomicBool::new(false);
    std::thread::scope(|s| {
        s.spawn(|| {
            while !done.load(Relaxed) {
                heap.settle();
            }
        });
        let (mut turn, begin) = (0u64, Instant::now());
        while begin.elapsed() < Duration::from_millis(400) {
            turn += 1;
            heap.mutate(|mc| {
                let cell = root.get(mc);
                let mut all = cell.borrow_mut(mc);
                // One of each goes to the next, around; in between only this thread's stack knows
                // it.
                let oldest = all.list.get_mut().remove(0);
                let from_cell = all.cell.get_mut().replace(oldest).unwrap();
                let (_, from_lock) = all.lock.get_mut().pop_first().unwrap();
                let key = 1000 + turn;
                all.lock.get_mut().insert(key, from_cell);
                let from_once = all.once.take().unwrap();
                assert!(all.once.set(mc, from_lock).is_ok());
                let from_word = all.word.get_mut().replace(from_once).unwrap();
                if turn.is_multiple_of(2) {
                    all.list.get_mut().push(from_word);
                } else {
                    let mut list = GcRefMut::map(all, |all| all.list.get_mut());
                    list.push(from_word);
                    if let Ok(mut last) = GcMappedRefMut::filter_map(list, |list| list.last_mut()) {
                        // A new one for it, now and then.
                        let (number, _) = **last;
                        *last = Gc::new(mc, (number, number.to_string()));
                    }
                }
            });
            heap.mutate(|mc| {
                let all = root.get(mc);
                let all = all.borrow();
                let mut seen: Vec<u64> = Vec::new();
                let mut check = |gc: Ptr<'_>| {
                    assert_eq!(gc.1, gc.0.to_string());
                    seen.push(gc.0);
                };
                all.list.lock(mc).iter().for_each(|gc| check(*gc));
                all.lock.read().values().for_each(|gc| check(*gc));
                check(all.cell.borrow().unwrap());
                check(*all.once.get().unwrap());
                check(all.word.get().unwrap());
                seen.sort_unstable();
                assert!(seen.into_iter().eq(0..32), "in turn {turn}");
            });
        }
        done.store(true, Relaxed);
        assert!(turn > 10);
    });
}

#[test]
fn guards_of_a_part_hold_the_whole() {
    Heap::new().mutate(|mc| {
        let lock = GcRwLock::new((vec![Gc::new(mc, 1), Gc::new(mc, 2)], String::from("text")));
        {
            let text = GcRef::map(lock.read(), |pair| pair.1.as_str());
            let list = GcRef::filter_map(lock.read(), |pair| pair.0.get(..1)).unwrap();
            assert_eq!((&*text, list.len(), format!("{text:?}")), ("text", 1, "\"text\"".into()));
            let other = GcRef::filter_map(list, |list| list.get(7));
            assert_eq!(other.unwrap_err().len(), 1);
            assert!(lock.try_write(mc).is_none());
            drop(text);
            assert!(lock.try_write(mc).is_some(), "each guard ends one borrow");
        }
        {
            let mut one = GcRefMut::map(lock.write(mc), |pair| &mut pair.0[1]);
            *one = Gc::new(mc, 9);
            assert_eq!((**one, format!("{one:?}").as_str()), (9, "9"));
            assert!(lock.try_read().is_none() && lock.try_write(mc).is_none());
        }
        assert_eq!(lock.read().0.iter().map(|gc| **gc).sum::<i32>(), 10);
        // `None`: the first guard comes back, and still has its borrow.
        let back = GcRefMut::filter_map(lock.write(mc), |pair| pair.0.get_mut(7)).unwrap_err();
        assert!(lock.try_read().is_none() && back.0.len() == 2);
        drop(back);
        let mapped = GcRefMut::map(lock.write(mc), |pair| &mut pair.1);
        let back = GcMappedRefMut::filter_map(mapped, |_| None::<&mut u8>).unwrap_err();
        let mut bytes = GcMappedRefMut::map(back, |text| text.as_mut_str());
        bytes.make_ascii_uppercase();
        assert!(lock.try_read().is_none());
        drop(bytes);
        assert_eq!(lock.into_inner().1, "TEXT");

        let mutex = GcMutex::new([1, 2, 3]);
        GcMutexGuard::map(mutex.lock(mc), |all| &mut all[1..]).reverse();
        assert_eq!(*mutex.lock(mc), [1, 3, 2]);
    });
}

#[test]
fn a_closure_that_panics_ends_the_borrow() {
    Heap::new().mutate(|mc| {
        let cell = GcRefCell::new(1);
        let run = |f: &dyn Fn()| assert!(catch_unwind(AssertUnwindSafe(f)).is_err());
        run(&|| _ = GcRef::map(cell.borrow(), |_| -> &u8 { panic!("on purpose") }));
        run(&|| _ = GcRef::filter_map(cell.borrow(), |_| -> Option<&u8> { panic!("on purpose") }));
        run(&|| _ = GcRefMut::map(cell.borrow_mut(mc), |_| -> &mut u8 { panic!("on purpose") }));
        run(&|| {
            let guard = GcRefMut::map(cell.borrow_mut(mc), |one| one);
            _ = GcMappedRefMut::map(guard, |_| -> &mut u8 { panic!("on purpose") });
        });
        assert!(cell.try_borrow_mut(mc).is_some());
    });
}

#[derive(Trace, Debug)]
struct Knot<'gc> {
    name: &'static str,
    once: GcOnceCell<Gc<'gc, Knot<'gc>>>,
    cell: GcRefCell<Option<Gc<'gc, Knot<'gc>>>>,
    mutex: GcMutex<Vec<Gc<'gc, Knot<'gc>>>>,
    lock: GcRwLock<Vec<GcMutex<Option<Gc<'gc, Knot<'gc>>>>>>,
    word: GcCell<'gc, Knot<'gc>>,
    map: GcWeakMap<'gc, Knot<'gc>, Knot<'gc>>,
}

#[test]
fn what_leads_to_itself_prints() {
    Heap::new().mutate(|mc| {
        let knot = Gc::new(
            mc,
            Knot {
                name: "knot",
                once: GcOnceCell::new(),
                cell: GcRefCell::default(),
                mutex: GcMutex::default(),
                lock: GcRwLock::default(),
                word: GcCell::default(),
                map: GcWeakMap::default(),
            },
        );
        let knots = [knot; 10];
        knot.once.set(mc, knot).unwrap();
        *knot.cell.borrow_mut(mc) = Some(knot);
        knot.mutex.lock(mc).extend(knots);
        knot.lock.write(mc).push(GcMutex::new(Some(knot)));
        knot.word.set(mc, Some(knot));
        knot.map.insert(mc, knot, knot);
        let at = format!("Gc({knot:p})");
        let text = format!("{knot:?}");
        assert!(text.len() < 1000, "{text}");
        assert_eq!(text.matches("name: \"knot\"").count(), 1, "{text}");
        assert_eq!(text.matches(&at).count(), 12, "{text}");
        assert!(
            text.contains(&format!("once: GcOnceCell(Some({at})), cell: GcRefCell(Some({at}))"))
        );
        assert!(text.contains("lock: GcRwLock([GcMutex(0x"), "{text}");
        assert!(format!("{knot:#?}").lines().count() < 100);
        // Guards print the content that they lend. So the object appears once more, and no further.
        let guard = knot.cell.borrow();
        assert_eq!(format!("{guard:?}").matches("name").count(), 1);
        drop(guard);
        let guard = knot.cell.borrow_mut(mc);
        let text = format!("{guard:?}");
        assert!(
            text.matches("name").count() == 1 && text.contains("GcRefCell(<borrowed>)"),
            "{text}"
        );
    });
}

/// A `Debug` of the user's own may go through the pointers that a cell holds.
#[test]
fn a_debug_that_looks_through_pointers_ends_at_the_next_cell() {
    #[derive(Trace)]
    struct Through<'gc>(Gc<'gc, Ring<'gc>>);
    #[derive(Trace, Debug)]
    struct Ring<'gc>(GcOnceCell<Through<'gc>>);
    impl std::fmt::Debug for Through<'_> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            (*self.0).fmt(f)
        }
    }
    Heap::new().mutate(|mc| {
        let ring = Gc::new(mc, Ring(GcOnceCell::new()));
        assert!(ring.0.set(mc, Through(ring)).is_ok());
        let text = format!("{ring:?}");
        assert!(text.starts_with("Ring(GcOnceCell(Some(Ring(GcOnceCell(0x"), "{text}");
    });
    // The mark is cleared when the call ends, also when the `Debug` of a content panics.
    struct Panics;
    impl std::fmt::Debug for Panics {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("on purpose")
        }
    }
    let cell = GcMutex::new(Panics);
    assert!(catch_unwind(AssertUnwindSafe(|| format!("{cell:?}"))).is_err());
    Heap::new().mutate(|mc| {
        let cell = GcMutex::new(3);
        assert_eq!(format!("{:?} {:?}", Gc::new(mc, 5), cell), "5 GcMutex(3)");
        assert!(cell.try_lock(mc).is_some());
    });
}

#[test]
fn a_long_chain_through_cells_does_not_recurse() {
    #[derive(Trace, Debug)]
    struct Link<'gc> {
        next: GcOnceCell<Gc<'gc, Link<'gc>>>,
    }
    Heap::new().mutate(|mc| {
        let mut last = Gc::new(mc, Link { next: GcOnceCell::new() });
        for _ in 0..1_000_000 {
            last = Gc::new(mc, Link { next: GcOnceCell::from(last) });
        }
        assert!(format!("{last:?}").len() < 100 && format!("{:?}", last.next).len() < 100);
    });
}
