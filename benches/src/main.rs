//! `gc-bench` with the system's allocator.

use std::process::ExitCode;

fn main() -> ExitCode {
    gc_bench::main("system")
}
