//! The conversation with gdb.

use crate::framer::{CAPACITY, Event, Framer, checksum};
use crate::machine::{Access, Machine, Plan, Port, Reason, Received, Stop};
use crate::outgoing::{Outgoing, Wire, hex_digit};
use crate::registers::{Number, Register};
use crate::target::{Adapter, thread_of};
use gdbstub::common::Signal;
use gdbstub::stub::state_machine::GdbStubStateMachine as State;
use gdbstub::stub::{DisconnectReason, GdbStub, MultiThreadStopReason};
use gdbstub::target::ext::breakpoints::WatchKind;
use shootdown::CpuId;

/// What a byte that came in while the machine runs calls for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wish {
    /// Nothing.
    Nothing,
    /// The machine is to stop, because of Ctrl-C.
    Interrupt,
    /// The machine is to stop: somebody has a question ([`Stub::converse`] answers it).
    Attach,
}

/// How a conversation ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// The machine runs on.
    Resume(Plan),
    /// So it does, and nobody watches any more.
    Detached,
    /// The machine is to end.
    Killed,
}

/// The `H` packet that said which thread's registers and memory are meant.
#[derive(Clone, Copy, Debug)]
struct Chosen {
    packet: [u8; 32],
    length: usize,
}

/// The stub: what it remembers from stop to stop.
///
/// `gdbstub`'s own state lives for one stop at most, and ends with any packet that it takes for an
/// error. Whatever of it must outlast that is asked of the new one in the words of the peer.
#[derive(Debug)]
pub struct Stub {
    framer: Framer,
    outgoing: Outgoing,
    scratch: [u8; CAPACITY],
    attached: bool,
    acknowledge: bool,
    multiprocess: bool,
    physical: bool,
    chosen: Chosen,
    /// The framer holds a packet that nobody has answered.
    pending: bool,
}

/// What one state of `gdbstub` led to.
enum Turn {
    /// Its state is lost: a packet was in error.
    Broken,
    Ended(Ending),
}

impl Default for Stub {
    fn default() -> Self {
        Self::new()
    }
}

impl Stub {
    /// Nobody is attached.
    pub const fn new() -> Self {
        Stub {
            framer: Framer::new(),
            outgoing: Outgoing::new(),
            scratch: [0; CAPACITY],
            attached: false,
            acknowledge: true,
            multiprocess: false,
            physical: false,
            chosen: Chosen {
                packet: [0; 32],
                length: 0,
            },
            pending: false,
        }
    }

    /// Whether a debugger is there, as far as one can know.
    pub fn attached(&self) -> bool {
        self.attached
    }

    /// Takes a byte that came in while the machine runs. After anything but [`Wish::Nothing`] the
    /// machine is to be stopped and [`converse`](Stub::converse) called.
    pub fn while_running(&mut self, byte: u8, port: &mut impl Port) -> Wish {
        match self.framer.push(byte) {
            Some(Event::Packet) => {
                self.pending = true;
                Wish::Attach
            }
            Some(Event::Interrupt) if self.attached => Wish::Interrupt,
            Some(Event::Resend) if self.attached => {
                self.outgoing.resend(port);
                Wish::Nothing
            }
            Some(Event::Corrupt) => {
                self.ask_again(port);
                Wish::Nothing
            }
            _ => Wish::Nothing,
        }
    }

    /// Prints on gdb's console, while the machine runs.
    pub fn print(&mut self, text: &[u8], port: &mut impl Port) {
        let mut body = [b'O'; 1 + 2 * 256];
        for piece in text.chunks(256) {
            for (digits, byte) in body[1..].chunks_exact_mut(2).zip(piece) {
                digits.copy_from_slice(&[hex_digit(byte >> 4), hex_digit(*byte)]);
            }
            self.outgoing
                .packet(false, &body[..1 + 2 * piece.len()], port);
        }
    }

