# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node that launches instances without pause, and two variants of the hook that cannot be taken for each other."""

from __future__ import annotations

import base64
import hashlib
import json
import multiprocessing
import os
import shutil
import stat
import subprocess
import time
import typing as t
from pathlib import Path
from xml.etree import ElementTree

from tests.nodes.fleet import CHECKOUT

FILES = CHECKOUT / 'roles/nc_hooks/files'
INSTANCE = """<?xml version="1.0" encoding="UTF-8"?>
<instance><name>i-0a1b2c3d</name><account>000000000042</account><kernelId>eki-0a1b2c3d</kernelId><userData>{}</userData></instance>
"""
DOMAIN = """<?xml version="1.0" encoding="UTF-8"?>
<domain type="kvm"><name>i-0a1b2c3d</name><os><type>hvm</type><kernel>/k</kernel><cmdline>root=/dev/vda1</cmdline></os>
<on_reboot>restart</on_reboot><devices/></domain>
"""
VALUE = 'inst.ks=http://192.0.2.7/ks.cfg?a=1&b=2 console=ttyS0'


def make_variant(directory: Path, name: str) -> Path:
    """The hook and its helpers, changed so that each file names its variant. The hook notes, last of all, which helpers
    of another variant it finds where it looks for them, and then its own name."""
    directory.mkdir()
    for path in FILES.iterdir():
        if path.name != 'policy.conf':
            shutil.copy(path, directory)
    for path in directory.glob('*.xsl'):
        path.write_text(path.read_text() + f'<!-- variant-{name} -->\n')
    hook = directory / 'bootparams'
    lines = hook.read_text().rstrip('\n').split('\n')
    assert lines[-1] == 'exit 0', 'the hook does not end as this expects'
    lines[-1:] = [
        'for file in get-user-data.xsl insert-boot-params.xsl policy.conf; do',
        f'  grep -q "variant-{name}" "$conf/$file" || printf "%s\\n" "$file" >>"$inst/mixed"',
        'done',
        f'printf "%s\\n" {name} >>"$inst/variant"',
        'exit 0',
    ]
    hook.write_text('\n'.join(lines) + '\n')
    return directory


def make_installer(directory: Path, name: str) -> dict[str, str]:
    """An installer in the form of nc_hook's option, whose two files name their variant."""
    installer = {'name': 'quick'}
    for part in ('kernel', 'ramdisk'):
        path = directory / f'{part}.{name}'
        path.write_text(f'{part} of variant {name}\n' * 5000)
        installer |= {part: str(path), f'{part}_sha256': hashlib.sha256(path.read_bytes()).hexdigest()}
    return installer


def policy_of(name: str) -> dict[str, t.Any]:
    return {'forbidden': [f'variant-{name}']}


class Launch(t.NamedTuple):
    variant: str
    problem: str


def launch(home: Path, instance: Path) -> Launch:
    """One pre-boot event by the rules of the node controller (node/hooks.c): every regular file with any x bit is called."""
    shutil.rmtree(instance, ignore_errors=True)
    instance.mkdir()
    user_data = base64.b64encode(f'bootparams={VALUE}\n'.encode()).decode()
    (instance / 'instance.xml').write_text(INSTANCE.format(user_data))
    (instance / 'instance-libvirt.xml').write_text(DOMAIN)
    hooks = []
    for entry in os.scandir(home / 'etc/eucalyptus/nc-hooks'):
        try:
            mode = os.stat(entry.path).st_mode
        except FileNotFoundError:
            continue
        if stat.S_ISREG(mode) and mode & 0o111:
            hooks.append(entry.path)
    if len(hooks) != 1:
        return Launch('', f'{len(hooks)} executables: {hooks}')
    status = subprocess.run([hooks[0], 'euca-nc-pre-boot', str(home), str(instance)], capture_output=True, cwd='/', check=False)
    if status.returncode != 0:
        said = instance / 'console.append.log'
        return Launch('', f'status {status.returncode} {status.stderr!r} {said.read_text() if said.exists() else ""}')
    if ElementTree.parse(instance / 'instance-libvirt.xml').findtext('os/cmdline') != VALUE:
        return Launch('', 'the command line is not the requested one')
    if (instance / 'mixed').exists():
        return Launch('', f'a hook met helpers of another variant: {(instance / "mixed").read_text().split()}')
    return Launch((instance / 'variant').read_text().strip(), '')


class Launches:
    """Launches instances on a node without pause, in a process of its own, from ``start`` to ``stop``."""

    def __init__(self, home: Path, directory: Path) -> None:
        self.home = home
        self.result = directory / 'launches.json'
        self._instance = directory / 'i-0a1b2c3d'
        self._stop = multiprocessing.Event()
        self._process = multiprocessing.Process(target=self._work, daemon=True)

    def start(self) -> Launches:
        self._process.start()
        return self

    def stop(self) -> dict[str, t.Any]:
        """{'count': launches, 'variants': {name: count}, 'problems': [the first 20, in words]}"""
        self._stop.set()
        self._process.join(120)
        return json.loads(self.result.read_text())

    def _work(self) -> None:
        count, variants, problems = 0, dict[str, int](), []
        while not self._stop.is_set():
            found = launch(self.home, self._instance)
            count += 1
            if found.problem:
                problems.append(f'launch {count}, {time.time():.3f}: {found.problem}')
            else:
                variants[found.variant] = variants.get(found.variant, 0) + 1
        self.result.write_text(json.dumps({'count': count, 'variants': variants, 'problems': problems[:20]}))
