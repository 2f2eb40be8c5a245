# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node's $EUCALYPTUS with the files of a package. Like %config(noreplace), it never replaces a file."""

from __future__ import annotations

from .model import Settings, make_directory
from .stylesheet import shipped

CONFIGURATION = """\
EUCALYPTUS="{home}"
EUCA_USER="{user}"
HYPERVISOR="{hypervisor}"
INSTANCE_PATH="{instances}"
USE_VIRTIO_DISK="1"
USE_VIRTIO_ROOT="1"
USE_VIRTIO_NET="1"
"""


def prepare_home(settings: Settings) -> None:
    """Make the directories that the node reads and writes, its configuration and its stylesheet."""
    etc = settings.stylesheet.parent
    (etc / 'nc-hooks').mkdir(parents=True, exist_ok=True)
    configuration = etc / 'eucalyptus.conf'
    if not configuration.exists():
        configuration.write_text(
            CONFIGURATION.format(
                home=settings.home, user=settings.config.hook_user, hypervisor=settings.hypervisor, instances=settings.instances
            )
        )
    if not settings.stylesheet.exists():
        settings.stylesheet.write_bytes(shipped(settings.shape))
        settings.stylesheet.chmod(0o644)
    (etc / 'eucalyptus-version').write_text(f'{settings.shape.release}\n')
    # The hypervisor's user must be able to enter all of them.
    make_directory(settings.home / 'var/log/eucalyptus', settings.owner, 0o755)
    for path in (settings.home / 'var/lib/eucalyptus', settings.instances, settings.instances / 'work', settings.cache):
        make_directory(path, settings.owner, 0o711)
    for partial in settings.cache.glob('*.partial'):
        partial.unlink()  # an unfinished download of the previous process