    /// Talks until the machine is to run on, having reported `stop`, if there is one to report: to a
    /// peer that has had it run.
    pub fn converse<M: Machine, P: Port>(
        &mut self,
        machine: &mut M,
        port: &mut P,
        stop: Option<Stop>,
    ) -> Ending {
        let mut report = stop;
        loop {
            match self.talk(machine, port, report.take()) {
                Turn::Ended(ending) => return self.end(ending, machine),
                Turn::Broken => {
                    self.outgoing.clear();
                    self.outgoing.packet(self.acknowledge, b"E01", port);
                }
            }
        }
    }

    fn end(&mut self, ending: Ending, machine: &mut impl Machine) -> Ending {
        if ending == Ending::Detached {
            machine.forget();
            self.attached = false;
            self.acknowledge = true;
            self.multiprocess = false;
            self.physical = false;
            self.chosen.length = 0;
        }
        ending
    }

    /// A conversation with one instance of `gdbstub`.
    fn talk<M: Machine, P: Port>(
        &mut self,
        machine: &mut M,
        port: &mut P,
        report: Option<Stop>,
    ) -> Turn {
        let Stub {
            framer,
            outgoing,
            scratch,
            attached,
            acknowledge,
            multiprocess,
            physical,
            chosen,
            pending,
        } = self;
        let mut target = Adapter::new(machine, *physical);
        let wire = Wire {
            outgoing,
            port,
            muted: true,
        };
        let stub = GdbStub::builder(wire)
            .with_packet_buffer(scratch)
            .build()
            .map_err(drop)
            .and_then(|stub| stub.run_state_machine(&mut target).map_err(drop));
        let Ok(mut state) = stub else {
            return Turn::Broken;
        };
        // What was agreed with this peer, told to the new instance.
        let before: [(bool, &[u8]); 3] = [
            (*multiprocess, b"qSupported:multiprocess+"),
            (!*acknowledge, b"QStartNoAckMode"),
            (chosen.length > 0, &chosen.packet[..chosen.length]),
        ];
        for (_, packet) in before.into_iter().filter(|(said, _)| *said) {
            match feed(state, &mut target, packet) {
                Some(next) => state = next,
                None => return Turn::Broken,
            }
        }
        if let Some(stop) = report {
            match announce(state, &mut target, stop) {
                Some(next) => state = next,
                None => return Turn::Broken,
            }
        }
        wire_of(&mut state, |wire| wire.muted = false);
        loop {
            if !core::mem::take(pending) {
                let received = wire_of(&mut state, |wire| wire.port.receive());
                let event = match received {
                    Received::Byte(byte) => framer.push(byte),
                    Received::Nothing => continue,
                    Received::Closed => return Turn::Ended(Ending::Detached),
                };
                match event {
                    Some(Event::Packet) => {}
                    Some(Event::Resend) => {
                        wire_of(&mut state, |wire| wire.outgoing.resend(wire.port));
                        continue;
                    }
                    Some(Event::Corrupt) => {
                        let ask = *acknowledge;
                        wire_of(&mut state, |wire| ask_again(ask, wire.port));
                        continue;
                    }
                    Some(Event::TooLong) => return Turn::Broken,
                    // The machine has stopped already.
                    Some(Event::Interrupt) | None => continue,
                }
            }
            let body = framer.body();
            *attached = true;
            let mut room = [0; 32];
            if let Some(answer) = own_answer(body, physical, target.machine, &mut room) {
                target.physical = *physical;
                let plus = *acknowledge;
                wire_of(&mut state, |wire| {
                    wire.outgoing.packet(plus, answer, wire.port)
                });
                if body.starts_with(b"vKill") {
                    return Turn::Ended(Ending::Killed);
                }
                continue;
            }
            note(body, &mut target, multiprocess, acknowledge, chosen);
            match feed(state, &mut target, body) {
                Some(State::Running(_)) => return Turn::Ended(Ending::Resume(target.plan)),
                Some(State::Disconnected(state)) => {
                    return Turn::Ended(match state.get_reason() {
                        DisconnectReason::Kill => Ending::Killed,
                        _ => Ending::Detached,
                    });
                }
                Some(next) => state = next,
                None => return Turn::Broken,
            }
            // Only after its answer, which is still acknowledged.
            if framer.body() == b"QStartNoAckMode" {
                *acknowledge = false;
            }
            choose(framer.body(), chosen);
        }
    }

