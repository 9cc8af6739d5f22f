"""`shootdown scoreboard`, `cpus`, `requests`, `tlb`: what there is to see."""

import os

import gdb

from . import kernel
from .protocol import Protocol, operation, words_of


class Shootdown(gdb.Command):
    """Look at, and step through, TLB shootdowns."""

    def __init__(self):
        super().__init__("shootdown", gdb.COMMAND_USER, gdb.COMPLETE_NONE, True)


class Kit(gdb.Command):
    """A subcommand, which checks first that the kernel is the right one."""

    NAME = ""

    def __init__(self):
        super().__init__(f"shootdown {self.NAME}", gdb.COMMAND_USER, gdb.COMPLETE_NONE)

    def invoke(self, argument, _from_tty):
        kernel.check()
        try:
            self.run(gdb.string_to_argv(argument))
        except gdb.MemoryError as error:
            raise gdb.GdbError(f"the kernel's memory does not look as its file says: {error}") from None


def number(word, what):
    """A number that a person typed: any expression of gdb's."""
    try:
        return int(gdb.parse_and_eval(word))
    except gdb.error as error:
        raise gdb.GdbError(f"{what} was expected, not `{word}`: {error}") from None


def cpu_number(word):
    """A CPU that there is."""
    cpu = number(word, "a CPU's number")
    if cpu not in kernel.cpus():
        raise gdb.GdbError(f"there is no CPU {cpu}: there are {', '.join(map(str, kernel.cpus()))}")
    return cpu


class Scoreboard(Kit):
    """shootdown scoreboard: a row a target, a column an initiator; 0 is a request not yet acknowledged."""

    NAME = "scoreboard"

    def run(self, _words):
        protocol, cpus = Protocol(), kernel.cpus()
        rows = [[target] + [int(protocol.slot(target, initiator)) for initiator in cpus] for target in cpus]
        kernel.table(["target"] + [f"from {cpu}" for cpu in cpus], rows)


class Requests(Kit):
    """shootdown requests: what each CPU last asked, and who has not acknowledged it."""

    NAME = "requests"

    def run(self, _words):
        protocol = Protocol()
        own = "requests" in protocol.fields
        rows = []
        for cpu in kernel.cpus() if own else [None]:
            words = words_of(protocol.request(cpu))
            waiting = kernel.cpu_set(protocol.outstanding(cpu)) if "slots" in protocol.fields else "?"
            rows.append([
                "-" if cpu is None else cpu,
                operation(words.get("operation", -1)),
                words.get("space", "-"),
                f"{words.get('addr1', 0):#x}",
                f"{words.get('addr2', 0):#x}",
                words.get("generation", "-"),
                waiting,
            ])
        kernel.table(["cpu", "operation", "space", "addr1", "addr2", "generation", "not acknowledged by"], rows)


class Cpus(Kit):
    """shootdown cpus: where each CPU is, whether it takes interrupts, what it has asked."""

    NAME = "cpus"

    def run(self, _words):
        protocol = Protocol()
        here = kernel.current_cpu()
        rows = []
        for cpu in kernel.cpus():
            local = kernel.local(cpu)
            critical = kernel.number(local["preemption"]) & 0x7FFF_FFFF
            with kernel.on(cpu):
                flags = kernel.register("eflags")
                frame = gdb.newest_frame()
                handler = in_handler(frame)
                at = where(frame)
            asked = kernel.cpu_set(protocol.outstanding(cpu)) if "slots" in protocol.fields else "?"
            rows.append([
                ("*" if cpu == here else " ") + str(cpu),
                kernel.number(local["thread"]),
                kernel.number(local["space"]),
                "on" if flags & 1 << 9 else "off",
                critical,
                "yes" if handler else "-",
                asked,
                at,
            ])
        kernel.table(["cpu", "thread", "space", "interrupts", "critical", "handler", "waits for", "at"], rows)


def in_handler(frame):
    """Whether a shootdown handler is among the callers."""
    for _ in range(12):
        if frame is None or not frame.is_valid():
            return False
        name = (frame.name() or "").split("<")[0]
        if name.endswith("::handle") and name.startswith("shootdown::") or name == "kernel::trap::shootdown":
            return True
        try:
            frame = frame.older()
        except gdb.error:
            return False
    return False


