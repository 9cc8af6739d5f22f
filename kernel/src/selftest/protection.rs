//! What the kernel may not do to itself.

use super::Unmet;
use super::scene::{ensure, on};
use crate::machine;
use core::ops::Range;
use core::sync::atomic::AtomicU64;
use hw::paging::{self, KERNEL_BASE, Mapping};
use hw::phys::DIRECT_MAP;
use hw::probe;

/// The lowest address of the kernel's half.
const UPPER_HALF: u64 = 0xffff_8000_0000_0000;

/// A constant of the kernel's.
static CONSTANT: [u64; 2] = [0x5, 0x7];
/// A datum of the kernel's.
static DATUM: AtomicU64 = AtomicU64::new(0x11);

pub fn w_xor_x() -> Result<(), Unmet> {
    let [text, constants] = paging::fixed_ranges();
    let meets = |mapping: &Mapping, range: &Range<u64>| {
        mapping.physical < range.end && range.start < mapping.physical + mapping.bytes
    };
    let fixed = |mapping: &Mapping| meets(mapping, &text) || meets(mapping, &constants);
    let is_text = |mapping: &Mapping| {
        text.contains(&mapping.physical) && mapping.physical + mapping.bytes <= text.end
    };
    let (mut wrong, mut executable) = (None, 0_u64);
    paging::kernel_mappings(UPPER_HALF..=u64::MAX, |mapping| {
        executable += u64::from(mapping.allows.execute);
        let fault = match mapping.allows {
            allows if allows.user => "is ring 3's too",
            allows if allows.write && allows.execute => "is both writable and executable",
            allows if allows.write && fixed(&mapping) => "is a writable name for text or constants",
            allows if allows.execute && !is_text(&mapping) => "is executable and not text",
            _ => return,
        };
        wrong.get_or_insert((mapping.address, fault));
    });
    if let Some((address, fault)) = wrong {
        return Err(Unmet::Failed(alloc::format!(
            "the page at {address:#x} {fault}"
        )));
    }
    // Or the walk has seen nothing at all.
    ensure!(executable > 0, "no page of the kernel's half is executable");
    Ok(())
}

/// On every CPU: the protection is a bit of each CPU's CR0.
pub fn constants() -> Result<(), Unmet> {
    for cpu in machine::online() {
        on(cpu, None, attempt)??;
    }
    Ok(())
}

fn attempt() -> Result<(), Unmet> {
    let alias = |address: u64| address - KERNEL_BASE + DIRECT_MAP;
    let text = (attempt as *const () as u64) & !7;
    let constant = CONSTANT.as_ptr() as u64;
    let datum = DATUM.as_ptr() as u64;
    for (what, address) in [("text", text), ("a constant", constant)] {
        for address in [address, alias(address)] {
            ensure!(
                probe::writable(address).is_err(),
                "CPU {}: {what} at {address:#x} is writable",
                hw::percpu::cpu()
            );
        }
    }
    // The attempt itself can succeed.
    for address in [datum, alias(datum)] {
        ensure!(
            probe::writable(address).is_ok(),
            "CPU {}: data at {address:#x} is not writable",
            hw::percpu::cpu()
        );
    }
    Ok(())
}
