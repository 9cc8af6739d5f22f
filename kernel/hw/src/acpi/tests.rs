//! Tables made to order, and tables that lie.

use super::*;
use std::vec;
use std::vec::Vec;

/// Memory with something at some places.
#[derive(Default)]
struct Pieces(Vec<(u64, Vec<u8>)>);

impl Memory for Pieces {
    fn read(&self, address: u64, into: &mut [u8]) -> bool {
        let piece = self.0.iter().find_map(|(start, bytes)| {
            let offset = usize::try_from(address.checked_sub(*start)?).ok()?;
            bytes.get(offset..)?.get(..into.len())
        });
        piece.map(|piece| into.copy_from_slice(piece)).is_some()
    }
}

/// Makes the bytes add up to 0 by the one at `at`.
fn sealed(mut bytes: Vec<u8>, at: usize) -> Vec<u8> {
    let sum = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    bytes[at] = bytes[at].wrapping_sub(sum);
    bytes
}

fn table(signature: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = signature.to_vec();
    bytes.extend((36 + body.len() as u32).to_le_bytes());
    bytes.resize(36, 0);
    bytes.extend(body);
    sealed(bytes, 9)
}

/// An ACPI 1.0 root pointer.
fn rsdp(rsdt: u32) -> Vec<u8> {
    let mut bytes = b"RSD PTR ".to_vec();
    bytes.resize(16, 0);
    bytes.extend(rsdt.to_le_bytes());
    sealed(bytes, 8)
}

/// An ACPI 2.0 root pointer.
fn rsdp2(rsdt: u32, xsdt: u64) -> Vec<u8> {
    let mut bytes = rsdp(rsdt);
    bytes[15] = 2;
    let mut bytes = sealed(bytes, 8);
    bytes.extend(36u32.to_le_bytes());
    bytes.extend(xsdt.to_le_bytes());
    bytes.extend([0; 4]);
    sealed(bytes, 32)
}

fn madt_body(entries: &[&[u8]]) -> Vec<u8> {
    let mut body = 0xfee0_0000u32.to_le_bytes().to_vec();
    body.extend(1u32.to_le_bytes());
    body.extend(entries.concat());
    body
}

fn local_apic(id: u8, flags: u8) -> [u8; 8] {
    [0, 8, id, id, flags, 0, 0, 0]
}

fn local_x2apic(id: u32, flags: u8) -> Vec<u8> {
    let mut entry = vec![9, 16, 0, 0];
    entry.extend(id.to_le_bytes());
    entry.extend([flags, 0, 0, 0, 0, 0, 0, 0]);
    entry
}

const RSDP: u64 = 0xf_5a80;
const RSDT: u64 = 0x7fe_0000;
const MADT: u64 = 0x7fe_1000;
const FADT: u64 = 0x7fe_2000;

/// A machine with an RSDT of these tables.
fn machine(tables: &[(u64, Vec<u8>)]) -> Pieces {
    let addresses: Vec<u8> = tables
        .iter()
        .flat_map(|(address, _)| (*address as u32).to_le_bytes())
        .collect();
    let mut pieces = tables.to_vec();
    pieces.push((RSDP, rsdp(RSDT as u32)));
    pieces.push((RSDT, table(b"RSDT", &addresses)));
    Pieces(pieces)
}

fn with_madt(entries: &[&[u8]]) -> Platform {
    read(
        &machine(&[(MADT, table(b"APIC", &madt_body(entries)))]),
        0,
        7,
    )
}

fn ids(platform: &Platform) -> Vec<u32> {
    platform
        .processors
        .iter()
        .map(|processor| processor.id)
        .collect()
}

#[test]
fn the_tables_of_an_ordinary_machine_are_read_whole() {
    let io_apic = [1, 12, 2, 0, 0, 0, 0xc0, 0xfe, 16, 0, 0, 0];
    let rewired = [2, 10, 0, 0, 2, 0, 0, 0, 0x0d, 0];
    let platform = with_madt(&[&local_apic(0, 1), &local_apic(1, 1), &io_apic, &rewired]);
    assert_eq!(platform.source, Source::Madt);
    assert_eq!(ids(&platform), [0, 1]);
    assert_eq!(platform.local_apic, 0xfee0_0000);
    assert!(platform.pcat_compat);
    let expected = IoApic {
        id: 2,
        address: 0xfec0_0000,
        first_input: 16,
    };
    assert_eq!(&*platform.io_apics, [expected]);
    assert_eq!(
        &*platform.overrides,
        [Override {
            irq: 0,
            input: 2,
            flags: 0x0d
        }]
    );
}

