# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The defaults of the role image_build, as they are written and as they are evaluated for a system outside of the catalogue."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import yaml
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build import recipe

COLLECTION = Path(recipe.__file__).resolve().parents[3]
ROLE = COLLECTION / 'roles/image_build'
SPECS = yaml.safe_load((ROLE / 'meta/argument_specs.yml').read_text())['argument_specs']
DEFAULTS: dict[str, t.Any] = yaml.safe_load((ROLE / 'defaults/main.yml').read_text())
NO_SYSTEM: dict[str, t.Any] = yaml.safe_load((ROLE / 'vars/main.yml').read_text())['__image_build_no_system']
OF_THE_SYSTEM = re.compile(r'\{\{ __image_build_system\.(\w+) \}\}')


def _evaluated(name: str, value: t.Any) -> t.Any:
    found = OF_THE_SYSTEM.fullmatch(value) if isinstance(value, str) else None
    if found:
        return NO_SYSTEM[found[1]]
    return '' if re.fullmatch('image_build_(kernel|ramdisk)(_checksum)?', name) else value


EVALUATED = {
    **{name: _evaluated(name, value) for name, value in DEFAULTS.items()},
    'image_build_media_cache': '/var/tmp/media',
}
