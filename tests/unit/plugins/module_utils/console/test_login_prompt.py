# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's expression for the login prompt, which decides the boot test, finds what systems print."""

from __future__ import annotations

import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.text import Lines
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console.watch import compile_patterns, first_match
from ansible_collections.eucalyptus.cloud.tests.unit.plugins.build_kit import NO_SYSTEM

PROMPT = compile_patterns([NO_SYSTEM['login_prompt']])


def shown(raw: str) -> bool:
    lines = Lines()
    return first_match(PROMPT, [*lines.add(raw.encode()), lines.unfinished]) is not None


@pytest.mark.parametrize(
    'raw',
    [
        'Fedora Linux 43 (Server Edition)\r\nKernel 6.17 on x86_64 (ttyS0)\r\n\r\nfedora login: ',
        '\r\nDebian GNU/Linux 12 debian ttyS0\r\n\r\ndebian login: [   12.345] IPv6: eth0: link becomes ready\r\n',
        '\r\nWelcome to openSUSE Leap 15.6 - Kernel 6.4 (ttyS0).\r\n\r\n\r\nlinux-1a2b login: ',
        'ubuntu login: ci-info: no authorized SSH keys fingerprints found\r\n',
        'localhost.localdomain login: ',
        '\x1b[1;32mmy_host\x1b[0m login: ',
        '\r\n(none) login: ',
        '\x1b[H\x1b[Jlogin: ',
        '\x1b]0;title\x07h\u00f6st login: ',
    ],
)
def test_prompts_of_all_systems_are_found(raw: str) -> None:
    assert shown(raw)


@pytest.mark.parametrize(
    'raw',
    ['Last login: Mon Nov 30 06:00:00 on ttyS0\r\n', 'Created slice for console-login: none\r\n', 'systemd-logind started\r\n'],
)
def test_messages_about_logins_are_no_prompt(raw: str) -> None:
    assert not shown(raw)
