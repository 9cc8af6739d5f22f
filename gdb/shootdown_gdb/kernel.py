"""The kernel's statics, types and CPUs, by name."""

import struct

import gdb


class NotTheKernel(gdb.GdbError):
    """What gdb has loaded is not the kernel that runs, or says too little about it."""


ADVICE = "load the kernel that runs, with its debug information: `file PATH`"


def static(name):
    """The static called `name`, as a value."""
    symbol = gdb.lookup_global_symbol(name) or gdb.lookup_static_symbol(name)
    if symbol is None:
        loaded = gdb.current_progspace().filename
        what = f"{loaded} has no static `{name}`" if loaded else "no file is loaded"
        raise NotTheKernel(f"{what}: {ADVICE}")
    return symbol.value()


def type_of(name):
    """The type called `name`."""
    try:
        return gdb.lookup_type(name)
    except gdb.error:
        loaded = gdb.current_progspace().filename
        raise NotTheKernel(f"{loaded} does not describe the type `{name}`: {ADVICE}") from None


def field(value, name):
    """A field, with a message that says which one is missing."""
    try:
        return value[name]
    except gdb.error:
        raise NotTheKernel(f"`{value.type}` has no field `{name}`: the commands and the kernel do not fit") from None


def number(value):
    """The number in an atomic, a cell, a wrapper of either, or the value itself."""
    value = inner(value)
    return int(value)


def inner(value):
    """What is left when every wrapper with one field that has a size is taken off."""
    while value.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
        parts = [f for f in value.type.strip_typedefs().fields() if f.type is not None and f.type.sizeof > 0]
        if len(parts) != 1:
            break
        value = value[parts[0]]
    return value


def text(value):
    """A Rust `&str`."""
    length = int(value["length"])
    pointer = int(value["data_ptr"])
    return gdb.selected_inferior().read_memory(pointer, length).tobytes().decode("utf-8", "replace") if length else ""


def slice_of(value):
    """The elements of a `Box<[T]>` or `&[T]`."""
    pointer, length = value["data_ptr"], int(value["length"])
    return [(pointer + index).dereference() for index in range(length)]


def vector(value):
    """The elements of a `Vec<T>`, in `Vec<T>`'s own layout."""
    element = value.type.strip_typedefs().template_argument(0)
    length = int(value["len"])
    pointer = find_pointer(value["buf"]).cast(element.pointer())
    return [(pointer + index).dereference() for index in range(length)]


def find_pointer(value):
    """The first raw pointer inside."""
    kind = value.type.strip_typedefs()
    if kind.code == gdb.TYPE_CODE_PTR:
        return value
    if kind.code == gdb.TYPE_CODE_STRUCT:
        for part in kind.fields():
            if part.type is not None and part.type.sizeof > 0:
                found = find_pointer(value[part])
                if found is not None:
                    return found
    return None


def once(value):
    """What a `spin::Once` holds. It must have been set."""
    content = value["data"]
    wanted = value.type.strip_typedefs().template_argument(0)
    address = int(content.address)
    return gdb.Value(address).cast(wanted.pointer()).dereference()


def bits(mask):
    """The numbers of the bits that are set."""
    return [bit for bit in range(64) if mask >> bit & 1]


def cpu_set(mask):
    """As the kernel prints a set of CPUs: `0,2-3`, or `none`."""
    numbers, parts = bits(mask), []
    while numbers:
        first = last = numbers.pop(0)
        while numbers and numbers[0] == last + 1:
            last = numbers.pop(0)
        parts.append(str(first) if first == last else f"{first}-{last}")
    return ",".join(parts) or "none"


def cpus():
    """The numbers of the CPUs that were started."""
    return bits(number(static("kernel::machine::STARTED")))


def local(cpu):
    """The per-CPU area of `cpu`."""
    return static("hw::percpu::LOCALS")[cpu]


def cpu_of(thread):
    """The CPU behind gdb's thread: both stubs number them from 1."""
    return thread.ptid[1] - 1


def thread_of(cpu):
    """gdb's thread for `cpu`, or None."""
    for thread in gdb.selected_inferior().threads():
        if thread.is_valid() and cpu_of(thread) == cpu:
            return thread
    return None


def current_cpu():
    """The CPU whose thread is selected."""
    thread = gdb.selected_thread()
    if thread is None:
        raise gdb.GdbError("no machine is attached: `target remote SOCKET`, or `cargo kit gdb`")
    return cpu_of(thread)


class on:
    """A block in which another CPU's thread is selected."""

    def __init__(self, cpu):
        self.thread = thread_of(cpu)
        if self.thread is None:
            raise gdb.GdbError(f"there is no CPU {cpu}")

    def __enter__(self):
        self.before = gdb.selected_thread()
        self.frame = gdb.selected_frame()
        self.thread.switch()

    def __exit__(self, *_):
        self.before.switch()
        try:
            self.frame.select()
        except gdb.error:
            pass


def register(name):
    """A register of the selected CPU, innermost frame."""
    return int(gdb.newest_frame().read_register(name)) & 0xFFFF_FFFF_FFFF_FFFF


CHECKED = set()


def check():
    """Raises NotTheKernel unless the file that gdb has loaded is what runs."""
    current_cpu()
    path = gdb.current_progspace().filename
    if path is None:
        raise NotTheKernel(f"no file is loaded: {ADVICE}")
    static("kernel::protocols::CURRENT")
    if path in CHECKED:
        return
    address, wanted = first_text(path)
    try:
        found = gdb.selected_inferior().read_memory(address, len(wanted)).tobytes()
    except gdb.MemoryError:
        raise NotTheKernel(f"nothing is mapped where {path} has its code: another kernel runs") from None
    if found != wanted:
        raise NotTheKernel(f"the machine does not run {path}: its code differs; {ADVICE}")
    CHECKED.add(path)


def first_text(path):
    """Where the ELF file's highest executable segment is, and what the first pages of it hold."""
    with open(path, "rb") as file:
        head = file.read(64)
        if head[:5] != b"\x7fELF\x02":
            raise NotTheKernel(f"{path} is no 64-bit ELF file: {ADVICE}")
        offset, size, count = struct.unpack_from("<Q", head, 32)[0], *struct.unpack_from("<HH", head, 54)
        best = None
        for index in range(count):
            file.seek(offset + index * size)
            kind, flags, start, address, _, length = struct.unpack_from("<IIQQQQ", file.read(size))
            if kind == 1 and flags & 1 and (best is None or address > best[0]):
                best = (address, start, length)
        if best is None:
            raise NotTheKernel(f"{path} has no code: {ADVICE}")
        # From the middle: what differs between two builds differs there.
        address, start, length = best
        middle = length // 2
        file.seek(start + middle)
        return address + middle, file.read(min(1024, length - middle))


def table(columns, rows):
    """Prints rows under columns, as the kernel's shell does."""
    rows = [[str(cell) for cell in row] for row in rows]
    heads = [column.upper() for column in columns]
    widths = [max(len(line[index]) for line in [heads] + rows) for index in range(len(heads))]
    for line in [heads] + rows:
        gdb.write("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() + "\n")
