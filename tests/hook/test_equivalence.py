# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hook and the module libvirt_xml make the same domain of the same input, whatever the domain is."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.node import domain_xml
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from lxml import etree

from tests.hook.hook_oracle import Policy, canonical
from tests.hook.hook_shapes import KINDS, VERSIONS, Shape, encode
from tests.hook.hook_world import World

# no DEL: the hook uses it between its fields and refuses a domain that has one
LEGAL = st.characters(min_codepoint=0x20, exclude_categories=['Cs', 'Cn'], exclude_characters='\x7f\ufffe\uffff')
TEXT = st.text(LEGAL, max_size=12)
MIXED = TEXT | st.text('\t\n\r &<>"\'', max_size=5)
VALUE = (
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60)
    | st.text('a-" ', max_size=20)
    | st.sampled_from(
        [
            '',
            ' ',
            '--',
            'a -- b',
            'x="a -- b" -- c',
            'a "--" console=b',
            'console=a -- b',
            'console=',
            '"console=x',
            'x' * 2034,
            ' ' * 2048,
            'y' * 2048,
            'z\x7f',
            'ä',
            'a\tb',
        ]
    )
)
NAMES = st.sampled_from(['x', 'kernel', 'cmdline', 'graphics', 'os', 'on_reboot', '{urn:q}kernel', '{urn:q}x'])


@st.composite
def foreign(draw: st.DrawFn) -> etree._Element:
    """Anything that is not to be touched."""
    kind = draw(st.integers(0, 4))
    if kind == 0:
        node = etree.Comment(draw(TEXT).replace('-', '='))
    elif kind == 1:
        node = etree.PI('target', draw(TEXT).replace('?', '!').lstrip())
    else:
        node = etree.Element(draw(NAMES) if kind == 2 else '{urn:q}x', {'a': draw(MIXED), '{urn:r}b': draw(MIXED)})
        node.text = draw(MIXED)
        if kind == 4:
            node.append(etree.Element(draw(NAMES)))
    node.tail = draw(MIXED)
    return node


@st.composite
def domains(draw: st.DrawFn) -> bytes:
    """A domain with everything in any order, mostly with a kernel, now and then with something missing or doubled."""
    root = etree.Element('domain', type=draw(MIXED), nsmap=draw(st.sampled_from([{}, {'q': 'urn:q'}])))
    root.text = draw(MIXED)
    parts = [('os', 1), ('on_reboot', draw(st.sampled_from([0, 1, 1, 1, 1, 1, 2])))]
    parts += [('devices', draw(st.sampled_from([1] * 9 + [0, 2])))]
    for tag, count in draw(st.permutations(parts)):
        for _ in range(count):
            part = etree.SubElement(root, tag)
            part.text, part.tail = draw(MIXED), draw(MIXED)
    os_ = root.find('os')
    children = [('type', draw(st.sampled_from([1] * 19 + [0, 2])))]
    children += [('kernel', draw(st.sampled_from([1] * 9 + [0, 2])))]
    children += [(tag, draw(st.sampled_from([1, 1, 1, 0, 0, 0, 2]))) for tag in ('initrd', 'cmdline')]
    for tag, count in draw(st.permutations(children)):
        for _ in range(count):
            child = etree.SubElement(os_, tag, {'a': draw(MIXED)} if draw(st.booleans()) else {})
            child.text, child.tail = draw(MIXED), draw(MIXED)
    for place in (root, os_, *root.findall('devices'), *os_.findall('kernel'), *os_.findall('cmdline')):
        if draw(st.integers(0, 2)) == 0:
            place.insert(draw(st.integers(0, len(place))), draw(foreign()))
    if draw(st.integers(0, 4)) == 0:
        root.addprevious(etree.Comment('before'))
    encoding = draw(st.sampled_from(['UTF-8', 'UTF-8', 'US-ASCII', 'ISO-8859-1', 'UTF-16']))
    return etree.tostring(root.getroottree(), encoding=encoding, xml_declaration=True)


@pytest.fixture(name='worlds', scope='module')
def fixture_worlds() -> dict[bool, World]:
    with tempfile.TemporaryDirectory() as place:
        policies = {kept: Policy(installers='*', vnc='yes', on_reboot='restart' if kept else 'destroy') for kept in (False, True)}
        yield {kept: World(Path(place) / str(kept), policy) for kept, policy in policies.items()}


def compare(world: World, domain: bytes, value: str, installer: bool, vnc: bool) -> str:
    """Give both to hook and module; assert that they agree; give a word for what they did."""
    lines = [f'bootparams={value}', *(['installer=fedora-40'] if installer else []), *(['console=vnc'] if vnc else []), '']
    world.put(Shape(), encode('\n'.join(lines).encode()), domain)
    code = world.run().code
    pair = f'{world.home}/var/lib/eucalyptus/installers/fedora-40'
    try:
        expected = domain_xml.rewrite(
            domain,
            value,
            on_reboot='destroy' if world.policy.on_reboot == 'destroy' else None,
            kernel=f'{pair}/kernel' if installer else None,
            initrd=f'{pair}/ramdisk' if installer else None,
            graphics=('127.0.0.1', None) if vnc else None,
        )
    except domain_xml.InvalidDomain as error:
        assert code == 1, f'the module refuses ({error}), the hook does not: {world.libvirt_file.read_bytes()!r}'
        assert world.libvirt_file.read_bytes() == domain
        return 'refused'
    assert code == 0, f'the hook refuses: {world.tenant_log.read_bytes()!r}'
    assert canonical(world.libvirt_file.read_bytes()) == canonical(expected)
    return 'applied'


@settings(max_examples=120, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(domain=domains(), value=VALUE, installer=st.booleans(), vnc=st.booleans(), kept=st.booleans())
def test_hook_and_module_agree_on_any_domain(worlds, domain, value, installer, vnc, kept):
    event(compare(worlds[kept], domain, value, installer, vnc))


@pytest.mark.parametrize('kind', KINDS)
def test_hook_and_module_agree_on_every_version(worlds, kind):
    words = {
        compare(worlds[False], Shape(version, kind).libvirt_xml(), 'a=b&c \'d\' "e" -- f', installer, True)
        for version in VERSIONS
        for installer in (False, True)
    }
    assert words == ({'applied'} if kind.startswith('pv') else {'applied', 'refused'})
