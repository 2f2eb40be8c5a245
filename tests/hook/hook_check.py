# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that must hold after any run of the hook, whatever the tenant sent."""

from __future__ import annotations

import re

from lxml import etree

from tests.hook.hook_oracle import Verdict, canonical, judge
from tests.hook.hook_world import World

LOG_LINE = re.compile(rb'[ -~]+\n\Z')


def check(world: World, shell: str = 'dash', secret: bytes = b'') -> Verdict:
    """Run the hook on what World.put has put there; raise AssertionError when anything is not as it must be."""
    shape = world.shape
    verdict = judge(world.user_data, world.policy, shape.owner, shape.known_kernel, world.domain, str(world.home))
    before = world.snapshot()
    result = world.run(shell)
    after = world.snapshot()
    assert result.code == verdict.code, f'exit {result.code}, expected {verdict.code}: {messages(world)!r}'
    assert result.output == b'', f'the hook printed {result.output!r}'
    assert not result.left, 'a process outlived the hook'
    if verdict.silent:
        assert after == before, f'files changed without a marker: {sorted(after.items() ^ before.items())}'
        return verdict
    check_files(world, verdict, before, after)
    if verdict.hidden:
        assert world.tenant_log.exists(), 'the tenant is not informed'
        assert world.tenant_log.read_bytes().startswith(b'bootparams: ignored: the line bootparams= is in '), messages(world)
        return verdict
    check_logs(world, verdict, secret)
    return verdict


def check_files(world: World, verdict: Verdict, before: dict, after: dict) -> None:
    file, original = str(world.libvirt_file), f'{world.libvirt_file}.orig'
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    logs = {str(world.log), str(world.tenant_log)}
    assert changed <= {file, original, *logs}, f'other files changed: {changed}'
    if not verdict.applied:
        assert file not in changed and original not in after, 'a refusal changed the libvirt file'
        return
    assert after[file][0] == before[file][0], 'the mode was not kept'
    assert after.get(original) == before[file], 'the original was not kept'
    assert after[file][1].endswith(b'</domain>\n')
    try:
        got = canonical(after[file][1])
    except etree.XMLSyntaxError as error:
        raise AssertionError(f'not well-formed: {error}') from None
    assert got == verdict.domain, f'domain is\n{got.decode()}\nexpected\n{verdict.domain.decode()}'


def check_logs(world: World, verdict: Verdict, secret: bytes) -> None:
    log, tenant = world.log.read_bytes(), world.tenant_log.read_bytes()
    word = b'applied' if verdict.applied else b'ignored' if verdict.code == 0 else b'refused'
    assert LOG_LINE.match(log) and LOG_LINE.match(tenant), f'not one line of printable text: {log!r} {tenant!r}'
    assert b' %s %s %s: ' % (world.shape.instance.encode(), world.shape.owner.encode(), word) in log, log
    assert tenant.startswith(b'bootparams: %s: ' % word), tenant
    secrets = [text for text in (secret, world.policy.vnc_password.encode()) if text]
    for text in secrets:
        assert text not in tenant, f'secret in {tenant!r}'
        assert text not in log or (text == secret and world.policy.log_value == 'yes'), f'secret in {log!r}'
    if verdict.applied and world.policy.log_value == 'yes':
        assert log.endswith(b': ' + verdict.value + b'\n') or not verdict.value.strip(), log


def messages(world: World) -> str:
    return world.log.read_text(errors='replace') if world.log.exists() else '(nothing logged)'
