//! The calling thread's stack, for walking it: registers, bounds, and the program's unwind tables.
//!
//! Linux on x86-64 only; the profile walks by another way elsewhere.

use std::arch::asm;
use std::borrow::Cow;
use std::cell::Cell;
use std::ffi::{CStr, c_int, c_void};
use std::ops::Range;

/// The registers from which a walk begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Registers {
    pub(crate) ip: u64,
    pub(crate) sp: u64,
    pub(crate) bp: u64,
}

/// Reads a word of the stack.
pub(crate) type Read<'a> = &'a mut dyn FnMut(u64) -> Result<u64, ()>;

thread_local! {
    /// The bounds of the thread's stack; zeroes before the first look, and if there are none.
    static BOUNDS: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// Calls `walk` with the calling thread's registers and a reader of its stack. `None` if the thread
/// runs on another stack than the system's.
#[inline(never)]
pub(crate) fn look<R>(walk: impl FnOnce(Registers, Read<'_>) -> R) -> Option<R> {
    let (ip, sp, bp): (u64, u64, u64);
    // SAFETY: the instructions copy registers, and touch no memory and no flags.
    unsafe {
        asm!(
            "lea {ip}, [rip]", "mov {sp}, rsp", "mov {bp}, rbp",
            ip = out(reg) ip, sp = out(reg) sp, bp = out(reg) bp,
            options(nomem, nostack, preserves_flags),
        );
    }
    let bounds = BOUNDS.try_with(|bounds| {
        if bounds.get().1 == 0 {
            bounds.set(bounds_of_thread().unwrap_or_default());
        }
        bounds.get()
    });
    let (low, high) = bounds.ok()?;
    if !(low..high).contains(&(sp as usize)) {
        return None;
    }
    let mut read = |at: u64| {
        let is_inside = at >= sp && at <= high as u64 - 8 && at.is_multiple_of(8);
        // SAFETY: the word lies between the stack pointer of this frame, which is alive as long as
        // the reader, and the stack's end. All of that is mapped. It is volatile because a guess of
        // the walk may lead to a word that is another frame's variable.
        if is_inside { Ok(unsafe { (at as *const u64).read_volatile() }) } else { Err(()) }
    };
    Some(walk(Registers { ip, sp, bp }, &mut read))
}

/// The lowest and the highest address of the calling thread's stack.
fn bounds_of_thread() -> Option<(usize, usize)> {
    // SAFETY: the calls write the attributes and read them; zeroed attributes are only a place.
    unsafe {
        let mut attributes: libc::pthread_attr_t = std::mem::zeroed();
        if libc::pthread_getattr_np(libc::pthread_self(), &raw mut attributes) != 0 {
            return None;
        }
        let (mut low, mut bytes) = (std::ptr::null_mut(), 0);
        let done = libc::pthread_attr_getstack(&raw const attributes, &raw mut low, &raw mut bytes);
        libc::pthread_attr_destroy(&raw mut attributes);
        (done == 0).then_some((low as usize, low as usize + bytes))
    }
}

/// A part of a module, and the address at which it lies.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) at: u64,
    pub(crate) bytes: Cow<'static, [u8]>,
}

/// A loaded program or library with its unwind tables.
#[derive(Debug)]
pub(crate) struct Module {
    /// Added to each address of the file.
    pub(crate) base: u64,
    pub(crate) range: Range<u64>,
    pub(crate) eh_frame_hdr: Section,
    pub(crate) eh_frame: Section,
}

/// The modules that are loaded now and have unwind tables. The tables are copied, because a library
/// may be unloaded; those of the program itself are not.
pub(crate) fn modules() -> Vec<Module> {
    let mut modules: Vec<Module> = Vec::new();
    unsafe extern "C" fn visit(
        info: *mut libc::dl_phdr_info,
        _bytes: usize,
        modules: *mut c_void,
    ) -> c_int {
        // SAFETY: the loader lends `info` for the call, and `modules` is the vector below.
        let (info, modules) = unsafe { (&*info, &mut *modules.cast::<Vec<Module>>()) };
        modules.extend(module(info));
        0
    }
    // SAFETY: the callback has the type that the call demands, and the vector outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut modules).cast()) };
    modules
}

/// A number that changes with each module that is loaded or unloaded.
pub(crate) fn loads() -> u64 {
    unsafe extern "C" fn visit(
        info: *mut libc::dl_phdr_info,
        _bytes: usize,
        loads: *mut c_void,
    ) -> c_int {
        // SAFETY: the loader lends `info` for the call, and `loads` is the number below.
        let (info, loads) = unsafe { (&*info, &mut *loads.cast::<u64>()) };
        *loads = info.dlpi_adds + info.dlpi_subs;
        1 // The first module knows it.
    }
    let mut loads = 0;
    // SAFETY: the callback has the type that the call demands, and the number outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut loads).cast()) };
    loads
}

fn module(info: &libc::dl_phdr_info) -> Option<Module> {
    // SAFETY: the loader describes the mapped program headers, and holds its lock meanwhile.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum as usize) };
    // SAFETY: the loader's name is a string, or null.
    let is_program =
        info.dlpi_name.is_null() || unsafe { CStr::from_ptr(info.dlpi_name) }.is_empty();
    let base = info.dlpi_addr;
    let loaded = || headers.iter().filter(|header| header.p_type == libc::PT_LOAD);
    let section = |at: u64, bytes: u64| {
        // SAFETY: the range lies in a segment that is mapped readable, and that nothing changes.
        // The program's own segments stay; a library's are copied before the loader goes on.
        let bytes = unsafe { std::slice::from_raw_parts(at as *const u8, bytes as usize) };
        let bytes = if is_program { Cow::Borrowed(bytes) } else { Cow::Owned(bytes.to_vec()) };
        Section { at, bytes }
    };
    let index = headers.iter().find(|header| header.p_type == libc::PT_GNU_EH_FRAME)?;
    let eh_frame_hdr = section(base + index.p_vaddr, index.p_memsz);
    // Version 1, and the address of `.eh_frame` as 32 bits relative to itself: what linkers write.
    let [1, 0x1b, _, _, offset @ ..] = eh_frame_hdr.bytes.first_chunk::<8>()? else { return None };
    let at = (eh_frame_hdr.at + 4).checked_add_signed(i32::from_le_bytes(*offset).into())?;
    let segment = |header: &&libc::Elf64_Phdr| {
        let from = base + header.p_vaddr;
        (from..from + header.p_filesz).contains(&at) && header.p_flags & libc::PF_R != 0
    };
    let around = loaded().find(segment)?;
    let eh_frame = section(at, base + around.p_vaddr + around.p_filesz - at);
    let from = loaded().map(|header| header.p_vaddr).min()?;
    let to = loaded().map(|header| header.p_vaddr + header.p_memsz).max()?;
    Some(Module { base, range: base + from..base + to, eh_frame_hdr, eh_frame })
}
