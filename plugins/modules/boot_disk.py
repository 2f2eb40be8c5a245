#!/usr/bin/python
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: eucalyptus.cloud contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: boot_disk
short_description: Make a disk image that boots an installer
version_added: 0.1.0
description:
  - Makes a raw disk image from an installer's kernel, its ramdisk and kernel parameters. Registered by
    M(eucalyptus.cloud.image) with C(virtualization_type=hvm), it starts the installer in an instance without a hook on
    the node controllers, and without a registered kernel or ramdisk, which only administrators can register.
  - The image boots by BIOS with syslinux, and with O(uefi) also by UEFI on x86_64. It is as small as its contents allow.
  - The same inputs always make the same bytes.
author: The eucalyptus.cloud contributors (@eucalyptus)
options:
  dest:
    description:
      - Path of the disk image. Its directory must exist. An existing file with other content is replaced in one step.
      - Only its owner can read a new file, because the parameters may contain a secret URL.
    type: path
    required: true
  kernel:
    description:
      - Kernel of the installer for x86 (a bzImage). A path on the machine on which the module runs, or an C(http) or
        C(https) URL.
      - A URL is downloaded at every run, because boot disks are compared by content.
    type: str
    required: true
  kernel_checksum: {type: str, description: "Checksum of O(kernel), for example V(sha256:9f86d0…). Required for a URL."}
  ramdisk: {type: str, required: true, description: "Ramdisk of the installer, a path or a URL as for O(kernel)."}
  ramdisk_checksum: {type: str, description: Checksum of O(ramdisk). Required for a URL.}
  parameters:
    description:
      - Kernel command line, in one line of printable ASCII. It reaches the kernel unchanged, between C(BOOT_IMAGE=) and
        C(initrd=), which syslinux adds.
      - At most 2022 characters, or fewer if the kernel reads a shorter command line.
    type: str
    default: ""
  uefi:
    description: Whether the image also boots by UEFI. Node controllers of Eucalyptus start instances by BIOS.
    type: bool
    default: true
  memory:
    description: Memory of the instance in MiB. If kernel and ramdisk do not fit into it, the module fails.
    type: int
  validate_certs: {type: bool, default: true, description: Whether to verify the certificate of an C(https) URL.}
  ca_path: {type: path, description: "File or directory of certificates to trust in addition to the system's."}
extends_documentation_fragment:
  - eucalyptus.cloud.attributes
requirements:
  - syslinux and mtools
  - "for O(uefi) the files of syslinux for UEFI (Debian: syslinux-efi)"
notes:
  - The module makes the image in E(TMPDIR) (default C(/var/tmp)), even in check mode, and compares it with O(dest).
seealso: [{module: eucalyptus.cloud.image}, {module: eucalyptus.cloud.instance}]
"""

EXAMPLES = r"""
- name: Make a disk that starts Debian's installer with a preseed file
  eucalyptus.cloud.boot_disk:
    dest: /srv/installer/debian-boot.img
    kernel: /srv/installer/linux
    ramdisk: /srv/installer/initrd.gz
    parameters: auto=true priority=critical url=http://169.254.169.254/latest/user-data console=ttyS0

- name: Register it
  eucalyptus.cloud.image:
    eucarc: ~/.euca/eucarc
    name: debian-boot
    src: /srv/installer/debian-boot.img
    virtualization_type: hvm
  register: boot

- name: Start the installer
  eucalyptus.cloud.instance:
    eucarc: ~/.euca/eucarc
    name: debian-installer
    image_id: "{{ boot.image.image_id }}"
    user_data: "{{ lookup('ansible.builtin.file', 'preseed.cfg') }}"
"""

RETURN = r"""
boot_disk:
  description: The disk image, in check mode as it would be.
  returned: success
  type: dict
  contains:
    path: {type: str, description: Its path.}
    size: {type: int, sample: 32112640, description: Its size in bytes.}
    sha256: {type: str, description: SHA-256 of its content.}
    memory: {type: int, sample: 78, description: MiB of memory that kernel and ramdisk need before the installer starts.}
    label: {type: str, sample: EUCA-BOOT, description: "Label of its file system, by which an installer recognises the disk."}
actions:
  description: The steps that were taken, or in check mode would be taken.
  returned: always
  type: list
  elements: str
  sample: [write boot disk /srv/installer/debian-boot.img]
