//! The words of the kernel's command line: what `cargo kit run --append WORD` may add.
//!
//! The kernel reads no other, and tells who gives one a bad value what was expected. The reference's section on them is
//! made of this table, and a test gives each of them to the kernel.

use alloc::format;
use alloc::string::String;

/// A word of the command line.
#[derive(Debug)]
pub struct Word {
    /// What stands before `=`, or all of it.
    pub name: &'static str,
    /// What stands behind `=`; empty if there is none.
    pub value: &'static str,
    /// What it does, in a sentence without a full stop.
    pub doc: &'static str,
    /// What `cargo kit run` gives it by an option of its own, if it does.
    pub option: &'static str,
    /// A right value, for tests; empty where it needs one that a test cannot give.
    pub right: &'static str,
}

impl Word {
    /// How it is written.
    pub fn usage(&self) -> String {
        match self.value {
            "" => self.name.into(),
            value => format!("{}={value}", self.name),
        }
    }
}

/// Every word, in the order of the reference.
#[rustfmt::skip]
pub static WORDS: &[Word] = &[
    Word { name: "mode", value: "plain|pcid|pcid+pti|invpcid|invpcid+pti", option: "", right: "plain",
        doc: "By which operations TLBs are flushed: just these, if the CPU has them, whatever the next four say" },
    Word { name: "nopcid", value: "", option: "", right: "",
        doc: "No PCIDs, though the CPU has them" },
    Word { name: "noinvpcid", value: "", option: "", right: "",
        doc: "No INVPCID, though the CPU has it" },
    Word { name: "pti", value: "", option: "", right: "",
        doc: "Page-table isolation: ring 3 runs on tables of its own, without the kernel" },
    Word { name: "nopti", value: "", option: "", right: "",
        doc: "No page-table isolation, as if nothing were said, or `pti` before it" },
    Word { name: "pcids", value: "2 to 2048", option: "", right: "64",
        doc: "Each CPU hands out the PCIDs below this number, and begins anew when none is left" },
    Word { name: "apic", value: "auto|xapic|x2apic", option: "--apic", right: "xapic",
        doc: "The local APICs' mode" },
    Word { name: "transport", value: "xapic|x2apic|kvm", option: "", right: "xapic",
        doc: "How interrupts are sent, to begin with: by the local APICs in their mode, or by KVM's hypercall. The shell's \
              `transport` changes it" },
    Word { name: "proto", value: "NAME", option: "--proto", right: "queue",
        doc: "The protocol, to begin with: `proto` lists them" },
    Word { name: "generation", value: "0 to 4294967295", option: "--generation", right: "7",
        doc: "The generation of every CPU's first shootdown" },
    Word { name: "seed", value: "NUMBER", option: "--seed", right: "9",
        doc: "The seed of all that is random" },
    Word { name: "watchdog", value: "report|resend|give-up|stop", option: "", right: "resend",
        doc: "What is done about a wait that is too long" },
    Word { name: "patience", value: "MILLISECONDS", option: "", right: "400",
        doc: "How long a wait for other CPUs may last" },
    Word { name: "patience-turns", value: "NUMBER", option: "", right: "1_000_000",
        doc: "The same, in turns of the wait; goes before `patience`" },
    Word { name: "deadline", value: "MILLISECONDS", option: "", right: "0",
        doc: "How long the machine may run, by its own clock; 0 for as long as it likes" },
    Word { name: "phantom", value: "0 to 4294967295", option: "", right: "77",
        doc: "The APIC id of a CPU that is not there, and that start-up is to leave out" },
    Word { name: "colour", value: "on|off", option: "NO_COLOR", right: "off",
        doc: "Whether escape sequences may be sent" },
    Word { name: "columns", value: "NUMBER", option: "", right: "90",
        doc: "The terminal's width in characters, 20 to 500" },
    Word { name: "script", value: "", option: "--script", right: "",
        doc: "The initrd's script is run, instead of a prompt" },
    Word { name: "evidence", value: "32 hexadecimal digits", option: "--evidence", right: "",
        doc: "The key of the evidence channel, which is open then" },
    Word { name: "followed", value: "", option: "kit view", right: "",
        doc: "Somebody looks at the evidence meanwhile: it is written at once" },
    Word { name: "gdb", value: "wait", option: "--gdb", right: "",
        doc: "gdb is waited for before the other CPUs start" },
    Word { name: "exec", value: "PATH", option: "--gdb", right: "x",
        doc: "Where gdb finds the kernel's file" },
    Word { name: "machine", value: "bochs", option: "--machine", right: "",
        doc: "The machine is Bochs, which ends in another way than QEMU" },
];

/// The word of this name.
pub fn find(name: &str) -> Option<&'static Word> {
    WORDS.iter().find(|word| word.name == name)
}

/// The reference's section.
pub(crate) fn section() -> String {
    let mut text = String::from(
        "\n## Words of the kernel's command line\n\n\
         `cargo kit run --append WORD` adds one; the option may be repeated, and of two that contradict each other the later \
         counts. One that the kernel does not know, or whose value is none of those here, is told of as it starts, and left \
         out. Some are given by options of their own.\n\n| word | what it does | option |\n|---|---|---|\n",
    );
    for word in WORDS {
        let usage = word.usage().replace('|', "\\|");
        text.push_str(&format!(
            "| `{usage}` | {} | {} |\n",
            word.doc,
            option(word)
        ));
    }
    text
}

fn option(word: &Word) -> String {
    match word.option {
        "" => "-".into(),
        option => format!("`{option}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::{Choice, TransportName, WatchdogAction};
    use alloc::vec::Vec;
    use shootdown::Mode;

    fn choices<C: Choice>() -> String {
        let names: Vec<&str> = C::WORDS.iter().map(|word| word.name).collect();
        names.join("|")
    }

    #[test]
    fn a_value_of_a_word_that_has_another_name_elsewhere() {
        let values = |name| find(name).unwrap().value;
        assert_eq!(values("mode"), Mode::ALL.map(Mode::name).join("|"));
        assert_eq!(values("transport"), choices::<TransportName>());
        assert_eq!(values("watchdog"), choices::<WatchdogAction>());
    }

    #[test]
    fn a_word_that_is_there_twice() {
        for word in WORDS {
            let same = WORDS.iter().filter(|other| other.name == word.name);
            assert_eq!(same.count(), 1, "{}", word.name);
        }
    }
}
