# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's modules that a virtual machine needs, with everything that they need themselves."""

from __future__ import annotations

from pathlib import Path

from .packages import BuildError, run

# libvirt.xsl of a node makes virtio, IDE or SCSI disks and virtio cards; xen- is for nodes with Xen. Those that the
# kernel has built in, or does not have, are left out silently. systemd requests autofs4.
WANTED = (
    'virtio_pci',
    'virtio_blk',
    'virtio_net',
    'virtio_scsi',
    'virtio-rng',
    'sd_mod',
    'ata_piix',
    'evdev',
    'xen-blkfront',
    'xen-netfront',
    'autofs4',
)


def needed(tree: Path) -> tuple[str, list[Path]]:
    """The kernel's release and the files below ``tree`` that make ``modprobe`` work for :data:`WANTED`."""
    release = next((tree / 'lib/modules').iterdir()).name
    run('depmod', '-b', tree, release)
    base = tree / 'lib/modules' / release
    depends = {}
    for line in (base / 'modules.dep').read_text().splitlines():
        module, others = line.split(':')
        depends[module] = others.split()
    by_name = {Path(module).name.split('.')[0].replace('-', '_'): module for module in depends}
    chosen: set[str] = set()
    for name in WANTED:
        found = by_name.get(name.replace('-', '_'))
        if found:
            chosen.update([found, *depends[found]])
    if not any('virtio_blk' in module for module in chosen):
        raise BuildError(f'kernel {release} has no module virtio_blk')
    return release, [base / module for module in sorted(chosen)] + [base / 'modules.order', base / 'modules.builtin']


def install(tree: Path, into: Path) -> str:
    """Copy the needed modules of ``tree`` below ``into`` (``lib/modules/...``), with an index. Returns the release."""
    release, files = needed(tree)
    for file in files:
        target = into / file.relative_to(tree)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    run('depmod', '-b', into, release)
    return release
