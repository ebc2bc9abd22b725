//! Tasks of an async runtime that share a heap: what may be called where.
//!
//! ```text
//! cargo run --release -p gc-core --example tasks -- [ORDERS]
//! ```
//!
//! Orders pass from a task that takes them to tasks that fill them, over a channel of [`Root`]s.
//! Each order waits for its goods, an `.await`, before it is booked. The rules:
//!
//! 1. A task holds a [`Root`] across an `.await`, never a `Gc`. [`Heap`] and [`Root`] are `Send`
//!    and `Sync`, so the task may go on on another worker.
//! 2. A task works on objects in short calls of [`Heap::mutate`], on the worker itself. Nothing
//!    awaits inside: the compiler sees to that.
//! 3. A [`Mutator`](gc_core::Mutator) belongs to a thread, so a task that holds one over an
//!    `.await` cannot be spawned.
//! 4. [`Heap::collect`] waits for a cycle, so it is called on a blocking thread. A program that
//!    runs need not call it.

#![forbid(unsafe_code)]

use gc_core::{Gc, GcRefCell, Heap, Root, Trace};
use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{self, JoinSet};

/// A customer, who is shared by orders.
#[derive(Trace)]
struct Customer<'gc> {
    name: Gc<'gc, str>,
    spent: AtomicU64,
}

/// An order: it points to its customer.
#[derive(Trace)]
struct Order<'gc> {
    customer: Gc<'gc, Customer<'gc>>,
    price: u64,
}

/// All customers, by name.
type Customers<'gc> = GcRefCell<HashMap<String, Gc<'gc, Customer<'gc>>>>;

/// Makes an order; a new name makes a customer.
fn take(heap: &Heap, customers: &Root<Customers<'static>>, number: u64) -> Root<Order<'static>> {
    heap.mutate(|mc| {
        let customers = customers.get(mc);
        let name = format!("customer {}", number % 100);
        let known = customers.borrow().get(&name).copied();
        let customer = known.unwrap_or_else(|| {
            let spent = AtomicU64::new(0);
            let customer = Gc::new(mc, Customer { name: Gc::from_str(mc, &name), spent });
            customers.borrow_mut(mc).insert(name, customer);
            customer
        });
        Gc::root(Gc::new(mc, Order { customer, price: number }), mc)
    })
}

/// Fills an order: the root is held while the task waits.
async fn fill(heap: Heap, order: Root<Order<'static>>, number: u64) {
    match number % 8 {
        0 => tokio::time::sleep(Duration::from_micros(number % 1000)).await,
        _ => task::yield_now().await,
    }
    heap.mutate(|mc| {
        let order = order.get(mc);
        order.customer.spent.fetch_add(order.price, Ordering::Relaxed);
    });
}

async fn run(heap: &Heap, orders: u64) -> Root<Customers<'static>> {
    let customers: Root<Customers<'static>> =
        heap.mutate(|mc| Gc::root(Gc::new(mc, Customers::default()), mc));
    let (send, mut receive) = mpsc::channel(64);
    let taking = {
        let (heap, customers) = (heap.clone(), customers.clone());
        task::spawn(async move {
            for number in 0..orders {
                let order = take(&heap, &customers, number);
                if send.send((number, order)).await.is_err() {
                    break;
                }
            }
        })
    };
    let mut filling = JoinSet::new();
    while let Some((number, order)) = receive.recv().await {
        filling.spawn(fill(heap.clone(), order, number));
    }
    // A task that panicked has said so.
    let _ = taking.await;
    while filling.join_next().await.is_some() {}
    customers
}

/// The sum over all customers, and the one who spent the most.
fn report(heap: &Heap, customers: &Root<Customers<'static>>) -> (u64, String) {
    heap.mutate(|mc| {
        let customers = customers.get(mc);
        let customers = customers.borrow();
        let spent = |customer: &Customer<'_>| customer.spent.load(Ordering::Relaxed);
        let best = customers.values().max_by_key(|customer| spent(customer));
        let sum = customers.values().map(|customer| spent(customer)).sum();
        (sum, best.map_or("no customer".into(), |customer| customer.name.to_string()))
    })
}

/// The number of orders that the command line asks for.
fn orders() -> Result<u64, lexopt::Error> {
    use lexopt::prelude::*;
    let (mut args, mut orders) = (lexopt::Parser::from_env(), 20_000);
    while let Some(arg) = args.next()? {
        match arg {
            Value(text) => orders = text.parse()?,
            _ => return Err(arg.unexpected()),
        }
    }
    Ok(orders)
}

#[tokio::main(worker_threads = 4)]
async fn main() -> ExitCode {
    let orders = match orders() {
        Ok(orders) => orders,
        Err(error) => {
            eprintln!("tasks: {error}; usage: tasks [ORDERS], a number");
            return ExitCode::FAILURE;
        }
    };
    let heap = match Heap::builder().min_heap(256 << 10).build() {
        Ok(heap) => heap,
        Err(error) => {
            eprintln!("no heap: {error}");
            return ExitCode::FAILURE;
        }
    };
    let customers = run(&heap, orders).await;
    let inside = heap.clone();
    let collected = task::spawn_blocking(move || inside.collect()).await;
    let (sum, best) = report(&heap, &customers);
    let stats = heap.stats();
    println!("{orders} orders of {sum} in all, the most by {best}; {} cycles", stats.cycles);
    // The table; each customer with a name. No order is left.
    let expected = 1 + 2 * orders.min(100);
    let is_right = matches!(collected, Ok(Ok(())))
        && sum == (0..orders).sum::<u64>()
        && stats.live_objects == expected;
    if !is_right {
        eprintln!("wrong: {} objects instead of {expected}, {collected:?}", stats.live_objects);
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
