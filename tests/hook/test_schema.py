# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's own schema accepts each result whose input it accepts."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from lxml import etree

from tests.hook.hook_check import check
from tests.hook.hook_shapes import KINDS, VERSIONS, Shape, encode

SCHEMA = Path('/usr/share/libvirt/schemas/domain.rng')
DATA = encode(b'bootparams=ks=http://h/?a=1&b=<2> "x y"\ninstaller=fedora-40\nconsole=vnc\n')
pytestmark = pytest.mark.skipif(not SCHEMA.exists(), reason="libvirt's schemas are not installed")


@pytest.fixture(name='schema', scope='module')
def fixture_schema() -> etree.RelaxNG:
    return etree.RelaxNG(etree.parse(SCHEMA))


@pytest.mark.parametrize('kind', KINDS)
def test_a_valid_domain_stays_valid(build, schema, kind):
    world = build(installers='*', vnc='yes', vnc_listen='192.0.2.1', vnc_password='secret')
    valid = 0
    for version in VERSIONS:
        world.put(Shape(version, kind), DATA)
        if schema.validate(etree.fromstring(world.domain)):
            assert check(world).applied
            schema.assertValid(etree.parse(world.libvirt_file))
            valid += 1
    assert valid >= 2


@pytest.mark.skipif(not shutil.which('virt-xml-validate') or not shutil.which('xmllint'), reason='needs both programs')
def test_virt_xml_validate_accepts_it(build):
    world = build(installers='*', vnc='yes')
    world.put(Shape('4.0', 'ebs'), DATA)
    validate(world.libvirt_file)
    assert check(world).applied
    validate(world.libvirt_file)


def validate(file: Path) -> None:
    done = subprocess.run(['virt-xml-validate', str(file), 'domain'], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
