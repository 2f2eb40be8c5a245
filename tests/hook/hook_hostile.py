# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile user data: each attack that was found on the design of 2012, by name, and a generator of many more."""

from __future__ import annotations

import base64
import gzip
import random

from tests.hook.hook_oracle import Policy
from tests.hook.hook_shapes import KINDS, VERSIONS, Shape, encode

# Values of bootparams=. @CANARY@ is a file that must never appear in the hook's working directory.
PAYLOADS = {
    'sed_e_command': 'x!;1e touch @CANARY@ #',
    'ampersand_of_a_presigned_url': 'inst.ks=http://h/b/ks?AWSAccessKeyId=a&Expires=1&Signature=s%2Bs%3D ip=dhcp',
    'exclamation_mark': 'a=b! quiet!!',
    'xslt_document_of_another_instance': '<xsl:value-of select="document(\'/etc/passwd\')"/>',
    'xslt_document_write': '<xsl:document href="@CANARY@" method="text">x</xsl:document>',
    'xslt_document_http': '<xsl:copy-of select="document(\'http://127.0.0.1:9/\')"/>',
    'extra_disk': '</cmdline></os><devices><disk type="file"><source file="/etc/shadow"/></disk></devices><os><cmdline>',
    'extra_template': 'x</cmdline></xsl:template><xsl:template match="/domain/devices"><emulator>/bin/sh</emulator>',
    'qemu_arguments': '</cmdline><qemu:commandline xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0">'
    '<qemu:arg value="-incoming"/><qemu:arg value="exec:touch @CANARY@"/></qemu:commandline><cmdline>',
    'own_kernel': '</cmdline><kernel>/etc/shadow</kernel><initrd>/etc/shadow</initrd><cmdline>',
    'open_display': '</cmdline></os><devices><graphics type="vnc" listen="0.0.0.0"/></devices><os><cmdline>',
    'other_name_and_memory': '</cmdline></os><name>i-2</name><memory>99999999</memory><os><cmdline>',
    'cdata_end': ']]>x<![CDATA[y]]>',
    'comment': '<!-- --> -->',
    'processing_instruction': '<?pi?><?bootparams end?><?xml version="1.0"?>',
    'entity': '&xxe; &lt; &#60; &#0; &amp;amp;',
    'doctype': '<!DOCTYPE x [<!ENTITY xxe SYSTEM "file:///etc/passwd">]>&xxe;',
    'command_substitution': '$(touch @CANARY@) `touch @CANARY@`',
    'command_separators': '; touch @CANARY@ | touch @CANARY@ && touch @CANARY@ &',
    'parameter_expansion': '${IFS}$HOME$$${x:=@CANARY@}$((1+1))',
    'both_quotes': """a='b' c="d e" '"'"'""",
    'single_quotes': "a='b c'",
    'double_quotes': 'dyndbg="file a.c +p"',
    'backslashes': r'a=\n\t\0\\ \c \e \x41 \101\ '.rstrip() + '\\',
    'printf_formats': '%s%n%d%%%c%b%1000000d',
    'globs': '* ? [a-z]* ~ ~root {a,b} c*',
    'options': '-n -e -- -rf --help -o @CANARY@',
    'equals_signs': '== =a= a==b',
    'blanks_kept': '  a   b  ',
    'looks_like_a_policy': 'accounts=* on_refusal=ignore',
    'redirections': '> @CANARY@ 2>&1 < /etc/passwd >> @CANARY@',
    'here_document': '<<EOF touch @CANARY@ EOF',
    'environment': 'LD_PRELOAD=@CANARY@ PATH=@CANARY@ IFS=x',
    'test_operators': '( ! -f -o 1 -a )',
    'tag_soup': '<<>><//>&&;;""\'\'',
}

FRAGMENTS = [text for text in PAYLOADS.values() if len(text) < 120] + [
    "'init=/bin/sh'", 'inst.ssh\\d', 'x="a init=/b"', 'inst.ks=http://evil_host/x', 'evil-host', 'r\'d\'_br\\eak', 'a' * 400,
    *'&<>"\'!|\\$`;%#*?[]{}()~^=-_.,:/@ ',
    ' console=ttyS0', 'console=tty1 ', '"console=ttyS1"', 'xconsole=', ' ', '  ', 'init=/bin/sh', 'i"n"it=/x', 'rd_break',
    'rd.break', 'module.black_list=x', 'ks=http://192.0.2.1/ks.cfg?a=1&b=2', 'root=/dev/vda1', 'ip=dhcp', 'quiet',
]  # fmt: skip
BAD = [b'\0', b'\r', b'\t', b'\x1b[31m', b'\x7f', b'\x01', b'\xff', b'\xc3\xa4', b'\xe4', b'\x85', b'\x0b', b'\x08']
NEAR = [
    b'xbootparams=no', b'#bootparams=no', b' bootparams=no', b'Bootparams=no', b'bootparams =no', b'bootparams', b'boot\0params=no',
    b'\0bootparams=no', b'bootparams\0=no', b'\rbootparams=no', b'\xef\xbb\xbfbootparams=no', b'bootparam=no', b'=bootparams=',
]  # fmt: skip
INSTALLERS = [
    b'fedora-40', b'debian.12', b'..', b'.', b'', b'../../../etc', b'fedora-40/../fedora-40', b'Fedora', b'*', b'none',
    b'fedora-40 ', b'fedora-40\r', b'fedora-40\0', b'fed*', b'?', b'$(id)', b'-rf', b'fedora-4', b'link', b'a&b',
]  # fmt: skip
OTHER = [b'', b'#cloud-config', b'#!/bin/sh', b'Content-Type: multipart/mixed', b'echo bootparams=no', b'* ?', b'\\', b'-n']
CONSOLES = [b'vnc', b'vnc', b'vnc\r', b'VNC', b'', b'!', b'(', b'-f', b'ttyS0', b'vnc\0', b'vnc ', b')']
SHAPES = [(version, kind) for version in VERSIONS for kind in KINDS]