    fn ask_again(&self, port: &mut impl Port) {
        ask_again(self.acknowledge, port);
    }
}

/// Asks the peer to send its last packet again, if that is agreed.
fn ask_again(acknowledge: bool, port: &mut impl Port) {
    if acknowledge {
        port.send(b"-");
    }
}

/// A packet that the stub answers itself: with what.
///
/// Physical addresses are asked for as QEMU's own stub has it. Two are the kit's own:
/// `qkit.Fill:LENGTH` is answered with that many bytes, none of them looked up, so that the port
/// itself can be measured; `qkit.Probe:CPU,ADDRESS` with `hit` or `miss`, a comma, and the word that
/// the CPU reads there through its TLB.
fn own_answer<'a>(
    body: &[u8],
    physical: &mut bool,
    machine: &mut impl Machine,
    room: &'a mut [u8; 32],
) -> Option<&'a [u8]> {
    static FILL: [u8; CAPACITY / 2] = [b'f'; CAPACITY / 2];
    match body {
        b"qqemu.PhyMemMode" => Some(if *physical { b"1" } else { b"0" }),
        b"Qqemu.PhyMemMode:1" => {
            *physical = true;
            Some(b"OK")
        }
        b"Qqemu.PhyMemMode:0" => {
            *physical = false;
            Some(b"OK")
        }
        _ if body.starts_with(b"vKill") => Some(b"OK"),
        // More than any question is about: `gdbstub` would begin to answer it.
        _ if body.starts_with(b"m")
            && length_of(body).is_none_or(|length| length > CAPACITY / 2) =>
        {
            Some(b"E22")
        }
        _ if body.starts_with(b"qkit.Probe:") => Some(probe(body, machine, room)),
        _ => {
            let digits = body.strip_prefix(b"qkit.Fill:")?;
            let length = number(digits).filter(|&length| length <= FILL.len());
            Some(length.map_or(&b"E22"[..], |length| &FILL[..length]))
        }
    }
}

fn probe<'a>(body: &[u8], machine: &mut impl Machine, room: &'a mut [u8; 32]) -> &'a [u8] {
    let mut words = body["qkit.Probe:".len()..]
        .split(|&byte| byte == b',')
        .map(number);
    let (cpu, address) = (words.next().flatten(), words.next().flatten());
    let asked = cpu.and_then(CpuId::new).zip(address);
    let known = asked.filter(|&(cpu, address)| {
        machine.cpus().contains(cpu) && (address as u64).is_multiple_of(8)
    });
    let Some((cpu, address)) = known else {
        return b"E22";
    };
    let Some(probed) = machine.probe(cpu, address as u64) else {
        return b"E0e";
    };
    let word: &[u8] = if probed.hit { b"hit," } else { b"miss," };
    let digits = (0..16)
        .rev()
        .map(|digit| hex_digit((probed.value >> (4 * digit)) as u8));
    let mut length = 0;
    for (place, byte) in room.iter_mut().zip(word.iter().copied().chain(digits)) {
        *place = byte;
        length += 1;
    }
    &room[..length]
}

/// How much memory an `m` packet asks for.
fn length_of(body: &[u8]) -> Option<usize> {
    number(body.split(|&byte| byte == b',').nth(1)?)
}

/// A hexadecimal number.
fn number(digits: &[u8]) -> Option<usize> {
    usize::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()
}

/// Keeps what the next instance of `gdbstub` has to know.
fn note<M: Machine>(
    body: &[u8],
    target: &mut Adapter<'_, M>,
    multiprocess: &mut bool,
    acknowledge: &mut bool,
    chosen: &mut Chosen,
) {
    if body.starts_with(b"qSupported") {
        // The first packet of every peer. What the last one left behind goes.
        target.machine.forget();
        *multiprocess = contains(body, b"multiprocess+");
        *acknowledge = true;
        chosen.length = 0;
    }
}

