//! The few functions of Windows that the heap calls, as `kernel32` declares them.

use std::ffi::c_void;

pub(super) const MEM_COMMIT: u32 = 0x1000;
pub(super) const MEM_RESERVE: u32 = 0x2000;
pub(super) const MEM_RELEASE: u32 = 0x8000;
pub(super) const PAGE_NOACCESS: u32 = 0x01;
pub(super) const PAGE_READWRITE: u32 = 0x04;

/// A time in units of 100 ns.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FileTime {
    pub(super) low: u32,
    pub(super) high: u32,
}

/// `SYSTEM_INFO`.
#[repr(C)]
#[derive(Debug)]
pub(super) struct SystemInfo {
    pub(super) architecture: u32,
    pub(super) page_size: u32,
    pub(super) lowest: *mut c_void,
    pub(super) highest: *mut c_void,
    pub(super) processors_mask: usize,
    pub(super) processors: u32,
    pub(super) processor_type: u32,
    pub(super) granularity: u32,
    pub(super) level_and_revision: u32,
}

#[link(name = "kernel32")]
unsafe extern "system" {
    pub(super) fn VirtualAlloc(
        at: *mut c_void,
        bytes: usize,
        kind: u32,
        protection: u32,
    ) -> *mut c_void;
    pub(super) fn VirtualFree(at: *mut c_void, bytes: usize, kind: u32) -> i32;
    pub(super) fn DiscardVirtualMemory(at: *mut c_void, bytes: usize) -> u32;
    pub(super) fn GetSystemInfo(info: *mut SystemInfo);
    pub(super) fn FlushProcessWriteBuffers();
    pub(super) fn GetCurrentThread() -> *mut c_void;
    pub(super) fn GetCurrentProcess() -> *mut c_void;
    pub(super) fn GetThreadTimes(
        thread: *mut c_void,
        created: *mut FileTime,
        exited: *mut FileTime,
        kernel: *mut FileTime,
        user: *mut FileTime,
    ) -> i32;
    pub(super) fn GetProcessTimes(
        process: *mut c_void,
        created: *mut FileTime,
        exited: *mut FileTime,
        kernel: *mut FileTime,
        user: *mut FileTime,
    ) -> i32;
}
