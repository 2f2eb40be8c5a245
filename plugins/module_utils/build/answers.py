# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's own answer files: the installer that reads each, and the inputs that this installer does not support."""

from __future__ import annotations

import re
import typing as t

# By file name in roles/image_build/templates.
FAMILIES = {
    'kickstart.cfg.j2': 'anaconda',
    'preseed.cfg.j2': 'debian-installer',
    'user-data.j2': 'subiquity',
    'autoyast.xml.j2': 'yast',
    'agama.json.j2': 'agama',
    'fai.sh.j2': 'fai',
}
WEB = re.compile(r'https?://[^/?#\s]+\S*', re.IGNORECASE)
WEB_OR_FTP = re.compile(r'(https?|ftp)://[^/?#\s]+\S*', re.IGNORECASE)
# Installers that learn from the answer file where the packages are. YaST and Agama learn it from their boot parameters.
NEED_SOURCE = {'anaconda': WEB_OR_FTP, 'debian-installer': WEB}  # without FTP since Debian 9
PACKAGE = re.compile(r'[A-Za-z0-9][A-Za-z0-9+._:~=-]*')
# MiB. No installed system is smaller: this finds layouts that leave no room, not volumes that are small. The answer files have the
# same sizes. TABLES is for alignment and the tables of partitions and LVM, and includes GRUB's partition on a GPT disk.
BOOT, LEAST_ROOT, TABLES = 1024, 768, 16


def problems(template: str, values: t.Mapping[str, t.Any]) -> list[str]:
    """A sentence for each input (by its name without prefix) with which this template of the role cannot be used."""
    family = FAMILIES.get(template)
    if family is None:
        return []
    return [
        *_source(template, family, values),
        *_packages(template, family, values),
        *_layout(values),
        *_old(family, values),
        *_suse(template, family, values),
        *_fai(family, values),
    ]


def _source(template: str, family: str, values: t.Mapping[str, t.Any]) -> list[str]:
    if family not in NEED_SOURCE:
        return []
    name = 'package_mirror' if values['package_mirror'] else 'install_url'
    if NEED_SOURCE[family].fullmatch(values[name]):
        return []
    schemes = 'http(s) or ftp' if family == 'anaconda' else 'http(s)'
    return [
        f"image_build_{name} must be the {schemes} URL of the system's packages, not {values[name]!r}: "
        f'{template} of this role installs from it.'
    ]


def _packages(template: str, family: str, values: t.Mapping[str, t.Any]) -> list[str]:
    """Only kickstarts have groups and exclusions."""
    wrong = [] if family == 'anaconda' else [one for one in values['packages'] if not PACKAGE.fullmatch(one)]
    return [f'image_build_packages must be names of packages with {template}, not {one!r}.' for one in wrong]


def has_boot(values: t.Mapping[str, t.Any]) -> bool:
    """Whether /boot is a partition of its own: every GRUB of these systems reads ext4, but not every one reads LVM and XFS."""
    return bool(values['disk_layout'] == 'lvm' or values['filesystem'] == 'xfs')


def _layout(values: t.Mapping[str, t.Any]) -> list[str]:
    needed = TABLES + LEAST_ROOT + values['swap'] + (BOOT if has_boot(values) else 0)
    if needed <= values['volume_size'] * 1024:
        return []
    parts = [f'{values["swap"]} MiB of swap'] if values['swap'] else []
    parts += [f'{BOOT} MiB of /boot'] if has_boot(values) else []
    return [
        f'image_build_volume_size is {values["volume_size"]} GiB, and the layout needs {needed} MiB: '
        f'{", ".join([*parts, f"{LEAST_ROOT} MiB for the root file system"])} and {TABLES} MiB for tables and alignment.'
    ]


def _old(family: str, values: t.Mapping[str, t.Any]) -> list[str]:
    """Limits of EL6, whose Anaconda makes no XFS (an add-on of Red Hat) and whose own packages have no cloud-init (EPEL has)."""
    if family != 'anaconda' or values['kickstart_version'] != 'RHEL6':
        return []
    found = []
    if values['filesystem'] == 'xfs':
        found.append('image_build_filesystem: the installer of RHEL6 cannot make XFS. Use ext4.')
    if values['cloud_init']:
        found.append(
            'image_build_cloud_init: RHEL6 has no package cloud-init. Use false; the image then fetches the key by itself.'
        )
    return found


def _suse(template: str, family: str, values: t.Mapping[str, t.Any]) -> list[str]:
    found = []
    if family in ('yast', 'agama') and values['package_mirror']:
        found.append(
            f'image_build_package_mirror: {template} does not support it. The installer takes packages from image_build_mirror.'
        )
    if family == 'agama' and values['proxy']:
        found.append(
            f'image_build_proxy: {template} does not support it. Add the boot parameter proxy=URL to image_build_installer_options.'
        )
    return found


def _fai(family: str, values: t.Mapping[str, t.Any]) -> list[str]:
    if family != 'fai' or WEB_OR_FTP.fullmatch(values['install_url']):
        return []
    return [
        "image_build_install_url must be the http(s) or ftp URL of the directory with FAI's squash.img, not "
        f'{values["install_url"]!r}. image_build_mirror sets it for a system of the catalogue.'
    ]