#[test]
fn a_processor_listed_in_both_forms_is_one_processor() {
    let platform = with_madt(&[
        &local_apic(1, 1),
        &local_x2apic(1, 1),
        &local_x2apic(300, 1),
    ]);
    assert_eq!(ids(&platform), [1, 300]);
}

#[test]
fn absent_and_broadcast_processors_are_not_started() {
    let nobody = local_x2apic(u32::MAX, 1);
    let platform = with_madt(&[
        &local_apic(0, 1),
        &local_apic(1, 0),
        &local_apic(255, 1),
        &nobody,
        &local_apic(3, 2),
    ]);
    assert_eq!(ids(&platform), [0, 3]);
    let hot_pluggable = platform.processors[1];
    assert!(!hot_pluggable.enabled && hot_pluggable.online_capable);
}

#[test]
fn an_address_override_moves_the_local_apics() {
    let mut entry = vec![5, 12, 0, 0];
    entry.extend(0x1_fee0_0000u64.to_le_bytes());
    assert_eq!(
        with_madt(&[&local_apic(0, 1), &entry]).local_apic,
        0x1_fee0_0000
    );
}

#[test]
fn more_processors_than_fit_are_counted_not_lost_silently() {
    let entries: Vec<[u8; 8]> = (0..100).map(|id| local_apic(id, 1)).collect();
    let slices: Vec<&[u8]> = entries.iter().map(|entry| entry.as_slice()).collect();
    let platform = with_madt(&slices);
    assert_eq!(
        (platform.processors.len(), platform.processors.dropped()),
        (64, 36)
    );
}

#[test]
fn an_entry_of_length_zero_does_not_hang() {
    let platform = with_madt(&[&local_apic(0, 1), &[0, 0], &local_apic(1, 1)]);
    assert_eq!(ids(&platform), [0]);
}

#[test]
fn an_entry_cut_off_by_the_tables_end_is_not_read() {
    let whole = local_apic(1, 1);
    let body = madt_body(&[&local_apic(0, 1), &whole[..6]]);
    let mut bytes = table(b"APIC", &body);
    // What would complete it lies right behind the table.
    bytes.extend(&whole[6..]);
    assert_eq!(ids(&read(&machine(&[(MADT, bytes)]), 0, 7)), [0]);
}

#[test]
fn an_entry_too_short_for_its_kind_does_not_borrow_from_the_next() {
    // The next entry's first byte would be the short one's flags: "enabled".
    let io_apic = [1, 12, 2, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0];
    let platform = with_madt(&[
        &local_apic(0, 1),
        &[0, 4, 9, 9],
        &io_apic,
        &local_apic(2, 1),
    ]);
    assert_eq!(ids(&platform), [0, 2]);
}

#[test]
fn a_machine_without_tables_has_its_boot_cpu() {
    let platform = read(&Pieces::default(), 0xdead_beef, 7);
    assert_eq!((platform.source, ids(&platform)), (Source::NoRsdp, vec![7]));
    let platform = read(&Pieces(vec![(RSDP, rsdp(0xffff_fff0))]), 0, 7);
    assert_eq!(platform.source, Source::NoRoot);
    assert_eq!(read(&machine(&[]), 0, 7).source, Source::NoMadt);
    let platform = with_madt(&[&local_apic(3, 0)]);
    assert_eq!(
        (platform.source, ids(&platform)),
        (Source::NoProcessor, vec![7])
    );
}

#[test]
fn a_wrong_checksum_is_not_believed() {
    let mut bad = table(b"APIC", &madt_body(&[&local_apic(0, 1)]));
    bad[40] ^= 1;
    assert_eq!(read(&machine(&[(MADT, bad)]), 0, 7).source, Source::NoMadt);
    let mut pieces = machine(&[]);
    pieces.0[0].1[9] ^= 1;
    assert_eq!(read(&pieces, 0, 7).source, Source::NoRsdp);
}

#[test]
fn lengths_that_lie_end_the_table_not_the_machine() {
    for length in [0u32, 35, 43, 1 << 20, u32::MAX] {
        let mut bytes = table(b"APIC", &madt_body(&[&local_apic(0, 1)]));
        bytes[4..8].copy_from_slice(&length.to_le_bytes());
        let sealed = sealed(bytes, 9);
        assert_eq!(
            read(&machine(&[(MADT, sealed)]), 0, 7).source,
            Source::NoMadt,
            "{length}"
        );
    }
}

