//! The registers: one table, from which gdb's description of the target, their numbers and their
//! sizes derive.
//!
//! Names and numbers are those of QEMU's stub wherever it has them, so that gdb's commands are the
//! same on both. The x87 registers, without which gdb refuses a description of this architecture,
//! are there by name only: the kernel does not use them.

use crate::machine::Refused;
use core::fmt::{self, Write};
use core::num::NonZeroUsize;
use gdbstub::arch::{Arch, RegId};

/// gdb's names for what the registers are about. It knows these but the last, and treats that as
/// more of the same.
const FEATURES: [(Feature, &str); 3] = [
    (Feature::Core, "org.gnu.gdb.i386.core"),
    (Feature::Segments, "org.gnu.gdb.i386.segments"),
    (Feature::System, "tlb.kernel.system"),
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Feature {
    Core,
    Segments,
    System,
}

/// What the table says about a register.
#[derive(Clone, Copy, Debug)]
struct Entry {
    name: &'static str,
    /// In bytes.
    size: u8,
    feature: Feature,
    /// gdb's type for it.
    kind: &'static str,
}

/// Declares the registers: number, name, size in bytes, feature, type.
macro_rules! registers {
    ($($variant:ident = $name:literal, $size:literal, $feature:ident, $kind:literal;)*) => {
        /// A register that has a value. Its number is gdb's.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        #[expect(missing_docs, reason = "the registers' own names")]
        pub enum Register { $($variant),* }

        impl Register {
            /// Every register, by number.
            pub const ALL: [Register; COUNT] = [$(Register::$variant),*];
        }

        /// How many registers have values.
        pub const COUNT: usize = [$($name),*].len();

        const TABLE: [Entry; COUNT] = [$(Entry {
            name: $name, size: $size, feature: Feature::$feature, kind: $kind,
        }),*];
    };
}

registers! {
    Rax = "rax", 8, Core, "int64";
    Rbx = "rbx", 8, Core, "int64";
    Rcx = "rcx", 8, Core, "int64";
    Rdx = "rdx", 8, Core, "int64";
    Rsi = "rsi", 8, Core, "int64";
    Rdi = "rdi", 8, Core, "int64";
    Rbp = "rbp", 8, Core, "data_ptr";
    Rsp = "rsp", 8, Core, "data_ptr";
    R8 = "r8", 8, Core, "int64";
    R9 = "r9", 8, Core, "int64";
    R10 = "r10", 8, Core, "int64";
    R11 = "r11", 8, Core, "int64";
    R12 = "r12", 8, Core, "int64";
    R13 = "r13", 8, Core, "int64";
    R14 = "r14", 8, Core, "int64";
    R15 = "r15", 8, Core, "int64";
    Rip = "rip", 8, Core, "code_ptr";
    Eflags = "eflags", 4, Core, "i386_eflags";
    Cs = "cs", 4, Core, "int32";
    Ss = "ss", 4, Core, "int32";
    Ds = "ds", 4, Core, "int32";
    Es = "es", 4, Core, "int32";
    Fs = "fs", 4, Core, "int32";
    Gs = "gs", 4, Core, "int32";
    FsBase = "fs_base", 8, Segments, "int64";
    GsBase = "gs_base", 8, Segments, "int64";
    KernelGsBase = "k_gs_base", 8, System, "int64";
    Cr0 = "cr0", 8, System, "int64";
    Cr2 = "cr2", 8, System, "int64";
    Cr3 = "cr3", 8, System, "int64";
    Cr4 = "cr4", 8, System, "int64";
    Cr8 = "cr8", 8, System, "int64";
    Efer = "efer", 8, System, "int64";
    Dr0 = "dr0", 8, System, "int64";
    Dr1 = "dr1", 8, System, "int64";
    Dr2 = "dr2", 8, System, "int64";
    Dr3 = "dr3", 8, System, "int64";
    Dr6 = "dr6", 8, System, "int64";
    Dr7 = "dr7", 8, System, "int64";
}

/// The registers that gdb insists on, numbered behind the others: none has a value.
const X87: [(&str, u8, &str); 16] = [
    ("st0", 10, "i387_ext"),
    ("st1", 10, "i387_ext"),
    ("st2", 10, "i387_ext"),
    ("st3", 10, "i387_ext"),
    ("st4", 10, "i387_ext"),
    ("st5", 10, "i387_ext"),
    ("st6", 10, "i387_ext"),
    ("st7", 10, "i387_ext"),
    ("fctrl", 4, "int"),
    ("fstat", 4, "int"),
    ("ftag", 4, "int"),
    ("fiseg", 4, "int"),
    ("fioff", 4, "int"),
    ("foseg", 4, "int"),
    ("fooff", 4, "int"),
    ("fop", 4, "int"),
];

/// The flags with their bits, for gdb to print them by name.
const FLAGS: [(&str, u8); 16] = [
    ("CF", 0),
    ("PF", 2),
    ("AF", 4),
    ("ZF", 6),
    ("SF", 7),
    ("TF", 8),
    ("IF", 9),
    ("DF", 10),
    ("OF", 11),
    ("NT", 14),
    ("RF", 16),
    ("VM", 17),
    ("AC", 18),
    ("VIF", 19),
    ("VIP", 20),
    ("ID", 21),
];

impl Register {
    /// gdb's name for it.
    pub const fn name(self) -> &'static str {
        TABLE[self as usize].name
    }

    /// Its size in bytes.
    pub const fn size(self) -> usize {
        TABLE[self as usize].size as usize
    }

    /// The value in `bytes`, lowest first.
    ///
    /// # Errors
    /// [`Refused`] if there are too few or too many.
    pub(crate) fn value(self, bytes: &[u8]) -> Result<u64, Refused> {
        if bytes.len() != self.size() {
            return Err(Refused);
        }
        let mut value = [0; 8];
        value[..bytes.len()].copy_from_slice(bytes);
        Ok(u64::from_le_bytes(value))
    }
}

