"""gdb's commands for TLB shootdowns: `source` this file, or let `cargo kit gdb` do it.

Works with the kernel's own stub and with QEMU's. Where things lie in memory comes from the kernel's
debug information; nothing here knows an offset.
"""

import os
import sys

import gdb

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# A second `source` takes the files as they are now.
for name in [name for name in sys.modules if name.split(".")[0] == "shootdown_gdb"]:
    del sys.modules[name]

import shootdown_gdb  # noqa: E402

shootdown_gdb.register()
