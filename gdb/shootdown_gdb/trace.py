"""`shootdown trace`: the CPUs' own records, as lanes."""

import gdb

from . import kernel
from .commands import Kit


# What the debugger itself does to a CPU.
OWN = ("stop", "resume", "nmi")


def names():
    """The events' names by number: points first, then the kinds."""
    found = {}
    for variant in kernel.type_of("shootdown::point::Point").fields():
        found[variant.enumval] = short(variant.name)
    first = 32
    for variant in kernel.type_of("evidence::event::Kind").fields():
        found[first + variant.enumval] = short(variant.name)
    return found


def short(name):
    """`evidence::event::Kind::LoadCr3` as `load-cr3`."""
    name = name.split("::")[-1]
    return "".join(f"-{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


def records(cpu, last):
    """The last records of a CPU: (time, event, a, b), oldest first."""
    local = kernel.local(cpu)
    ring = kernel.inner(kernel.field(local, "ring"))
    words = ring.dereference()["__0"]
    capacity = words.type.range()[1] + 1
    position = kernel.number(kernel.field(local, "position"))
    # How far a position grows from record to record: the lower 16 bits go round once.
    step = (1 << 16) // capacity
    found = []
    for number in range(max(0, position // step - last), position // step):
        entry = words[number % capacity]
        if kernel.number(entry["position"]) != number * step:
            continue
        when = kernel.number(entry["when"])
        found.append((when & (1 << 56) - 1, when >> 56, kernel.number(entry["a"]), kernel.number(entry["b"])))
    return found


def show_lanes(last=40):
    """Prints the last records of all CPUs in order of time, a column for each CPU."""
    cpus, known = kernel.cpus(), names()
    events = sorted(
        (when, cpu, event)
        for cpu in cpus
        for when, event, _, _ in records(cpu, 2 * last)
        if known.get(event) not in OWN
    )
    if not events:
        gdb.write("nothing is recorded: `trace on` in the kernel's shell has the CPUs record\n")
        return
    start = events[-last][0] if len(events) > last else events[0][0]
    rows = []
    for when, cpu, event in events[-last:]:
        row = [f"+{when - start}"] + ["" for _ in cpus]
        row[1 + cpus.index(cpu)] = known.get(event, f"event {event}")
        rows.append(row)
    kernel.table(["ticks"] + [f"CPU {cpu}" for cpu in cpus], rows)


class Trace(Kit):
    """shootdown trace [N]: the last N records of all CPUs, in order of time, a column for each CPU."""

    NAME = "trace"

    def run(self, words):
        if len(words) > 1 or words and not words[0].isdigit():
            raise gdb.GdbError("a number of records was expected, or nothing")
        show_lanes(int(words[0]) if words else 40)


def register():
    """Makes the command known."""
    Trace()
