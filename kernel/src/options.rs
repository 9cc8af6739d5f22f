//! The kernel's command line.

use crate::space::PCIDS;
use crate::watchdog::Action;
use evidence::Key;
use shell::commands::{Choice, TransportName};
use shell::parse::number;
use shell::words::{self, Word};
use shootdown::{Mode, Wanted};

/// What the command line asked for; see `cargo kit run --help` for what sets each.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The local APICs' mode; `None` for x2APIC where there is one.
    pub apic: Option<hw::apic::Mode>,
    /// How interrupts are sent, to begin with.
    pub transport: Option<TransportName>,
    /// The protocol to begin with, by name.
    pub protocol: &'static str,
    /// The seed of everything random.
    pub seed: u64,
    /// The generation of the first shootdown of every CPU.
    pub generation: u32,
    /// Whether escape sequences may be sent.
    pub colour: bool,
    /// The terminal's width in characters.
    pub columns: usize,
    /// Run the initrd's script and exit, instead of a prompt.
    pub script: bool,
    /// How long a wait for other CPUs may last before it is too long, in milliseconds.
    pub patience_ms: u64,
    /// The same in turns of the wait; goes before the time.
    pub patience_turns: Option<u64>,
    /// What is done about a wait that is too long.
    pub watchdog: Action,
    /// How long the machine may run at all, in milliseconds of its own clock; 0 for as long as it likes.
    pub deadline_ms: u64,
    /// The APIC id of a processor that is not there, to see how one that does not come up is left
    /// out.
    pub phantom: Option<u32>,
    /// What was asked for of address translation.
    pub addressing: Wanted,
    /// PCIDs are handed out below this number; `None` for all there are.
    pub pcids: Option<u16>,
    /// Wait for gdb before the other CPUs start.
    pub gdb_wait: bool,
    /// Where the kernel's file is on gdb's host, `%` and two digits standing for a byte.
    pub exec: &'static str,
    /// The key of the evidence channel, if it is to be open.
    pub evidence: Option<Key>,
    /// Somebody looks at the evidence while the machine runs.
    pub followed: bool,
    /// The machine is Bochs, whose way out is another.
    pub bochs: bool,
}

impl Options {
    /// Reads `line`: words separated by spaces, `key=value` or a bare key, those of [`words::WORDS`]. Each that is not
    /// understood is `told` of, with what was expected if its name is known; the rest still counts.
    pub fn parse(line: &'static str, told: fn(&str, Option<&'static Word>)) -> Options {
        let mut options = Options {
            apic: None,
            transport: None,
            protocol: "scoreboard",
            seed: 1,
            generation: 1,
            colour: false,
            columns: 80,
            script: false,
            patience_ms: 20_000,
            patience_turns: None,
            watchdog: Action::GiveUp,
            deadline_ms: 0,
            phantom: None,
            addressing: Wanted::default(),
            pcids: None,
            gdb_wait: false,
            exec: "",
            evidence: None,
            followed: false,
            bochs: false,
        };
        for word in line.split_ascii_whitespace() {
            let (key, value) = match word.split_once('=') {
                Some((key, value)) => (key, Some(value)),
                None => (word, None),
            };
            let known = words::find(key);
            // Where there is to be no value, there is none, and else there is one.
            let whole = known.is_some_and(|known| known.value.is_empty() == value.is_none());
            if !whole || options.set(key, value.unwrap_or_default()).is_none() {
                told(word, known);
            }
        }
        options
    }

    fn set(&mut self, key: &str, value: &'static str) -> Option<()> {
        match key {
            "apic" => {
                self.apic = match value {
                    "auto" => None,
                    "xapic" => Some(hw::apic::Mode::XApic),
                    "x2apic" => Some(hw::apic::Mode::X2Apic),
                    _ => return None,
                }
            }
            "transport" => self.transport = Some(TransportName::from_name(value)?),
            "proto" if !value.is_empty() => self.protocol = value,
            "seed" => self.seed = number(value).ok()?,
            "generation" => self.generation = number(value).ok()?.try_into().ok()?,
            "colour" => {
                self.colour = match value {
                    "on" => true,
                    "off" => false,
                    _ => return None,
                }
            }
            "columns" => self.columns = number(value).ok()?.clamp(20, 500) as usize,
            "patience" => self.patience_ms = number(value).ok()?,
            "patience-turns" => self.patience_turns = Some(number(value).ok()?),
            "deadline" => self.deadline_ms = number(value).ok()?,
            "watchdog" => self.watchdog = Action::from_name(value)?,
            "phantom" => self.phantom = Some(number(value).ok()?.try_into().ok()?),
            "mode" => {
                let named = Mode::ALL.into_iter().find(|mode| mode.name() == value)?;
                self.addressing.mode = Some(named);
            }
            "nopcid" => self.addressing.pcid = false,
            "noinvpcid" => self.addressing.invpcid = false,
            "pti" => self.addressing.pti = true,
            "nopti" => self.addressing.pti = false,
            "pcids" => {
                let below = number(value).ok()?.try_into().ok()?;
                self.pcids = Some(below).filter(|below| PCIDS.contains(below));
                self.pcids?;
            }
            "script" => self.script = true,
            "gdb" if value == "wait" => self.gdb_wait = true,
            "exec" if !value.is_empty() => self.exec = value,
            "machine" if value == "bochs" => self.bochs = true,
            "followed" => self.followed = true,
            "evidence" => self.evidence = Some(Key::from_hex(value)?),
            _ => return None,
        }
        Some(())
    }
}
