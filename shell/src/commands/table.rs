//! The table itself. Order within a group is the order of help.

use super::define::commands;
use super::spec::{Arg, Command, Group, Kind, Need};
use super::values::{
    Access, Choice, CpuSelection, CrashKind, Extent, Layout, PageAddress, Sending, SpaceAction,
    TraceAction, TransportName, Values, WatchdogAction, WitnessAction, WordAddress,
};
use crate::breakpoint::BreakSubject;
use crate::fault::{Subject, Time};
use crate::system::{Failure, NameKind};
use crate::tour;
use alloc::string::String;
use alloc::vec::Vec;
use shootdown::{CpuId, SpaceId};

/// The most pages one command maps, unmaps or protects: 256 MiB.
const MOST_PAGES: u64 = 1 << 16;

const FROM: Arg = Arg::keyword(
    "from",
    "CPU",
    Kind::Cpu,
    "the CPU that acts; else the shell's own",
);
const IN: Arg = Arg::keyword(
    "in",
    "SPACE",
    Kind::Space,
    "the address space; else the one in use",
);
const PAGE: Arg = Arg::positional("ADDRESS", Kind::Address(4096), "the first page").required();
const WORD: Arg = Arg::positional("ADDRESS", Kind::Address(8), "a 64-bit word").required();
const PAGES: Arg = Arg::positional("PAGES", Kind::Pages(MOST_PAGES), "how many pages").default("1");
const ONE_CPU: Arg = Arg::positional("CPU", Kind::Cpu, "the CPU; else the shell's own");
const NOSHOOT: Arg = Arg::flag(
    "noshoot",
    "change the page-table entries only: no invalidation, no IPI, on any CPU",
);