POLICIES = [
    Policy(),
    Policy(installers='fedora-* debian.12', vnc='yes'),
    Policy(installers='* nothing', vnc='yes', vnc_listen='0.0.0.0', vnc_password='p&"<\'w', log_value='yes'),
    Policy(on_refusal='ignore', forbidden='init=* rd[.]break rd_break module.black-list=* quiet', on_reboot='restart'),
    Policy(accounts='000123456789 AIDA*', kernels='eki-33cc44dd', forbidden='*!* -n console=tty1'),
    Policy(accounts='999999999999 nobody', on_refusal='ignore'),
    Policy(forbidden='init=* *evil_host* inst.sshd* *a*b tty[0-9]'),
    Policy(forbidden='*a*a*b', on_refusal='ignore'),
    Policy(kernels='eki-0*', installers='fedora-40'),
    Policy(broken=True, on_refusal='ignore'),
]


def value(rng: random.Random, secret: bytes) -> bytes:
    """Give the text behind a bootparams=."""
    kind = rng.random()
    if kind < 0.08:
        return b''.join(rng.choice([b' ', b'']) for _ in range(rng.randrange(5)))
    if kind < 0.16:
        length = rng.choice([2020, 2032, 2033, 2034, 2046, 2047, 2048, 2049, 4096])
        return (secret + rng.choice([b'x', b'& ', b'"', b'a=b ', b'_']) * length)[:length]
    parts = [rng.choice(FRAGMENTS).encode() for _ in range(rng.randrange(1, 8))]
    parts.insert(rng.randrange(len(parts) + 1), secret)
    if rng.random() < 0.15:
        parts.insert(rng.randrange(len(parts) + 1), rng.choice(BAD))
    return rng.choice([b'', b' ']).join(parts)


def line(rng: random.Random, secret: bytes) -> bytes:
    kind = rng.random()
    if kind < 0.38:
        return b'bootparams=' + value(rng, secret)
    if kind < 0.48:
        return b'installer=' + rng.choice(INSTALLERS)
    if kind < 0.56:
        return b'console=' + rng.choice(CONSOLES)
    if kind < 0.70:
        return rng.choice(NEAR)
    if kind < 0.80:
        return rng.randbytes(rng.randrange(40))
    return rng.choice(OTHER)


def raw(rng: random.Random, secret: bytes) -> bytes:
    """Give user data."""
    kind = rng.random()
    if kind < 0.03:
        return rng.choice([b'', b'\0', b'\n', rng.randbytes(200), gzip.compress(b'bootparams=no\n', mtime=0)])
    lines = [line(rng, secret) for _ in range(rng.randrange(1, 7))]
    if kind > 0.93:  # around the NC's limit, the last line cut or just not
        length = rng.choice([12200, 12284, 12285, 12286, 12287, 12288, 12289, 12290, 16383])
        tail = rng.choice([b'', b'\n' + line(rng, secret), b'\n'])
        lines.append(b'#' * max(0, length - len(b'\n'.join(lines)) - 1 - len(tail)) + tail)
    return rng.choice([b'\n', b'\n', b'\n', b'\r\n']).join(lines) + rng.choice([b'', b'\n', b'\r\n', b'\r'])


def case(rng: random.Random, secret: bytes) -> tuple[Shape, str]:
    """Give an instance and what stands in its <userData>."""
    version, kind = rng.choice(SHAPES) if rng.random() < 0.5 else (rng.choice(VERSIONS), 'pv')
    kernel_id = rng.choice(['eki-33cc44dd', 'eki-33cc44dd', 'eki-00000001'])
    account = rng.choice(['000123456789', '000123456789', '999999999999'])
    text = encode(raw(rng, secret))
    if rng.random() < 0.02:
        text = base64.b64encode(b'bootparams=' + secret).decode()[: rng.randrange(8, 40)]
    return Shape(version=version, kind=kind, kernel_id=kernel_id, account=account), text