/// Writes gdb's description of the target.
pub fn describe(out: &mut impl Write) -> fmt::Result {
    out.write_str("<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target>")?;
    out.write_str("<architecture>i386:x86-64</architecture>")?;
    for (feature, name) in FEATURES {
        write!(out, "<feature name=\"{name}\">")?;
        if feature == Feature::Core {
            describe_flags(out)?;
        }
        for (number, entry) in TABLE.iter().enumerate() {
            if entry.feature == feature {
                register(out, entry.name, entry.size, entry.kind, number)?;
            }
        }
        if feature == Feature::Core {
            for (index, (name, size, kind)) in X87.into_iter().enumerate() {
                register(out, name, size, kind, COUNT + index)?;
            }
        }
        out.write_str("</feature>")?;
    }
    out.write_str("</target>")
}

fn describe_flags(out: &mut impl Write) -> fmt::Result {
    out.write_str("<flags id=\"i386_eflags\" size=\"4\">")?;
    for (name, bit) in FLAGS {
        write!(
            out,
            "<field name=\"{name}\" start=\"{bit}\" end=\"{bit}\"/>"
        )?;
    }
    out.write_str("</flags>")
}

fn register(out: &mut impl Write, name: &str, size: u8, kind: &str, number: usize) -> fmt::Result {
    let bits = u32::from(size) * 8;
    write!(
        out,
        "<reg name=\"{name}\" bitsize=\"{bits}\" type=\"{kind}\" regnum=\"{number}\"/>"
    )
}

/// A register as gdb numbers them, those without a value included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Number {
    /// One of the table.
    Known(Register),
    /// One of the x87.
    Absent,
}

impl RegId for Number {
    fn from_raw_id(id: usize) -> Option<(Self, Option<NonZeroUsize>)> {
        let (number, size) = match Register::ALL.get(id) {
            Some(&register) => (Number::Known(register), register.size()),
            None => (
                Number::Absent,
                usize::from(X87.get(id.checked_sub(COUNT)?)?.1),
            ),
        };
        Some((number, NonZeroUsize::new(size)))
    }

    fn to_raw_id(&self) -> Option<usize> {
        match self {
            Number::Known(register) => Some(*register as usize),
            Number::Absent => None,
        }
    }
}

/// Every register's value, by number: what a `g` packet holds. The x87 registers come behind it, and
/// gdb asks for them one by one if somebody wants to see them.
#[derive(Clone, PartialEq, Debug)]
pub struct Values(pub [Option<u64>; COUNT]);

impl Default for Values {
    fn default() -> Self {
        Values([None; COUNT])
    }
}

impl gdbstub::arch::Registers for Values {
    type ProgramCounter = u64;

    fn pc(&self) -> u64 {
        self.0[Register::Rip as usize].unwrap_or(0)
    }

    fn gdb_serialize(&self, mut write_byte: impl FnMut(Option<u8>)) {
        for (register, value) in Register::ALL.into_iter().zip(self.0) {
            for index in 0..register.size() {
                write_byte(value.map(|value| value.to_le_bytes()[index]));
            }
        }
    }

    fn gdb_deserialize(&mut self, mut bytes: &[u8]) -> Result<(), ()> {
        for (register, value) in Register::ALL.into_iter().zip(&mut self.0) {
            let (first, rest) = bytes.split_at_checked(register.size()).ok_or(())?;
            *value = Some(register.value(first).map_err(drop)?);
            bytes = rest;
        }
        Ok(())
    }
}

/// This architecture.
#[derive(Debug)]
pub enum X86 {}

impl Arch for X86 {
    type Usize = u64;
    type Registers = Values;
    type RegId = Number;
    type BreakpointKind = usize;
}
