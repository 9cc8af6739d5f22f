"""`shootdown break` and `shootdown handler`: stops that know the protocol."""

import gdb

from . import kernel, trace
from .commands import Kit, cpu_number
from .protocol import Protocol


def points():
    """The points' names as people type them, in order."""
    kind = kernel.type_of("shootdown::point::Point")
    return [dashed(variant.name.split("::")[-1]) for variant in kind.fields()]


def dashed(name):
    """`LocalInvalidate` as `local-invalidate`."""
    return "".join(f"-{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


def arm(point):
    """Has every CPU do more at a point than count it: it then calls the kernel's own function."""
    debugged = kernel.inner(kernel.static("kernel::points::DEBUGGED"))
    put(debugged, int(debugged) | 1 << point)
    for cpu in kernel.cpus():
        word = kernel.inner(kernel.field(kernel.local(cpu), "armed"))
        put(word, int(word) | 1 << point)
        put(kernel.inner(kernel.field(kernel.local(cpu), "attentive")), 1)


def put(value, number):
    """Writes a number to where a value lies."""
    size = value.type.sizeof
    gdb.selected_inferior().write_memory(int(value.address), number.to_bytes(size, "little"))


def reached():
    """The function that CPUs call at armed points."""
    name = "kernel::points::reached"
    symbol = gdb.lookup_static_symbol(name) or gdb.lookup_global_symbol(name)
    if symbol is None:
        raise kernel.NotTheKernel(f"there is no function `{name}`: {kernel.ADVICE}")
    return int(symbol.value().address)


class PointBreak(gdb.Breakpoint):
    """A breakpoint at the function that CPUs call at armed points, for one point."""

    def __init__(self, point, name, cpus):
        self.point, self.cpus, self.label = point, cpus, name
        super().__init__(f"*{reached():#x}", internal=False)
        arm(point)

    def stop(self):
        """Whether this is the point, on one of the CPUs."""
        cpu = kernel.current_cpu()
        point = int(gdb.newest_frame().read_var("point"))
        if point != self.point or cpu not in self.cpus:
            return False
        gdb.write(f"CPU {cpu} is at {self.label}\n")
        return True


class Break(Kit):
    """shootdown break POINT [CPU]: stops where a CPU, or the one named, passes a point of a shootdown.

    The names are those of the shell's `break`: `zero`, `send`, `acknowledge`, `invalidate`... What the
    point announces has not happened yet."""

    NAME = "break"

    def run(self, words):
        names = points()
        if len(words) not in (1, 2) or words[0] not in names:
            raise gdb.GdbError(f"a point was expected, and perhaps a CPU; the points are {', '.join(names)}")
        cpus = [cpu_number(words[1])] if len(words) == 2 else kernel.cpus()
        made = PointBreak(names.index(words[0]), words[0], cpus)
        gdb.write(f"breakpoint {made.number} at {words[0]} on CPU {kernel.cpu_set(sum(1 << cpu for cpu in cpus))}\n")

    def complete(self, _text, word):
        return [name for name in points() if name.startswith(word)]


class HandlerBreak(gdb.Breakpoint):
    """The entry of the handler in use, once."""

    def __init__(self, address):
        super().__init__(f"*{address:#x}", internal=False, temporary=True)


class Handler(Kit):
    """shootdown handler: runs until a CPU enters the shootdown handler, then shows the lanes so far."""

    NAME = "handler"

    def run(self, _words):
        HandlerBreak(Protocol().handler_address())
        gdb.execute("continue")
        trace.show_lanes()


def register():
    """Makes the commands known."""
    for command in (Break, Handler):
        command()
