"""Functions for gdb's expressions."""

import gdb

from . import kernel
from .protocol import Protocol


class Percpu(gdb.Function):
    """$percpu([CPU]): a CPU's area, else that of the selected CPU: `p $percpu(2).space`."""

    def __init__(self):
        super().__init__("percpu")

    def invoke(self, cpu=None):
        kernel.check()
        cpu = kernel.current_cpu() if cpu is None else int(cpu)
        if cpu not in kernel.cpus():
            raise gdb.GdbError(f"there is no CPU {cpu}")
        return kernel.local(cpu)


class Slot(gdb.Function):
    """$slot(TARGET, INITIATOR): the word of the scoreboard, which can be watched: `watch -l $slot(1, 0)`."""

    def __init__(self):
        super().__init__("slot")

    def invoke(self, target, initiator):
        kernel.check()
        return Protocol().slot(int(target), int(initiator))


class Request(gdb.Function):
    """$request(CPU): the words in which a CPU asks."""

    def __init__(self):
        super().__init__("request")

    def invoke(self, cpu):
        kernel.check()
        return Protocol().request(int(cpu))


def register():
    """Makes the functions known."""
    for function in (Percpu, Slot, Request):
        function()
