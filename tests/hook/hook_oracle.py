# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The promises of the hook, written a second time in Python; the tests compare the two."""

from __future__ import annotations

import base64
import copy
import email
import re
import zlib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from lxml import etree

MARKER, INSTALLER, CONSOLE = b'bootparams=', b'installer=', b'console='
PRINTABLE = re.compile(rb'[ -~]*\Z')


@dataclass
class Policy:
    """A policy file and what it means."""

    accounts: str = '*'
    kernels: str = '*'
    installers: str = ''
    forbidden: str = ''
    on_refusal: str = 'cancel'
    on_reboot: str = 'destroy'
    vnc: str = 'no'
    vnc_listen: str = '127.0.0.1'
    vnc_password: str = ''
    log_value: str = 'no'
    broken: bool = False
    good_installers: tuple[str, ...] = field(default=('fedora-40', 'debian.12'))

    def text(self) -> str:
        """Give policy.conf; defaults are left out."""
        names = [name for name in self.__dataclass_fields__ if name not in ('broken', 'good_installers')]
        lines = [f'{name} = {getattr(self, name)}' for name in names if getattr(self, name) != getattr(Policy, name)]
        return '\n'.join([*lines, *(['accuonts = *'] if self.broken else [])]) + '\n'


@dataclass
class Verdict:
    """silent: no marker, nothing happens. hidden: the marker is not plain text. Otherwise applied with a domain, or not."""

    silent: bool = False
    hidden: bool = False
    applied: bool = False
    code: int = 0
    domain: bytes = b''
    value: bytes = b''


def decode(field_text: str) -> tuple[bytes, bool]:
    """Give the user data and whether its end is missing."""
    cut = len(field_text) % 4 != 0
    usable = field_text[: len(field_text) - (len(field_text) % 4 == 1)]
    return base64.b64decode(usable + '=' * (-len(usable) % 4)), cut


def first(lines: list[bytes], key: bytes) -> tuple[bytes | None, int]:
    """Give the text behind the first line's key, without one CR, and which line it is."""
    for number, line in enumerate(lines):
        if line.startswith(key):
            return line[len(key) :].removesuffix(b'\r'), number
    return None, -1


def matches(word: str, globs: str) -> bool:
    return any(fnmatchcase(word, glob) for glob in globs.split())


def forbids(glob: str, word: str) -> bool:
    """Tell whether a glob matches a word as it is or without its quoting; in its name, - and _ are the same."""
    name, equals, rest = glob.partition('=')
    parts = re.split(r'(\[.+?\])', name)
    both = ''.join(part if part.startswith('[') else re.sub('[-_]', '[_-]', part) for part in parts)
    unquoted = re.sub(r"""["'\\]""", '', word)
    return any(fnmatchcase(text, both + equals + rest) for text in (word, unquoted))


def unusable(policy: Policy) -> bool:
    """Tell whether a pattern is one that takes too long, or in which - and _ would not be the same."""
    globs = f'{policy.accounts} {policy.kernels} {policy.installers} {policy.forbidden}'.split()
    inside = ''.join(re.findall(r'\[!?(.+?)\]', policy.forbidden))
    return any(glob.count('*') > 2 for glob in globs) or '_' in inside


def begin_of_init(value: bytes) -> int | None:
    """Return the place of the first -- that is a word outside of double quotes, as the kernel divides its command line."""
    quoted, start = False, 0
    for at, char in enumerate(value + b' '):
        if char == ord('"'):
            quoted = not quoted
        elif char == ord(' ') and not quoted:
            if value[start:at] in (b'--', b'"--"'):
                return start
            start = at + 1
    return None


def command_line(value: bytes) -> bytes:
    if not value.strip(b' '):
        return b'console=ttyS0'
    place = begin_of_init(value)
    named = any(word.startswith(CONSOLE) for word in value[:place].split(b' '))
    if named or len(value) + 14 > 2047:
        return value
    return value + b' console=ttyS0' if place is None else value[:place] + b'console=ttyS0 ' + value[place:]


