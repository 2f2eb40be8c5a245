# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start a daemon that leaves orphans, and collect them as soon as they end: ``python reaper.py libvirtd -d …``.

libvirtd's QEMU processes become children of process 1. In a container or a small virtual machine that one may collect an
ended process after seconds, or never. libvirt takes such a zombie for a process that no signal can end: a guest that
ended counts as running, and its domain cannot be destroyed. Here they become children of this process.

It runs without site packages and imports nothing of the lab, because it runs as long as a guest does.
"""

import ctypes
import os
import subprocess
import sys

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h; prctl(2): not inherited by children, so this comes after the fork


def main(command: list[str]) -> int:
    """Return the status of the command, which puts itself into the background. A child of this process stays."""
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        status = os.read(reading, 1)
        return status[0] if status else 1
    os.setsid()
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        print(f'cannot collect the orphans of {command[0]}: {os.strerror(ctypes.get_errno())}', file=sys.stderr)
    returned = subprocess.run(command, check=False).returncode
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.write(writing, bytes([returned & 0xFF]))
    os.close(writing)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            os._exit(0)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
