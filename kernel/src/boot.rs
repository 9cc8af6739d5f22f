//! From the first line of Rust to the prompt.

use crate::machine;
use crate::options::Options;
use crate::{
    channel, commands, gdb, println, protocols, random, space, symbols, thread, transports, trap,
    watchdog,
};
use alloc::format;
use alloc::vec::Vec;
use evidence::Header;
use hw::apic::{self, Mode, timer::Calibration};
use hw::boot::BootInfo;
use hw::exit::{self, Status};
use hw::stack::KernelStack;
use hw::{acpi, ap, clock, descriptors, frames, heap, interrupts, paging, phys, pic, sync, uart};
use shell::commands::Choice;
use shell::words::Word;
use shootdown::{CpuId, CpuSet, Features, MAX_CPUS};
use spin::Once;

/// The pages of an idle thread's stack, and of each interrupt stack.
const STACK_PAGES: u64 = 4;

/// What the machine turned out to be.
#[derive(Debug)]
pub struct Facts {
    /// What the kernel was started with.
    pub boot: BootInfo,
    /// The command line's options.
    pub options: Options,
    /// The processors and interrupt controllers.
    pub platform: acpi::Platform,
    /// The local APICs' mode.
    pub apic: Mode,
    /// What address translation uses.
    pub addressing: Features,
    /// The CPUs that did not come up: their APIC ids.
    pub missing: Vec<u32>,
    /// How the timers were calibrated.
    pub calibration: Calibration,
    /// The shell's commands to run, if there is a script.
    pub script: &'static [u8],
}

static FACTS: Once<Facts> = Once::new();

/// What the machine turned out to be.
pub fn facts() -> &'static Facts {
    FACTS
        .get()
        .expect("asked for before the machine was started")
}

/// Runs the kernel: from [`hw::entry_point`], on the boot stack of the first CPU, with interrupts off.
/// `given` are protocols from outside, which the shell's `proto` finds in the table behind the kernel's own.
pub fn run(boot: BootInfo, given: &'static [protocols::Entry]) -> ! {
    protocols::give(given);
    ap::init_boot();
    trap::init();
    // A machine without the serial line still runs; nobody sees it.
    let _ = uart::COM1.init();
    let options = Options::parse(boot.command_line, tell);
    random::set_seed(options.seed);
    if options.bochs {
        exit::on_bochs();
    }
    println!(
        "boot: kernel {}, entered by {}",
        env!("CARGO_PKG_VERSION"),
        boot.door.name()
    );
    let addressing = choose_addressing(&options);
    frames::init(&boot);
    paging::init(&boot);
    heap::init();
    gdb::init(&boot, &options);
    give_interrupt_stacks();
    thread::adopt_idle("idle 0".into());
    let facts = start_machine(boot, options, addressing);
    FACTS.call_once(|| facts);
    tell_what_is_not_to_be_had(&options);
    thread::spawn("shell", CpuSet::only(CpuId::BOOT), None, commands::shell)
        .expect("a thread for the shell");
    gdb::start();
    interrupts::enable();
    thread::idle()
}

/// Says of a word of the command line that it is left out, and why.
fn tell(word: &str, known: Option<&'static Word>) {
    match known {
        None => println!("boot: the kernel knows no word `{word}`: it is left out"),
        Some(Word {
            name, value: "", ..
        }) => {
            println!("boot: `{word}` is left out: {name} takes no value");
        }
        Some(Word { name, value, .. }) => {
            println!("boot: `{word}` is left out: {name}={value} was expected");
        }
    }
}

/// Says what was asked for and cannot be on this machine.
fn tell_what_is_not_to_be_had(options: &Options) {
    if let Some(wanted) = options.transport
        && let Some(why) = transports::lacks(wanted)
    {
        let used = transports::in_use().name();
        println!(
            "boot: transport {} is not to be had: {why}; {used} is in use",
            wanted.name()
        );
    }
    let mode = hw::tlb::mode();
    if options.pcids.is_some() && !mode.has_pcid() {
        println!("boot: pcids is left out: there are no PCIDs in mode {mode}");
    }
}

fn give_interrupt_stacks() {
    let stacks =
        [(); 3].map(|()| KernelStack::new(STACK_PAGES).expect("memory for the interrupt stacks"));
    descriptors::set_interrupt_stacks(stacks);
}

/// Brings up interrupt controllers, timers, protocols and the other CPUs, in the order in which
/// they need each other.
fn start_machine(boot: BootInfo, options: Options, addressing: Features) -> Facts {
    let (names, script) = open_initrd(boot.initrd);
    symbols::init(names);
    let platform = acpi::discover(boot.rsdp, &|start, length| {
        in_direct_map(&boot, start, length)
    });
    let apic = choose_mode(options.apic);
    apic::enable(apic);
    ap::set_boot_id(apic::id());
    if let Some(lack) = transports::init(options.transport) {
        println!("boot: interrupts are sent by the local APIC: {lack}");
    }
    pic::init(1 << uart::COM1.irq());
    let calibration = apic::timer::calibrate(platform.pm_timer);
    watchdog::set_after(match options.patience_turns {
        Some(turns) => watchdog::After::Turns(turns),
        None => watchdog::After::ms(options.patience_ms),
    });
    watchdog::set_action(options.watchdog);
    watchdog::locks::init();
    sync::on_owed_preemption(thread::pay_owed);

    let mut others = other_processors(&platform);
    others.extend(options.phantom);
    // Ready, with no request pending, before a second CPU runs (I13).
    protocols::init(others.len() + 1, options.generation);
    for cpu in CpuSet::first(others.len() + 1) {
        hw::trace::init(cpu);
    }
    space::init(others.len() + 1, options.pcids);
    commands::use_protocol(options.protocol);
    watchdog::beat::init(&platform, options.deadline_ms);
    gdb::open(&platform, &options);
    open_channel(&options, others.len() + 1, apic);
    let missing = start_others(&others);
    println!(
        "boot: {} of {} CPUs, {apic}{}, {} MiB free",
        machine::online().len(),
        others.len() + 1,
        match transports::by_hypercall() {
            true => ", interrupts by KVM's hypercall",
            false => "",
        },
        (frames::usage().free * phys::PAGE_SIZE) >> 20
    );
    Facts {
        boot,
        options,
        platform,
        apic,
        addressing,
        missing,
        calibration,
        script,
    }
}