def mime_parts(data: bytes, encoding: str) -> list[bytes]:
    """Return the bodies, not decoded, of the MIME parts with a transfer encoding; [] when cloud-init would not see MIME."""
    if b'mime-version:' not in data[:4096].lower():
        return []
    parts = [part for part in email.message_from_bytes(data).walk() if not part.is_multipart()]
    found = [part for part in parts if encoding in (part.get('Content-Transfer-Encoding') or '').lower()]
    return [str(part.get_payload()).encode('utf-8', 'surrogateescape') for part in found]


def hides_marker(data: bytes) -> bool:
    """Return whether a line with the marker is in compressed user data, or in a base64 part."""
    texts = []
    if data.startswith(b'\x1f\x8b\x08'):
        texts = [zlib.decompressobj(31).decompress(data)]
    for body in mime_parts(data, 'base64'):
        texts.append(base64.b64decode(body))
    return any(line.startswith(MARKER) for text in texts for line in text.split(b'\n'))


def judge(user_data: str, policy: Policy, owner: str, kernel_id: str, domain: bytes, home: str) -> Verdict:
    """Say what must come out for the content of <userData> and the libvirt file (bytes; a domain of a known shape)."""
    data, cut = decode(user_data)
    lines = data.split(b'\n')
    value, where = first(lines, MARKER)
    if value is None:
        return Verdict(hidden=True) if hides_marker(data) else Verdict(silent=True)
    broken = policy.broken or unusable(policy)
    refused = Verdict(code=1 if broken or policy.on_refusal == 'cancel' else 0, value=value)
    installer, where_installer = first(lines, INSTALLER)
    console, where_console = first(lines, CONSOLE)
    if broken or (cut and len(lines) - 1 in (where, where_installer, where_console)):
        return refused
    for part in mime_parts(data, 'quoted-printable'):
        if {lines[at] for at in (where, where_installer, where_console) if at >= 0} & set(part.split(b'\n')):
            return refused
    if not matches(owner, policy.accounts) or not PRINTABLE.match(value) or len(value) > 2047:
        return refused
    words = [word for word in value.decode().split(' ') if word]
    if any(forbids(glob, word) for glob in policy.forbidden.split() for word in words):
        return refused
    if installer is not None:
        name = installer.decode('latin-1')
        if not re.fullmatch(r'[a-z0-9._-]+', name) or not matches(name, policy.installers):
            return refused
        if name not in policy.good_installers:
            return refused
    elif not matches(kernel_id, policy.kernels):
        return refused
    if console == b'vnc' and policy.vnc == 'no':
        return refused
    pair = f'{home}/var/lib/eucalyptus/installers/{installer.decode()}' if installer is not None else None
    new = transform(domain, command_line(value).decode(), pair, console == b'vnc', policy)
    if new is None:
        return refused
    return Verdict(applied=True, domain=new, value=value)


def transform(domain: bytes, line: str, pair: str | None, vnc: bool, policy: Policy) -> bytes | None:
    """Give the domain as C14N, or None when it has no kernel."""
    root = copy.deepcopy(etree.fromstring(domain))
    os_ = root.find('os')
    children = {child.tag: child for child in os_}
    if pair is None and 'kernel' not in children:
        return None
    wanted = {'cmdline': line} if pair is None else {'kernel': f'{pair}/kernel', 'initrd': f'{pair}/ramdisk', 'cmdline': line}
    previous = children.get('kernel', children['type'])
    for tag in ('kernel', 'initrd', 'cmdline'):
        if tag not in wanted:
            continue
        element = children.get(tag)
        if element is None:
            element = etree.Element(tag)
            position = list(os_).index(previous) + 1
            element.tail, previous.tail = previous.tail, None
            os_.insert(position, element)
            previous = element
        element.text = wanted[tag]
    if policy.on_reboot == 'destroy':
        root.find('on_reboot').text = 'destroy'
    devices = root.find('devices')
    if vnc and devices.find('graphics') is None:
        graphics = etree.SubElement(devices, 'graphics', type='vnc', port='-1', autoport='yes', listen=policy.vnc_listen)
        if policy.vnc_password:
            graphics.set('passwd', policy.vnc_password)
    return canonical(etree.tostring(root))


def canonical(xml: bytes) -> bytes:
    """Give XML in a form in which equal documents are equal bytes; not well-formed raises etree.XMLSyntaxError."""
    return etree.tostring(etree.fromstring(xml), method='c14n')