/// Keeps which thread a packet that was answered has chosen.
fn choose(body: &[u8], chosen: &mut Chosen) {
    if body.starts_with(b"Hg") && body.len() <= chosen.packet.len() {
        chosen.packet[..body.len()].copy_from_slice(body);
        chosen.length = body.len();
    }
}

fn contains(body: &[u8], what: &[u8]) -> bool {
    body.windows(what.len()).any(|window| window == what)
}

type Running<'a, 'm, M, P> = State<'a, Adapter<'m, M>, Wire<'a, P>>;

/// Feeds a packet to `gdbstub`; `None` if it takes it for an error.
fn feed<'a, 'm, M: Machine, P: Port>(
    mut state: Running<'a, 'm, M, P>,
    target: &mut Adapter<'m, M>,
    body: &[u8],
) -> Option<Running<'a, 'm, M, P>> {
    let sum = checksum(body);
    let end = [b'#', hex_digit(sum >> 4), hex_digit(sum)];
    for &byte in [b'$'].iter().chain(body).chain(&end) {
        state = match state {
            State::Idle(idle) => idle.incoming_data(target, byte).ok()?,
            // The last byte decides; nothing follows it.
            other => other,
        };
    }
    Some(state)
}

/// Reports a stop, and goes on with the CPU that stopped as the chosen one.
fn announce<'a, 'm, M: Machine, P: Port>(
    state: Running<'a, 'm, M, P>,
    target: &mut Adapter<'m, M>,
    stop: Stop,
) -> Option<Running<'a, 'm, M, P>> {
    // As after the packet that had the machine run.
    let State::Running(mut running) = feed(state, target, b"vCont;c")? else {
        return None;
    };
    running.borrow_conn().muted = false;
    let values = EXPEDITED.map(|register| {
        let value = target.machine.register(stop.cpu, register).unwrap_or(0);
        (register, value.to_le_bytes())
    });
    let mut registers = values
        .iter()
        .map(|(register, bytes)| (Number::Known(*register), &bytes[..register.size()]));
    running
        .report_stop_with_regs(target, reason(stop), &mut registers)
        .ok()
}

/// The registers that come with every stop: those that gdb asks for after each step.
const EXPEDITED: [Register; 4] = [
    Register::Rip,
    Register::Rsp,
    Register::Rbp,
    Register::Eflags,
];

fn reason(stop: Stop) -> MultiThreadStopReason<u64> {
    let tid = thread_of(stop.cpu);
    match stop.reason {
        // `DoneStep` names no thread, and gdb goes on with the first.
        Reason::Step => signal(stop, Stop::TRAP),
        Reason::Signal(number) => signal(stop, number),
        Reason::Breakpoint => MultiThreadStopReason::SwBreak(tid),
        Reason::HardwareBreakpoint => MultiThreadStopReason::HwBreak(tid),
        Reason::Watch(addr, access) => MultiThreadStopReason::Watch {
            tid,
            kind: match access {
                Access::ReadWrite => WatchKind::ReadWrite,
                _ => WatchKind::Write,
            },
            addr,
        },
    }
}

fn signal(stop: Stop, number: u8) -> MultiThreadStopReason<u64> {
    MultiThreadStopReason::SignalWithThread {
        tid: thread_of(stop.cpu),
        signal: Signal(number),
    }
}

/// Does something with the wire, which `gdbstub` holds.
fn wire_of<'a, M: Machine, P: Port, T>(
    state: &mut Running<'a, '_, M, P>,
    work: impl FnOnce(&mut Wire<'a, P>) -> T,
) -> T {
    match state {
        State::Idle(inner) => work(inner.borrow_conn()),
        State::Running(inner) => work(inner.borrow_conn()),
        State::CtrlCInterrupt(inner) => work(inner.borrow_conn()),
        State::Disconnected(inner) => work(inner.borrow_conn()),
    }
}
