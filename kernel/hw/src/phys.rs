//! Physical memory through the direct map.

use x86_64::{PhysAddr, VirtAddr};

/// Where physical address 0 appears: memory below [`LIMIT`] is mapped from here, writable and
/// never executable, read-only where the kernel's own text and constants lie.
pub const DIRECT_MAP: u64 = 0xffff_8000_0000_0000;

/// The first physical address that the direct map does not reach: one top-level entry, 512 GiB.
pub const LIMIT: u64 = 1 << 39;

/// The size of a page and of a frame, in bytes.
pub const PAGE_SIZE: u64 = 4096;

/// Where the direct map shows `address`.
///
/// # Panics
/// If `address` is at or beyond [`LIMIT`].
pub fn map(address: PhysAddr) -> VirtAddr {
    assert!(
        address.as_u64() < LIMIT,
        "physical address {address:#x} is beyond the direct map's {LIMIT:#x}"
    );
    VirtAddr::new(DIRECT_MAP + address.as_u64())
}
