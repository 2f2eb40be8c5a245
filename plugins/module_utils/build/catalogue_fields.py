# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields of the catalogue's entries: their meaning and their check, for the collection's own data and for a user's."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.eucalyptus.cloud.plugins.module_utils.build import checks, remote

# The sources of a checksum, as docs/systems.md explains them.
TRUST = ('release', 'detached', 'treeinfo', 'none')
PROOFS = {
    'run': 'Whole builds run in the lab, with `make test` or `make believe`.',
    'checked': "Part of it is checked here: the answer file by the installer's own validator, or the installer runs in part.",
    'read': "It is known only from the distribution's sources and documentation.",
}
PROCESSORS = ('x86-64-v1', 'x86-64-v2', 'x86-64-v3')


@dataclass(frozen=True)
class Field:
    """One field. The check returns the rest of a sentence that begins with the field's name, or ''."""

    meaning: str
    check: t.Callable[[t.Any], str]
    required: bool = True


def text(value: t.Any) -> str:
    return '' if isinstance(value, str) and value.isprintable() else f'must be a string in one line, not {value!r}'


def _path(value: t.Any) -> str:
    if text(value):
        return text(value)
    return 'must be a path below the mirror, which does not begin with a slash' if value.startswith('/') else ''


def _base(value: t.Any) -> str:
    return text(value) or (checks.mirror(value) if value else '')


def _directory(value: t.Any) -> str:
    return _path(value) or ('' if not value or value.endswith('/') else 'must end with a slash')


def _among(*choices: str) -> t.Callable[[t.Any], str]:
    return lambda value: text(value) or checks.among(*choices)(value)


def _pattern(value: t.Any) -> str:
    return text(value) or checks.pattern(value)


def _memory(value: t.Any) -> str:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return checks.positive('MiB')(value) if whole else f'must be a whole number of MiB, not {value!r}'


def _switch(value: t.Any) -> str:
    return '' if isinstance(value, bool) else f'must be true or false, not {value!r}'


def _architectures(value: t.Any) -> str:
    if not isinstance(value, dict) or not value or set(value) - set(checks.ARCHITECTURES):
        return f"must map {' and '.join(checks.ARCHITECTURES)} to the distribution's own names, not {value!r}"
    return next((problem for name in value.values() if (problem := text(name))), '')


def _sha256(value: t.Any) -> str:
    good = isinstance(value, dict) and all(
        architecture in checks.ARCHITECTURES
        and isinstance(sums, dict)
        and set(sums) == {'kernel', 'ramdisk'}
        and all(isinstance(digits, str) and re.fullmatch('[0-9a-f]{64}', digits) for digits in sums.values())
        for architecture, sums in value.items()
    )
    return '' if good else f'must have the form {{x86_64: {{kernel: HEX, ramdisk: HEX}}}} with 64 digits each, not {value!r}'


FIELDS = {
    'title': Field('Name for people.', text),
    'installer': Field('Family of the installer; see `image_build_installer_family`.', _among(*remote.WAYS)),
    'mirror': Field("The distribution's own host. Empty if it offers nothing to the public.", _base),
    'archive': Field('Host to which old releases move, for files that the mirror does not have.', _base, False),
    'tree': Field('Directory of the installation source below the mirror.', _directory),
    'suite': Field('Code name.', text, False),
    'kernel': Field('Kernel below the mirror, or in the archive that `bundle_pattern` names; empty if there is none.', _path),
    'ramdisk': Field('Initial ramdisk, likewise.', _path),
    'sha256': Field(
        'Reviewed SHA-256 sums of a release that does not change, `{x86_64: {kernel: HEX, ramdisk: HEX}}`. Other versions do not '
        'inherit them.',
        _sha256,
        False,
    ),
    'trust': Field('Source of the checksums, as listed above.', _among(*TRUST)),
    'checksums': Field('File with the checksums below the mirror.', _path, False),
    'signature': Field('Detached signature of that file.', _path, False),
    'release': Field('Directory of the signed InRelease, which has the checksum of that file.', _directory, False),
    'keyring': Field("Keyring of the distribution's keys on the controller, where its package puts it.", text, False),
    'bundle_pattern': Field(
        'Archive with kernel and ramdisk, a regular expression of its name among the checksums.', _pattern, False
    ),
    'iso_pattern': Field('ISO for `ISO-URL`, likewise.', _pattern, False),
    'iso': Field('ISO for `ISO-URL` below the mirror.', _path, False),
    'architectures': Field("Architectures, with the distribution's names for them.", _architectures),
    'answer_file': Field('Template of the answer file.', text),
    'kickstart_version': Field('Version of kickstart, for Anaconda.', text, False),
    'unattended': Field('Boot parameters of an installation with an answer file.', text),
    'interactive': Field('Boot parameters of an installation by hand.', text),
    'memory': Field('Minimum memory of the installer, in MiB.', _memory),
    'processor': Field('Minimum level of the processor.', _among(*PROCESSORS)),
    'disk_label': Field('Disk label that the installer makes unless its answer file names one.', _among('msdos', 'gpt')),
    'network_names': Field("The system's own name for its network card. With the answer files of the role, it is eth0.", text),
    'cloud_init': Field(
        'Whether the installation source has cloud-init: the default of `image_build_cloud_init`, which is false otherwise.',
        _switch,
        False,
    ),
    'login_prompt': Field('Regular expression of the login prompt, if it is unusual.', _pattern, False),
    'last': Field('True if no newer version follows.', _switch, False),
    'note': Field('Condition of use, as the end of a sentence that begins with the name.', text, False),
    'proof': Field('Level of proof.', _among(*PROOFS)),
}
LIKE = 'like'
REQUIRED = [name for name, field in FIELDS.items() if field.required]


def problems_of(fields: t.Mapping[t.Any, t.Any]) -> list[str]:
    """The rest of a sentence for each wrong field of an entry, which begins with the field's name."""
    problems = []
    for name, value in fields.items():
        if name == LIKE:
            problem = text(value)
        elif name in FIELDS:
            problem = FIELDS[name].check(value)
        else:
            problem = f'is not a field; the nearest are {", ".join(checks.nearest(str(name), FIELDS)[:3])}'
        problems += [f'{name} {problem}'] if problem else []
    return problems
