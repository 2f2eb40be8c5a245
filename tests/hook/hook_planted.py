# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links and FIFOs where the hook writes."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tests.hook.hook_shapes import Shape, encode
from tests.hook.hook_world import ENVIRONMENT, PRE_BOOT, SHELLS, World, orphans

PLANTED = ('link', 'dangling link', 'tenant FIFO', 'FIFO', 'temporary', 'dangling temporary', 'original', 'dangling original')


def planted(world: World, what: str, shell: str = 'dash', seconds: float = 60) -> bool:
    """Run the hook with something planted; return whether it ended and left the planted file and a link's target unchanged.

    A hook that has not ended after so many seconds waits for ever, as at a FIFO.
    """
    world.put(Shape(), encode(b'bootparams=a\n'))
    victim = world.home / 'victim'
    victim.unlink(missing_ok=True)
    if not what.startswith('dangling'):
        victim.write_bytes(b'precious\n')
    before = victim.exists()
    fifo = {'tenant FIFO': world.tenant_log, 'FIFO': world.log}.get(what)
    code = run(world, shell, what.split()[-1], victim, fifo, seconds)
    right = victim.exists() == before and (not before or victim.read_bytes() == b'precious\n')
    if what.endswith('original'):
        return right and code == 1 and world.libvirt_file.read_bytes() == world.domain
    done = b'<cmdline>a console=ttyS0</cmdline>' in world.libvirt_file.read_bytes()
    return right and code == 0 and done and not world.libvirt_file.is_symlink()


def run(world: World, shell: str, kind: str, victim: Path, fifo: Path | None, seconds: float) -> int | None:
    """Give the exit status, None when it had to be ended."""
    if fifo:
        os.mkfifo(fifo)
    elif kind == 'link':
        world.tenant_log.symlink_to(victim)
    elif kind == 'original':
        Path(f'{world.libvirt_file}.orig').symlink_to(victim)
    pid = start_with_link(world, shell, victim) if kind == 'temporary' else world.start(shell)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    orphans()  # what it had started is not to be taken for the next one's
    return None


def start_with_link(world: World, shell: str, victim: Path) -> int:
    """Start the hook with a link where its own temporary file will be: a shell prints its process id, then becomes the hook."""
    wrapper = world.cwd / 'wrapper'
    wrapper.write_text(f'ln -s "{victim}" "{world.libvirt_file}.new.$$"\nexec "$@"\n')
    argv = [*SHELLS[shell], str(world.hook), PRE_BOOT, str(world.home), str(world.directory)]
    return os.posix_spawn('/bin/sh', ['/bin/sh', str(wrapper), *argv], ENVIRONMENT)
