"""How the kernel's types print."""

import gdb
import gdb.printing

from . import kernel


class Plain:
    """A number in wrappers: atomics, shared words, newtypes of either."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        value = kernel.inner(self.value)
        return str(value) if value.type.strip_typedefs().code != gdb.TYPE_CODE_STRUCT else "{...}"


class CpuSet:
    """A set of CPUs, as the shell prints it."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        return f"CpuSet({kernel.cpu_set(kernel.number(self.value))})"


class Request:
    """The words of a request."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        from .protocol import operation, words_of

        words = words_of(self.value)
        generation = f", generation {words['generation']}" if "generation" in words else ""
        return (
            f"{operation(words.get('operation', -1))} {words.get('addr1', 0):#x} to {words.get('addr2', 0):#x} "
            f"of space {words.get('space', '?')}{generation}"
        )


class Frame:
    """An interrupt's registers, in short."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        value = self.value
        return (
            f"vector {int(value['vector'])} at {int(value['rip']):#x}, rsp {int(value['rsp']):#x}, "
            f"ring {int(value['cs']) & 3}, interrupts {'on' if int(value['rflags']) & 512 else 'off'}"
        )


PATTERNS = [
    ("atomic", r"^core::sync::atomic::Atomic(U8|U16|U32|U64|Usize|Bool)$", Plain),
    ("word", r"^kernel::machine::KernelWord<", Plain),
    ("cpu", r"^shootdown::cpu_set::CpuId$", Plain),
    ("set", r"^shootdown::cpu_set::CpuSet$", CpuSet),
    ("space", r"^shootdown::(\w+::)*SpaceId$", Plain),
    ("request", r"^shootdown::scoreboard::RequestWords<", Request),
    ("frame", r"^hw::entry::Frame$", Frame),
]


def register():
    """Makes the printers known; a second time replaces the first."""
    printers = gdb.printing.RegexpCollectionPrettyPrinter("shootdown")
    for name, pattern, printer in PATTERNS:
        printers.add_printer(name, pattern, printer)
    gdb.printing.register_pretty_printer(None, printers, replace=True)