commands! {
shell {
    Help "help" in Shell, "List the commands, or explain one"
    { command: Option<String> = Arg::positional("COMMAND", Kind::Command, "the command to explain"); }
    details "Tab completes commands, arguments and names; a second Tab lists the candidates.\n\n\
        Numbers are decimal or hexadecimal (0x1f), with `_` between digits and K, M or G for 2^10, \
        2^20 or 2^30. A CPU set is `0,2-3`, `all`, or `others`: all but the CPU that acts. Words in \
        lower case are typed as they stand, and `from CPU`, `in SPACE`, `on CPU-SET` and \
        `to CPU-SET` may stand anywhere. Every command takes `--json` and then prints one JSON \
        object on one line."
    examples ["help", "help shoot"]

    Tour "tour" in Shell, "See a stale translation and shoot it down, step by step"
    {
        step: u64 = Arg::positional("STEP", Kind::Number(1, tour::STEPS.len() as u64),
            "the step to take").default("1");
        all: bool = Arg::flag("all", "take every step from STEP on");
    }
    details "Each step says what it does, runs its commands as if they were typed, and names the \
        next. Step 1 makes an address space of its own, so the tour can be taken again."
    examples ["tour", "tour 2", "tour all"]

    Echo "echo" in Shell, "Print a text"
    { text: Option<String> = Arg::rest("TEXT", "the text, as it stands"); }
    details "A landmark for transcripts. Control characters are shown escaped."
    examples ["echo the next shootdown goes to CPU 2 only"]
}
system {
    Version "version" in Shell, "Say which kernel this is and how it runs"
    {}
    details "The kernel's version and build, APIC mode, protocol, seed, number of CPUs and what the \
        CPU can do (x2APIC, PCID, INVPCID)."
    examples ["version"]

    Sleep "sleep" in Shell, "Wait, while the other CPUs go on"
    { milliseconds: u64 = Arg::positional("MS", Kind::Number(1, 60_000), "milliseconds").required(); }
    details "Measured by the time-stamp counter. Ctrl-C ends it early."
    examples ["sleep 10"]

    Seed "seed" in Shell, "Show or set the seed of everything random"
    { seed: Option<u64> = Arg::positional("N", Kind::Number(0, u64::MAX), "the new seed"); }
    details "Storms and self-tests draw from it. Setting it starts the sequence anew."
    examples ["seed", "seed 42"]

    Reboot "reboot" in Shell, "Start the machine anew"
    {}
    details "Everything mapped and counted is lost."
    examples ["reboot"]

    Quit "quit" in Shell, "End the machine"
    { status: u64 = Arg::positional("STATUS", Kind::Number(0, 1), "0 for success, 1 for failure")
        .default("0"); }
    details "A violation seen since boot is reported whatever the status."
    examples ["quit", "quit 1"]

    Crash "crash" in Shell, "Crash the kernel on purpose"
    {
        kind: CrashKind = Arg::word("KIND", CrashKind::WORDS, "how").required();
        on: Option<CpuId> = Arg::keyword("on", "CPU", Kind::Cpu, "where; else on the shell's own CPU");
    }
    details "To see how a crash is reported: CPU, cause, registers, backtrace. The machine ends with a \
        status that its host does not take for success."
    examples ["crash null", "crash stack on 2"]

    Cpus "cpus" in Machine, "List the CPUs"
    {}
    details "Number, APIC identifier, state, what runs there, the address space it is in."
    examples ["cpus", "cpus --json"]

    Lapic "lapic" in Machine, "Show a CPU's local APIC"
    { cpu: Option<CpuId> = ONE_CPU; }
    details "Mode, identifier, the vectors in IRR (accepted, not yet in service) and ISR (in \
        service), local vector table, error status. Read on that CPU."
    examples ["lapic", "lapic 2"]

    Ipi "ipi" in Machine, "Send bare IPIs and time the round trip"
    {
        from: Option<CpuId> = FROM;
        targets: CpuSelection = Arg::positional("CPU-SET", Kind::Cpus, "the targets").required();
        count: u64 = Arg::positional("COUNT", Kind::Number(1, 1_000_000), "how many times")
            .default("1");
    }
    details "Send, handler, acknowledge, with nothing to invalidate: the floor under every \
        shootdown. Times are in ticks of the time-stamp counter."
    examples ["ipi others", "ipi 1-3 1000", "ipi from 2 0"]

    Stop "stop" in Machine, "Stop CPUs: until they are resumed they take no interrupt"
    { cpus: CpuSelection = Arg::positional("CPU-SET", Kind::Cpus, "which; not the shell's own")
        .required(); }
    details "Each stops between two threads, with no lock held and no request unserved. Shootdowns do         not ask a stopped CPU, nor wait for it; it flushes everything before it runs on (I15)."
    examples ["stop 2", "stop others"]

    Resume "resume" in Machine, "Let stopped CPUs run on"
    {
        cpus: CpuSelection = Arg::positional("CPU-SET", Kind::Cpus, "which").default("all");
        noflush: bool = Arg::flag("noflush", "without the flush that they owe: their TLBs stay stale");
    }
    details "A CPU that a shootdown left out while it was stopped flushes first. With `noflush` it goes         on with what its TLB held: `read` shows it, which breaks I15."
    examples ["resume", "resume 2 noflush"]

    Mem "mem" in Machine, "Show the memory map and the page frames"
    {}
    details "The map the machine was started with, and how many 4 KiB frames are used, free and \
        poisoned."
    examples ["mem"]

    Regs "regs" in Machine, "Show a CPU's registers"
    { cpu: Option<CpuId> = ONE_CPU; }
    details "As an interrupt found them on that CPU: general and control registers, flags, and the \
        symbol the instruction pointer is in."
    examples ["regs 1"]

    Backtrace "backtrace" in Machine, "Show what a CPU is doing, call by call"
    { cpu: Option<CpuId> = ONE_CPU; }
    details "Innermost call first, by frame pointers."
    examples ["backtrace 1"]

    Threads "threads" in Machine, "List the threads"
    {}
    details "Number, name, state, CPU, whether pinned, address space, and how often it was \
        preempted and moved."
    examples ["threads"]

    Percpu "percpu" in Machine, "Show the per-CPU area: the published request among it"
    { cpu: Option<CpuId> = Arg::positional("CPU", Kind::Cpu, "the CPU; else all"); }
    details "The request words (operation, space, addresses, generation) as they stand, pin and \
        critical depth, owed preemption."
    examples ["percpu", "percpu 0"]

    Stats "stats" in Machine, "Show what each CPU counted, or start counting anew"
    { reset: bool = Arg::flag("reset", "set every count to 0 after showing it"); }
    details "Requests made, IPIs sent and received, requests served in an interrupt, spurious \
        interrupts, waits."
    examples ["stats", "stats reset"]

    Space "space" in Memory, "List, make, choose or destroy address spaces"
    {
        action: SpaceAction = Arg::word("ACTION", SpaceAction::WORDS, "what to do").default("list");
        id: Option<SpaceId> = Arg::positional("ID", Kind::Space, "the space");
    }
    needs [Need { arg: "ID", with: "ACTION", required: &["use", "drop"], allowed: &[] }]
    details "The space in use is what every other command means when it has no `in SPACE`."
    examples ["space", "space new", "space use 1", "space drop 1"]

    Map "map" in Memory, "Map fresh frames, each with a tag of its own"
    {
        from: Option<CpuId> = FROM;
        space: Option<SpaceId> = IN;
        address: PageAddress = PAGE;
        pages: u64 = PAGES;
        access: Access = Arg::word("ACCESS", Access::WORDS, "what programs may do").default("rw");
    }
    details "The tag fills the frame, so a read tells which frame it reached. Pages that are mapped \
        already are refused. Nothing is shot down: no CPU can hold what was not there."
    examples ["map 0x400000", "map 0x400000 16 ro", "map in 1 0x400000"]

    Unmap "unmap" in Memory, "Take pages away, and shoot their translations down"
    {
        from: Option<CpuId> = FROM;
        space: Option<SpaceId> = IN;
        address: PageAddress = PAGE;
        pages: u64 = PAGES;
        noshoot: bool = NOSHOOT;
    }
    details "The frames are freed when every target has acknowledged. With `noshoot` they are kept \
        back, so that a stale read reaches the old frame and nothing else."
    examples ["unmap 0x400000", "unmap from 2 0x400000 16", "unmap 0x400000 noshoot"]

    Remap "remap" in Memory, "Put a fresh frame with another tag under a page"
    {
        from: Option<CpuId> = FROM;
        space: Option<SpaceId> = IN;
        address: PageAddress = PAGE;
        pages: u64 = PAGES;
        noshoot: bool = NOSHOOT;
    }
    details "With `noshoot`, a CPU whose TLB holds the page goes on reading the old frame: `read` \
        shows it, `shoot page` ends it."
    examples ["remap 0x400000", "remap 0x400000 noshoot"]

    Kpage "kpage" in Memory, "Put a fresh frame under the one kernel page that may change"
    {
        from: Option<CpuId> = FROM;
        noshoot: bool = NOSHOOT;
    }
    details "The page is in the kernel's half, so every address space has it, and its translations are \
        global where the CPU can: a CR3 write does not drop them. `read` at its address looks through \
        a CPU's TLB; with `noshoot` the old frame is lost for good."
    examples ["kpage", "kpage noshoot"]

    Protect "protect" in Memory, "Change what programs may do with pages"
    {
        from: Option<CpuId> = FROM;
        space: Option<SpaceId> = IN;
        address: PageAddress = PAGE;
        pages: u64 = PAGES;
        access: Access = Arg::word("ACCESS", Access::WORDS, "what programs may do").required();
        noshoot: bool = NOSHOOT;
    }
    details "Taking a right away shoots the old translations down; giving one does not need to."
    examples ["protect 0x400000 ro", "protect 0x400000 4 rw"]

    Read "read" in Memory, "Read a word on chosen CPUs, through their TLBs"
    {
        space: Option<SpaceId> = IN;
        address: WordAddress = WORD;
        on: Option<CpuSelection> =
            Arg::keyword("on", "CPU-SET", Kind::Cpus, "where to read; else the shell's own CPU");
    }
    details "Shows each value with its tag, and marks those that are not what the page table says \
        now: stale. An unmapped address is a page fault, which is reported."
    examples ["read 0x400000", "read 0x400000 on all", "read in 1 0x400008 on 0,2-3"]

    Write "write" in Memory, "Write a word on one CPU, through its TLB"
    {
        space: Option<SpaceId> = IN;
        address: WordAddress = WORD;
        value: u64 = Arg::positional("VALUE", Kind::Number(0, u64::MAX), "the word").required();
        on: Option<CpuId> =
            Arg::keyword("on", "CPU", Kind::Cpu, "where to write; else the shell's own CPU");
    }
    details "A page that was made read-only is still written where a stale translation allows it."
    examples ["write 0x400000 0x1234", "write 0x400008 7 on 2"]

    Probe "probe" in Memory, "Tell which CPUs' TLBs hold a page"
    {
        space: Option<SpaceId> = IN;
        address: WordAddress = WORD;
        on: CpuSelection = Arg::keyword("on", "CPU-SET", Kind::Cpus, "which CPUs").default("all");
    }
    details "Clears the accessed bit, loads, and looks at the bit: clear still means a TLB hit. A \
        CPU that missed holds the page afterwards, since the probe itself loaded it."
    examples ["probe 0x400000", "probe 0x400000 on 1"]

    Tlb "tlb" in Memory, "Draw what each CPU's TLB may hold, against the page table"
    {
        space: Option<SpaceId> = IN;
        address: Option<PageAddress> =
            Arg::positional("ADDRESS", Kind::Address(4096), "the first page; else every page");
        pages: u64 = PAGES;
        on: CpuSelection = Arg::keyword("on", "CPU-SET", Kind::Cpus, "which CPUs").default("all");
        confirm: bool = Arg::flag("confirm",
            "look, by a probe of each page on each CPU; a CPU that held nothing holds it afterwards");
    }
    details "A row a page, a column a CPU. `-` is nothing; `0x2?` may be there: the frame with tag \
        0x2, which the CPU may have loaded since it last invalidated the page; `0x2` was read \
        through this TLB since then; `0x2*` was there when it was probed. STALE is not what the page \
        table says now. `?` is not known. The kernel enters what it changes and every INVLPG and CR3 \
        load that it executes, so it knows what can not be there; whether the rest is, only a look \
        tells. CPUs that are stopped or parked are shown from the books."
    examples ["tlb", "tlb 0x400000 4 on others", "tlb 0x400000 confirm"]

    Pcids "pcids" in Memory, "Show how translations are tagged, and the PCIDs of each CPU"
    { cpu: Option<CpuId> = Arg::positional("CPU", Kind::Cpu, "the CPU; else all"); }
    details "The mode was chosen at start by what the CPU has; words of the kernel's command line choose otherwise. A row a CPU and space: the PCID that the space has there, and its \
        generation. The space is kept in the TLB when the CPU comes back to it if that generation is the \
        CPU's present one; a shootdown clears it on every CPU. Under page-table isolation ring 3 has \
        tables of its own, under the PCID with 0x800 added; a flush of that may be put off to the way out."
    examples ["pcids", "pcids 1"]

    Witness "witness" in Memory, "Have ring-3 readers look for stale reads, in the background"
    {
        action: WitnessAction = Arg::word("ACTION", WitnessAction::WORDS, "what to do")
            .default("status");
        space: Option<SpaceId> = IN;
        address: Option<PageAddress> = Arg::positional("ADDRESS", Kind::Address(4096),
            "the first page; else the first that is mapped, and those behind it");
        pages: Option<u64> = Arg::positional("PAGES", Kind::Pages(64), "how many pages");
        on: Option<CpuSelection> =
            Arg::keyword("on", "CPU-SET", Kind::Cpus, "where they run; else on all CPUs");
    }
    needs [
        Need { arg: "ADDRESS", with: "ACTION", required: &[], allowed: &["start"] },
        Need { arg: "PAGES", with: "ACTION", required: &[], allowed: &["start"] },
        Need { arg: "SPACE", with: "ACTION", required: &[], allowed: &["start"] },
        Need { arg: "CPU-SET", with: "ACTION", required: &[], allowed: &["start"] },
    ]
    details "A witness reads its pages all the time. A read that began after a shootdown returned, \
        and found what was mapped before, is a violation: it is told before the next prompt, and \
        `witness` shows it with the CPU, the page, both frames, the generation of that shootdown and \
        its age. `witness` and `witness stop` wait until every page was read once more on each CPU. \
        Pages may be mapped, unmapped and changed meanwhile. A page that was changed without a \
        shootdown is not judged until one has returned."
    examples ["witness start 0x400000", "witness start 0x400000 4 on others", "witness", "witness stop"]

    Run "run" in Memory, "Run a ring-3 program on chosen CPUs"
    {
        space: Option<SpaceId> = IN;
        program: String = Arg::positional("PROGRAM", Kind::Name(NameKind::Program), "its name")
            .required();
        arguments: Vec<u64> = Arg::repeated("ARG", 6, Kind::Number(0, u64::MAX), "for the program");
        on: Option<CpuSelection> =
            Arg::keyword("on", "CPU-SET", Kind::Cpus, "one on each of these; else one here");
    }
    details "Waits for all of them. A fault ends the program with a report, not the kernel."
    examples []

    Proto "proto" in Shootdown, "List the protocols, choose one, change its settings"
    {
        name: Option<String> = Arg::positional("NAME", Kind::Name(NameKind::Protocol),
            "the protocol to use from now on");
        layout: Option<Layout> = Arg::word("LAYOUT", Layout::WORDS, "of the scoreboard's rows");
        sending: Option<Sending> = Arg::word("SENDING", Sending::WORDS, "of IPIs to all others");
    }
    details "Alone it lists them and marks the one in use. The change waits until no shootdown is \
        under way."
    examples ["proto", "proto padded", "proto selected"]

    Transport "transport" in Shootdown, "List the ways to send an interrupt, choose one"
    { name: Option<TransportName> = Arg::word("NAME", TransportName::WORDS, "the one to use from now on"); }
    details "Handlers and protocols are the same with each. The local APICs' mode is chosen at start \
        (`--apic`); KVM's hypercall is there under `--accel kvm`, and then used from the start."
    examples ["transport", "transport x2apic"]

    Scoreboard "scoreboard" in Shootdown, "Show the scoreboard: a row a target, a column an initiator"
    {}
    details "0 is a request not yet acknowledged; any other number is the generation acknowledged \
        last."
    examples ["scoreboard"]

    Fault "fault" in Shootdown, "Have something go wrong on purpose, at a point of a shootdown"
    {
        subject: Subject = Arg::positional("POINT", Kind::Choice(Subject::WORDS),
            "where it goes wrong, or what to do with faults").default("list");
        action: Option<String> = Arg::positional("ACTION", Kind::FaultAction,
            "what goes wrong there: `fault actions` lists them; after `clear`, the number of a fault");
        time: Option<Time> = Arg::positional("TIME", Kind::Time, "for actions that take a time");
        to: Option<CpuId> =
            Arg::keyword("to", "CPU", Kind::Cpu, "for actions that need another CPU");
        cpu: Option<CpuSelection> =
            Arg::keyword("cpu", "CPU-SET", Kind::Cpus, "on which CPUs; else on all");
        peer: Option<CpuSelection> = Arg::keyword("peer", "CPU-SET", Kind::Cpus,
            "for which CPUs at the other end of the shootdown; else for all");
        times: Option<u64> = Arg::suffix("*", "N", Kind::Number(1, u64::MAX),
            "how often it fires; else every time");
        percent: u64 = Arg::suffix("%", "P", Kind::Number(1, 100),
            "in how many of 100 cases, drawn from the seed").default("100");
        after: u64 = Arg::keyword("after", "K", Kind::Number(0, u64::MAX),
            "how many cases pass before the first").default("0");
    }
    details "Each firing is counted, and recorded in the trace. Several faults at one point fire in \
        the order of their numbers. They work with every protocol that has the point. \
        `fault clear` undoes what is pending, such as an invalidation put off; what has gone wrong \
        already stays: a slot that was never acknowledged, an interrupt whose end was not signalled."
    examples ["fault send drop cpu 0 peer 2 1*", "fault acknowledge delay 200us",
        "fault send misdirect to 3 50% after 10", "fault", "fault clear 1"]

    Deliver "deliver" in Shootdown, "Let interrupts arrive that `fault send hold` keeps on their way"
    {
        cpus: CpuSelection = Arg::positional("CPU-SET", Kind::Cpus, "at which CPUs").default("all");
        lost: bool = Arg::flag("lost", "they are lost instead");
    }
    details "At most one is on its way to a CPU, as in its local APIC: several become one. A CPU that it \
        parks is told of."
    examples ["deliver 2", "deliver 1 lost"]

    Break "break" in Shootdown, "Park CPUs when they get to a point of a shootdown"
    {
        subject: BreakSubject = Arg::positional("POINT", Kind::Choice(BreakSubject::WORDS),
            "where CPUs are parked, or what to do with breaks").default("list");
        number: Option<u64> = Arg::positional("NUMBER", Kind::Number(1, u32::MAX as u64),
            "after `clear`, which; else all");
        cpu: Option<CpuSelection> =
            Arg::keyword("cpu", "CPU-SET", Kind::Cpus, "which CPUs; else all");
        from: Option<CpuSelection> = Arg::keyword("from", "CPU-SET", Kind::Cpus,
            "for whose requests; else anybody's");
        times: Option<u64> = Arg::suffix("*", "N", Kind::Number(1, u64::MAX),
            "how often it parks a CPU; else every time");
        stored: bool = Arg::flag("stored",
            "once the word is written, not before: at publish, generation, zero and acknowledge");
    }
    needs [Need { arg: "NUMBER", with: "POINT", required: &[], allowed: &["clear"] }]
    details "A parked CPU stands before what the point names (after it, for `notice` and `copy`),         interrupts as they are there, until `step` or `continue`. Commands that wait for it go on in         the background, and their answers come when they end. Meanwhile `scoreboard`, `percpu`,         `backtrace CPU`, `lapic CPU`, and `read` and `probe` in the space that CPU has loaded, show         what it sees. Patience does not count while a CPU is parked. Several parked CPUs are listed         by `break`."
    examples ["break acknowledge cpu 1", "break send from 0 1*", "break acknowledge stored cpu 1", "break",
        "break clear"]

    Step "step" in Shootdown, "Let a parked CPU run to its next point"
    { cpu: Option<CpuId> = Arg::positional("CPU", Kind::Cpu, "which; else the one parked last"); }
    details "Any point, whether a break is set there or not. A CPU that waits for a parked one is         parked when its wait is over; one that is through with the shootdown runs on."
    examples ["step", "step 1"]

    Continue "continue" in Shootdown, "Let parked CPUs run on"
    {
        cpus: Option<CpuSelection> =
            Arg::positional("CPU-SET", Kind::Cpus, "which; else all that are parked");
    }
    details "Breaks that are set park them again. With nothing parked any more it waits for the         commands in the background; Ctrl-C leaves them there."
    examples ["continue", "continue 1-2"]

    Shoot "shoot" in Shootdown, "Shoot translations down, from any CPU to any set"
    {
        extent: Extent = Arg::word("EXTENT", Extent::WORDS, "what to invalidate").required();
        from: Option<CpuId> = FROM;
        space: Option<SpaceId> = IN;
        address: Option<PageAddress> =
            Arg::positional("ADDRESS", Kind::Address(4096), "the first page");
        pages: Option<u64> = Arg::positional("PAGES", Kind::Pages(1 << 27),
            "how many; 4096 or more become the whole space");
        to: Option<CpuSelection> = Arg::keyword("to", "CPU-SET", Kind::Cpus,
            "the targets; else the CPUs on which the space is active");
    }
    needs [
        Need { arg: "ADDRESS", with: "EXTENT", required: &["page", "range"], allowed: &[] },
        Need { arg: "PAGES", with: "EXTENT", required: &["range"], allowed: &[] },
        Need { arg: "SPACE", with: "EXTENT", required: &[], allowed: &["page", "range", "space"] },
    ]
    details "The page table is not changed. The initiator invalidates locally while the targets \
        work. Targets that leave out a CPU on which the space is active leave its TLB stale."
    examples ["shoot page 0x400000", "shoot range 0x400000 16 to others", "shoot space from 2",
        "shoot global to all", "shoot cache"]

    Trace "trace" in Shootdown, "Have the CPUs record what they do, and draw it"
    {
        action: TraceAction = Arg::word("ACTION", TraceAction::WORDS, "what to do")
            .default("last");
        number: Option<u64> = Arg::positional("N", Kind::Number(1, 100_000),
            "how many shootdowns, 1 if not given, or records, 40");
        cpus: Option<CpuSelection> =
            Arg::keyword("cpu", "CPU-SET", Kind::Cpus, "the CPUs that are shown; else all");
    }
    needs [
        Need { arg: "N", with: "ACTION", required: &[], allowed: &["last", "raw"] },
        Need { arg: "CPU-SET", with: "ACTION", required: &[], allowed: &["last", "raw"] },
    ]
    details "Every point of a shootdown that a CPU passes is recorded with its time, and so are the \
        IPIs, handlers, invalidations and switches around it. A CPU keeps its last 4096 records; \
        older ones are overwritten, and counted. With `--evidence` recording is on from boot, and \
        every record goes to the host."
    examples ["trace on", "trace", "trace last 3", "trace raw 20 cpu 1", "trace off"]

    Watchdog "watchdog" in Shootdown, "Say when a wait is too long, and what is done about it"
    {
        after: Option<Time> = Arg::keyword("after", "TIME", Kind::Time, "the time after which it is");
        turns: Option<u64> = Arg::keyword("turns", "N", Kind::Number(1, u64::MAX),
            "the turns of the wait after which it is, in place of a time");
        action: Option<WatchdogAction> = Arg::word("ACTION", WatchdogAction::WORDS, "what is done");
    }
    details "Alone it shows the settings. A wait that lasts too long is explained on the serial line by \
        the CPU that waits: for whom, which generation it wants and sees, what the silent CPUs are \
        doing (IRR, ISR, interrupts, calls), and which invariant is probably broken. Time for which a \
        CPU is parked does not count. Spins for the kernel's own locks are explained as well; they \
        cannot be given up."
    examples ["watchdog", "watchdog after 300ms resend", "watchdog turns 100K report"]

    Storm "storm" in Shootdown, "Shoot from many CPUs at once, and verify every round"
    {
        rounds: u64 = Arg::option("rounds", "N", Kind::Number(1, 100_000_000),
            "shootdowns by each initiator").default("1000");
        initiators: CpuSelection = Arg::option("initiators", "CPU-SET", Kind::Cpus, "who shoots")
            .default("all");
        pages: u64 = Arg::option("pages", "N", Kind::Pages(512), "pages in each shootdown")
            .default("1");
        protocol: Option<String> = Arg::option("proto", "NAME", Kind::Name(NameKind::Protocol),
            "the protocol, for this storm; else the one in use");
    }
    details "Each initiator remaps pages of its own while every CPU reads them; a read of an old \
        tag after a shootdown returned is a violation. At the end sent, received and served counts \
        are reconciled. Ctrl-C ends it after the round."
    examples ["storm", "storm rounds=10K initiators=0-1", "storm pages=16"]

    Watch "watch" in Measure, "Watch CPUs, scoreboard, TLBs and rates, until q is typed"
    {
        milliseconds: u64 = Arg::positional("MS", Kind::Number(50, 60_000),
            "from one frame to the next").default("500");
        baud: u64 = Arg::option("baud", "N", Kind::Number(300, 10_000_000),
            "the speed of the serial line").default("115200");
        busy: bool = Arg::flag("busy",
            "meanwhile a program on every CPU has a page of its own remapped, over and over");
    }
    details "The view has the terminal's alternate screen to itself; `q` or Ctrl-C gives the screen \
        back. Only what changed is sent, and no more than the line takes in the time of a frame. \
        Without a terminal, or without colours, one frame is shown. A slot that is waited for is red."
    examples ["watch", "watch busy", "watch 1000 baud=9600"]

    Bench "bench" in Measure, "Measure, and print ratios of one run"
    { name: Option<String> = Arg::positional("NAME", Kind::Name(NameKind::Bench),
        "one benchmark; else all"); }
    details "Ratios are against the bare IPI round trip of the same run. Without icount the figures \
        depend on the host's load."
    examples ["bench"]

    Selftest "selftest" in Measure, "Test the machine from inside"
    { name: Option<String> = Arg::positional("NAME", Kind::Name(NameKind::Selftest),
        "one test; else all"); }
    details "Fails if any test fails."
    examples ["selftest"]
}
}