/// Opens the evidence channel if the host asked for it.
fn open_channel(options: &Options, cpus: usize, apic: Mode) {
    let Some(key) = options.evidence else {
        return;
    };
    let header = Header {
        cpus: cpus as u8,
        tsc_khz: clock::tsc_hz() / 1000,
        seed: options.seed,
        protocol: protocols::in_use().name,
        apic: apic.name(),
        mode: hw::tlb::mode().name(),
    };
    if options.followed {
        channel::follow();
    }
    if !channel::open(key, &header) {
        println!("boot: the evidence channel is left out: there is no debug console at port 0xe9");
    }
}

fn choose_mode(wanted: Option<Mode>) -> Mode {
    let best = if apic::x2apic_supported() {
        Mode::X2Apic
    } else {
        Mode::XApic
    };
    if wanted == Some(Mode::X2Apic) && best == Mode::XApic {
        println!(
            "boot: this CPU has no x2APIC: the local APICs run in xAPIC mode (QEMU's TCG has x2APIC from 9.0 on)"
        );
    }
    wanted.filter(|_| best == Mode::X2Apic).unwrap_or(best)
}

/// Chooses the mode of address translation by what the CPU has, once and for all.
fn choose_addressing(options: &Options) -> Features {
    let cpu = hw::cpuid::features();
    let cpu = Features {
        pcid: cpu.pcid,
        invpcid: cpu.invpcid,
        pti: false,
    };
    let (features, refused) = options.addressing.on(cpu);
    let mode = shootdown::Mode::choose(features).expect("INVPCID is used with PCIDs only");
    if let (Some(refused), Some(wanted)) = (refused, options.addressing.mode) {
        println!("boot: mode {wanted} is refused: {refused}; the {mode} operations are in use");
    }
    hw::tlb::choose(mode, features.pti);
    features
}

/// Whether the direct map shows these physical bytes.
fn in_direct_map(boot: &BootInfo, start: u64, length: u64) -> bool {
    let Some(end) = start.checked_add(length) else {
        return false;
    };
    let ram =
        |region: &hw::boot::Region| region.usable && region.start <= start && end <= region.end;
    end <= 4 << 30 || boot.regions().iter().any(ram)
}

/// The APIC ids of every enabled processor but this one.
fn other_processors(platform: &acpi::Platform) -> Vec<u32> {
    let me = apic::id();
    let enabled = platform
        .processors
        .iter()
        .filter(|processor| processor.enabled);
    let ids: Vec<u32> = enabled
        .map(|processor| processor.id)
        .filter(|&id| id != me)
        .collect();
    let kept = ids.len().min(MAX_CPUS - 1);
    if kept < ids.len() || platform.processors.dropped() > 0 {
        println!("boot: more than {MAX_CPUS} CPUs: the others are left out");
    }
    ids[..kept].to_vec()
}

/// Starts the application processors; returns the APIC ids of those that did not come up.
fn start_others(ids: &[u32]) -> Vec<u32> {
    if ids.is_empty() {
        machine::start_smp(true);
        return Vec::new();
    }
    println!("boot: starting {} more CPUs", ids.len());
    let arrived = ap::start(ids, STACK_PAGES, start_cpu);
    while !arrived.minus(machine::online()).is_empty() {
        core::hint::spin_loop();
    }
    let cpus: CpuSet = (1..=ids.len()).filter_map(CpuId::new).collect();
    let missing: Vec<u32> = cpus.minus(arrived).into_iter().map(ap::apic_id).collect();
    for id in &missing {
        println!("boot: the CPU with APIC id {id} did not come up and is left out");
    }
    machine::start_smp(missing.is_empty());
    missing
}

/// What every application processor runs: it becomes its own idle thread.
fn start_cpu(cpu: CpuId) -> ! {
    let mode = apic::mode().expect("the first CPU has chosen");
    apic::enable(mode);
    give_interrupt_stacks();
    hw::debug::watch::arm();
    thread::adopt_idle(format!("idle {cpu}"));
    machine::set_online(cpu);
    thread::idle()
}

/// The symbols and the script from the initrd; empty what is not there.
fn open_initrd(initrd: &'static [u8]) -> (&'static str, &'static [u8]) {
    let Ok(archive) = tar_no_std::TarArchiveRef::new(initrd) else {
        return ("", &[]);
    };
    let file = |name: &str| {
        archive
            .entries()
            .find(|entry| entry.filename().as_str() == Ok(name))
            .map_or(&[][..], |entry| entry.data())
    };
    (
        core::str::from_utf8(file("symbols")).unwrap_or(""),
        file("script"),
    )
}

/// Ends the machine because the script is over.
pub fn end(passed: bool, violated: bool) -> ! {
    channel::close();
    exit::exit(match (violated, passed) {
        (true, _) => Status::Violation,
        (false, true) => Status::Success,
        (false, false) => Status::CommandFailed,
    })
}
