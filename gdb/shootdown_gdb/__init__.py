"""The commands, printers and functions; see each module."""

from . import breaks, commands, functions, printers, trace



def register():
    """Makes everything known to gdb."""
    commands.register()
    breaks.register()
    trace.register()
    functions.register()
    printers.register()