#[test]
fn a_root_table_that_points_anywhere_is_survived() {
    let mut pieces = machine(&[(MADT, table(b"APIC", &madt_body(&[&local_apic(5, 1)])))]);
    let wild = [0u64, u64::MAX, u64::MAX - 3, MADT];
    let body: Vec<u8> = wild
        .iter()
        .flat_map(|address| address.to_le_bytes())
        .collect();
    pieces.0.push((0x9000, table(b"XSDT", &body)));
    pieces.0.push((0x8000, rsdp2(RSDT as u32, 0x9000)));
    assert_eq!(ids(&read(&pieces, 0x8000, 7)), [5]);
}

#[test]
fn a_broken_xsdt_falls_back_to_the_rsdt() {
    let mut pieces = machine(&[(MADT, table(b"APIC", &madt_body(&[&local_apic(5, 1)])))]);
    pieces
        .0
        .push((0x8000, rsdp2(RSDT as u32, 0xffff_ffff_ffff_fff0)));
    assert_eq!(ids(&read(&pieces, 0x8000, 7)), [5]);
}

#[test]
fn the_root_pointer_is_found_in_the_extended_bios_data_area() {
    let mut pieces = machine(&[(MADT, table(b"APIC", &madt_body(&[&local_apic(5, 1)])))]);
    pieces.0.retain(|(address, _)| *address != RSDP);
    pieces.0.push((0x40e, 0x9fc0u16.to_le_bytes().to_vec()));
    pieces.0.push((0x9_fc40, rsdp(RSDT as u32)));
    assert_eq!(ids(&read(&pieces, 0, 7)), [5]);
}

fn fadt(port: u32, length: u8, flags: u32, wide: u64) -> Vec<u8> {
    let mut body = vec![0; 244 - 36];
    body[76 - 36..80 - 36].copy_from_slice(&port.to_le_bytes());
    body[91 - 36] = length;
    body[112 - 36..116 - 36].copy_from_slice(&flags.to_le_bytes());
    body[208 - 36] = 1;
    body[212 - 36..220 - 36].copy_from_slice(&wide.to_le_bytes());
    table(b"FACP", &body)
}

fn pm_timer(fadt: Vec<u8>) -> Option<PmTimer> {
    read(&machine(&[(FADT, fadt)]), 0, 0).pm_timer
}

#[test]
fn the_pm_timer_is_taken_only_where_there_is_one() {
    assert_eq!(
        pm_timer(fadt(0x608, 4, 1 << 8, 0)),
        Some(PmTimer {
            port: 0x608,
            wide: true
        })
    );
    assert_eq!(
        pm_timer(fadt(0x608, 4, 0, 0xb008)),
        Some(PmTimer {
            port: 0xb008,
            wide: false
        })
    );
    assert_eq!(pm_timer(fadt(0, 4, 0, 0)), None);
    assert_eq!(pm_timer(fadt(0x608, 0, 0, 0)), None);
    assert_eq!(pm_timer(fadt(0x608, 4, 1 << 20, 0)), None);
    assert_eq!(pm_timer(fadt(0x12_0608, 4, 0, 0)), None);
    assert_eq!(pm_timer(table(b"FACP", &[0; 60])), None);
}

#[test]
fn no_single_changed_or_missing_byte_faults_or_hangs() {
    let body = madt_body(&[&local_apic(0, 1), &local_x2apic(9, 1)]);
    let intact = [
        (RSDP, rsdp(RSDT as u32)),
        (RSDT, table(b"RSDT", &(MADT as u32).to_le_bytes())),
        (MADT, table(b"APIC", &body)),
    ];
    for piece in 0..intact.len() {
        for at in 0..intact[piece].1.len() {
            let mut cut = Pieces(intact.to_vec());
            cut.0[piece].1.truncate(at);
            assert!(!read(&cut, 0, 7).processors.is_empty());
            for value in [0, 1, 2, 8, 0x80, 0xff] {
                let mut changed = Pieces(intact.to_vec());
                changed.0[piece].1[at] = value;
                // Restore the sum, so that the change gets past the checksum.
                let checksum = if piece == 0 { 8 } else { 9 };
                if at != checksum {
                    changed.0[piece].1 = sealed(changed.0[piece].1.clone(), checksum);
                }
                assert!(!read(&changed, 0, 7).processors.is_empty());
            }
        }
    }
}
