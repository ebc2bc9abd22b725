//! `gc-bench-mimalloc`: `gc-bench` with mimalloc as the global allocator, for the engines that
//! allocate with it.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    gc_bench::main("mimalloc")
}