def where(frame):
    """The innermost function of the kernel's own, by its short name, and the line."""
    for _ in range(8):
        name = frame.name() or "?"
        if not name.startswith(("core::", "x86_64::", "alloc::")):
            break
        try:
            older = frame.older()
        except gdb.error:
            break
        if older is None:
            break
        frame = older
    sal = frame.find_sal()
    place = f"{os.path.basename(sal.symtab.filename)}:{sal.line}" if sal.symtab else f"{frame.pc():#x}"
    return f"{short(frame.name() or '?')} ({place})"


def short(name):
    """A function's name without its crate's path and its types."""
    return "::".join(name.split("<")[0].split("::")[-2:])


DIRECT_MAP = 0xFFFF_8000_0000_0000
ADDRESS = 0x000F_FFFF_FFFF_F000


def word_at(physical):
    """The 64-bit word at a physical address: the kernel maps all of memory."""
    memory = gdb.selected_inferior().read_memory(DIRECT_MAP + physical, 8)
    return int.from_bytes(memory.tobytes(), "little")


def walk(root, address):
    """The last entry that leads to `address`, its level, and the physical address; None if absent."""
    table = root & ADDRESS
    for level in (3, 2, 1, 0):
        shift = 12 + 9 * level
        entry = word_at(table + 8 * (address >> shift & 511))
        if not entry & 1:
            return None
        if level == 0 or level < 3 and entry & 1 << 7:
            size = 1 << shift
            return entry, level, (entry & ADDRESS & -size) + address % size
        table = entry & ADDRESS
    return None


class Tlb(Kit):
    """shootdown tlb ADDRESS: what the page table says, and what each CPU's TLB holds.

    A TLB can only be asked by its own CPU. The kernel's stub has each stopped CPU clear the
    accessed bit, load, and look at the bit: a miss fills the TLB. QEMU's stub cannot."""

    NAME = "tlb"

    def run(self, words):
        if len(words) != 1:
            raise gdb.GdbError("an address was expected: `shootdown tlb 0x400000`")
        address = number(words[0], "an address") & ~7
        rows = []
        for cpu in kernel.cpus():
            with kernel.on(cpu):
                found = walk(kernel.register("cr3"), address)
                space = kernel.number(kernel.local(cpu)["space"])
            entry = value = "not mapped"
            if found:
                entry = f"{found[0] & ADDRESS:#x} {'w' if found[0] & 2 else 'r'}{'u' if found[0] & 4 else 's'}"
                value = f"{word_at(found[2]):#x}"
            rows.append([cpu, space, entry, value, *probe(cpu, address, value)])
        kernel.table(["cpu", "space", "page table", "value there", "TLB", "value through it", "verdict"], rows)


def probe(cpu, address, truth):
    """Whether the TLB of `cpu` held the page, what it reads there, and whether that is right."""
    answer = packet(f"qkit.Probe:{cpu:x},{address:x}")
    if answer is None or not answer.startswith(("hit", "miss")):
        return ["?", "?", "not asked" if answer is None or not answer else "not mapped"]
    held, value = answer.split(",")
    value = f"{int(value, 16):#x}"
    return [held, value, "fresh" if value == truth else "STALE"]


def packet(text):
    """Sends a packet of the protocol; None if the stub does not know it."""
    connection = gdb.selected_inferior().connection
    answer = connection.send_packet(text) if hasattr(connection, "send_packet") else None
    return answer.decode() if answer else None


class Shell(Kit):
    """shootdown shell COMMAND: types at the machine's own shell; carried out when the machine runs on.

    For machines that `cargo kit gdb` started; `monitor COMMAND` does it with the kernel's stub."""

    NAME = "shell"

    def invoke(self, argument, _from_tty):
        pipe = os.environ.get("KIT_SHELL")
        if pipe is None:
            raise gdb.GdbError("this machine was not started by `cargo kit gdb`: type at its own terminal")
        if not argument:
            raise gdb.GdbError("a command of the kernel's shell was expected")
        with open(pipe, "w") as file:
            file.write(argument + "\r")


class Console(Kit):
    """shootdown console: what the machine has printed since the last time."""

    NAME = "console"
    seen = 0

    def invoke(self, _argument, _from_tty):
        path = os.environ.get("KIT_CONSOLE")
        if path is None:
            raise gdb.GdbError("this machine was not started by `cargo kit gdb`: look at its own terminal")
        with open(path, "rb") as file:
            file.seek(Console.seen)
            new = file.read()
        Console.seen += len(new)
        gdb.write(new.decode("utf-8", "replace").replace("\r\n", "\n"))


def register():
    """Makes the commands known."""
    Shootdown()
    for command in (Scoreboard, Requests, Cpus, Tlb, Shell, Console):
        command()