"""

import contextlib
import functools
import hashlib
import os
import shutil
import tempfile
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.secrets import secret_parts, shown
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image import boot_disk
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.source import Scratch, raw_image
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan

ARGUMENT_SPEC = {
    'dest': {'type': 'path', 'required': True},
    # Those with no_log stay out of the system's log; in the result only their secrets are masked.
    'kernel': {'type': 'str', 'required': True, 'no_log': True},
    'kernel_checksum': {'type': 'str'},
    'ramdisk': {'type': 'str', 'required': True, 'no_log': True},
    'ramdisk_checksum': {'type': 'str'},
    'parameters': {'type': 'str', 'default': '', 'no_log': True},
    'uefi': {'type': 'bool', 'default': True},
    'memory': {'type': 'int'},
    'validate_certs': {'type': 'bool', 'default': True},
    'ca_path': {'type': 'path'},
}
SECRET = ('parameters', 'kernel', 'ramdisk')


def described(path: str) -> dict[str, t.Any] | None:
    """Path, size and SHA-256 of a file; None if there is none."""
    digest = hashlib.sha256()
    try:
        with open(path, 'rb') as file:
            while stretch := file.read(1 << 20):
                digest.update(stretch)
            return {'path': path, 'size': file.tell(), 'sha256': digest.hexdigest()}
    except FileNotFoundError:
        return None


def make(params: dict[str, t.Any], stack: contextlib.ExitStack) -> tuple[str, boot_disk.BootDisk]:
    """Make the image in a temporary file; return its path and the image. Raises CollectionError, OSError."""
    opener = functools.partial(open_url, validate_certs=params['validate_certs'], timeout=60, decompress=False)
    paths = {
        part: str(stack.enter_context(raw_image(params[part], part, opener, params[f'{part}_checksum'], params['ca_path'])).path)
        for part in ('kernel', 'ramdisk')
    }
    names = {f'{part}_name': shown(params[part]) for part in paths}
    inputs = boot_disk.Inputs(**paths, **names, parameters=params['parameters'].strip(), uefi=params['uefi'])
    disk = boot_disk.BootDisk(inputs)
    if params['memory'] is not None:
        disk.needs.check_memory(params['memory'])
    made = Scratch(stack).new()
    disk.write(made)
    return made, disk


def place(made: str, dest: str) -> None:
    """Put a copy of the file ``made`` in the place of ``dest``, in one step. A file that exists keeps its mode."""
    descriptor, temporary = tempfile.mkstemp(prefix=f'.{os.path.basename(dest)}.', dir=os.path.dirname(dest) or '.')
    try:
        with os.fdopen(descriptor, 'wb') as target, open(made, 'rb') as source:
            shutil.copyfileobj(source, target, 1 << 20)
        if os.path.exists(dest):
            shutil.copymode(dest, temporary)
        os.replace(temporary, dest)
    except BaseException:
        os.unlink(temporary)
        raise


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Return the module's result."""
    params = module.params
    dest = params['dest']
    directory = os.path.dirname(dest) or '.'
    if os.path.isdir(dest) or not os.path.isdir(directory):
        problem = f'{dest} is a directory' if os.path.isdir(dest) else f'There is no directory {directory}'
        raise boot_disk.BootDiskError(f'{problem}. Set dest to a file in an existing directory.')
    found = described(dest)
    plan = Plan(found)
    with contextlib.ExitStack() as stack:
        made, disk = make(params, stack)
        wanted = {**(described(made) or {}), 'path': dest}
        if wanted != found:
            plan.step(f'write boot disk {dest}', functools.partial(place, made, dest), **wanted)
        if not module.check_mode:
            plan.do_steps()
    result = {**wanted, 'memory': disk.needs.memory, 'label': boot_disk.LABEL}
    return {'changed': plan.changed, 'diff': plan.diff(), 'actions': plan.descriptions, 'boot_disk': result}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    module.no_log_values = set().union(*(secret_parts(module.params[name]) for name in SECRET))
    try:
        result = run(module)
    except (CollectionError, OSError) as error:
        named = f'{error.filename}: {error.strerror}.' if isinstance(error, OSError) and error.filename else str(error)
        module.fail_json(msg=named, actions=[])
    module.exit_json(**result)


if __name__ == '__main__':
    main()
