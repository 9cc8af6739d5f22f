"""The protocol in use: its slots, its requests, its handler."""

import gdb

from . import kernel


class Protocol:
    """A protocol as it was built, its concrete type found by its functions."""

    def __init__(self, index=None):
        built = kernel.vector(kernel.once(kernel.static("kernel::protocols::BUILT")))
        if index is None:
            index = kernel.number(kernel.static("kernel::protocols::CURRENT"))
        entry = built[index]
        self.name = kernel.text(entry["entry"]["name"])
        trait = entry["protocol"]
        self.functions = functions(trait["vtable"])
        self.handler = next((f for f in self.functions if f.name.split("<")[0].endswith("::handle")), None)
        if self.handler is None:
            raise kernel.NotTheKernel(f"no handler was found for the protocol {self.name}")
        this = self.handler.type.fields()[0].type.target()
        self.value = gdb.Value(int(trait["pointer"])).cast(this.pointer()).dereference()
        self.fields = [f.name for f in this.strip_typedefs().fields()]

    def handler_address(self):
        """Where its handler begins."""
        return int(self.handler.value().address)

    def slot(self, target, initiator):
        """The word in which `target` acknowledges `initiator`, as a value in memory."""
        if "slots" not in self.fields:
            raise gdb.GdbError(f"the protocol {self.name} has no scoreboard: `proto scoreboard` in the shell")
        rows = self.value["rows"]
        index = int(rows["base"]) + target * int(rows["stride"]) + initiator
        slots = self.value["slots"]
        if not (0 <= target < self.cpus() and 0 <= initiator < self.cpus()):
            raise gdb.GdbError(f"the scoreboard has CPUs 0 to {self.cpus() - 1}")
        return kernel.inner((slots["data_ptr"] + index).dereference())

    def cpus(self):
        """For how many CPUs it was built."""
        return int(self.value["requests"]["length"])

    def request(self, cpu):
        """The request words of `cpu`."""
        if "requests" in self.fields:
            words = (self.value["requests"]["data_ptr"] + cpu).dereference()
            names = [f.name for f in words.type.strip_typedefs().fields()]
            return words if "addr1" in names else inside(words)
        return self.value

    def outstanding(self, initiator):
        """The CPUs whose slot for `initiator` is zero."""
        return sum(1 << target for target in range(self.cpus()) if int(self.slot(target, initiator)) == 0)


def inside(words):
    """The first part that has an `addr1`."""
    for part in words.type.strip_typedefs().fields():
        kind = part.type.strip_typedefs()
        if kind.code == gdb.TYPE_CODE_STRUCT and any(f.name == "addr1" for f in kind.fields()):
            return words[part]
    return words


def functions(vtable):
    """The functions of a trait object's table."""
    found = []
    address = int(vtable)
    for index in range(3, 40):
        memory = gdb.selected_inferior().read_memory(address + 8 * index, 8)
        pc = int.from_bytes(memory.tobytes(), "little")
        block = gdb.block_for_pc(pc) if pc >> 47 == 0x1FFFF else None
        function = block.function if block else None
        if function is None or int(function.value().address) != pc:
            break
        found.append(function)
    return found


def operation(bits):
    """The name of an operation's number, from the enumeration's own variants."""
    kind = kernel.type_of("shootdown::request::Operation")
    for variant in kind.fields():
        if variant.enumval == bits:
            return variant.name.split("::")[-1].lower()
    return f"? ({bits})"


def words_of(request):
    """A request's words as numbers, by name; those that this protocol lacks are left out."""
    names = [f.name for f in request.type.strip_typedefs().fields()]
    return {name: kernel.number(request[name]) for name in ("addr1", "addr2", "space", "generation", "operation") if name in names}
