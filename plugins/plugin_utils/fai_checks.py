# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes in an answer file for FAI: the syntax of its shell scripts, and of the disk_config that it writes.

The grammar of disk_config is that of setup-storage(8), as its Parser.pm of FAI 6.0 reads it. Lines with a variable are not
checked, because only the installer has its value.
"""

from __future__ import annotations

import re
import typing as t

Wrong = tuple[int, str]  # line and reason
BEGIN = re.compile(r"""^(?P<command>.*?)(?<!<)<<(?!<)-?\s*(?P<quote>['"]?)(?P<word>[A-Za-z_][\w-]*)(?P=quote)""")
SCRIPT = re.compile(r'#!\s*/bin/(ba)?sh\b')
# bash's "FILE: line 3: syntax error near ..."; a second message quotes the line.
MESSAGE = re.compile(r'^[^:]*: line (\d+): (?:warning: )?([^`].*)$', re.MULTILINE)

# Their lines are not checked here.
OTHERS = ('raid', 'btrfs', 'cryptsetup', 'tmpfs', 'nfs')
DISK_OPTION = re.compile(
    r'(preserve_(always|reinstall|lazy)|resize|always_format):(\d+(,\d+)*|all)|disklabel:(msdos|gpt-bios|gpt)|bootable:\d+|virtual'
    r'|fstabkey:(device|label|uuid|partuuid|partlabel)|vg:\d+|sameas:\S+|align-at:\d+[kKMGTPiB]*'
)
LVM_OPTION = re.compile(r'(preserve_(always|reinstall|lazy)|resize|always_format):\S+|fstabkey:(device|label|uuid)')
MOUNT_POINT = re.compile(r'(-|swap|/[^\s:]*)(:encrypt(:randinit)?)?')
SIZE = re.compile(
    r'(-?(RAM:\d+%|\d+[kKMGTPiB]*%?)|(RAM:\d+%|\d+[kKMGTPiB]*%?)-(RAM:\d+%|\d+[kKMGTPiB]*%?)?)(:(resize|preserve_\w+))?'
)
FIELDS = 'type, mount point, size, file system and mount options'
PARTITION, VOLUME = re.compile(r'primary|logical|raw-disk|p=\S+'), re.compile(r'([^/,\s-]+)-([^/,\s-]+)')


def problems(text: str, syntax: t.Callable[[str], str]) -> list[Wrong]:
    """The mistakes in order. ``syntax`` returns what ``bash -n`` prints about a script, in English."""
    return sorted(_problems(text, syntax, 0))


def _problems(script: str, syntax: t.Callable[[str], str], before: int) -> t.Iterator[Wrong]:
    """The mistakes in a script and in the files that it writes. ``before``: number of the answer file's lines above the script."""
    yield from ((before + int(line), reason) for line, reason in MESSAGE.findall(syntax(script)))
    for command, lines_before, content in _documents(script):
        start = before + lines_before
        if 'disk_config/' in command:
            yield from ((start + line, reason) for line, reason in disk_config(content))
        elif SCRIPT.match(content):
            yield from _problems(content, syntax, start)


def _documents(script: str) -> t.Iterator[tuple[str, int, str]]:
    """The here-documents: command, number of the lines before the document, and content."""
    lines = script.splitlines(keepends=True)
    number = 0
    while number < len(lines):
        found = BEGIN.match(lines[number])
        number += 1
        if found and not found['command'].lstrip().startswith('#'):
            first = number
            while number < len(lines) and lines[number].strip() != found['word']:
                number += 1
            yield found['command'], first, ''.join(lines[first:number])


def disk_config(text: str) -> t.Iterator[Wrong]:
    """The mistakes in a file for setup-storage."""
    context, groups = '', set[str]()
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith('#') or '$' in line:
            continue
        if words[0] == 'disk_config':
            context = words[1] if len(words) > 1 else ''
            reason = _header(context, words[2:])
        elif words[0] == 'vg':
            groups.add(words[1] if len(words) > 1 else '')
            reason = '' if len(words) > 2 else 'vg needs the name of the group and its devices'
        else:
            reason = _volume(context, groups, words)
        if reason:
            yield number, reason


def _header(context: str, options: list[str]) -> str:
    if not context:
        return 'disk_config needs a disk, or lvm'
    if context in OTHERS:
        return ''
    known = LVM_OPTION if context == 'lvm' else DISK_OPTION
    return next((f'{option} is not an option of disk_config {context}' for option in options if not known.fullmatch(option)), '')


def _volume(context: str, groups: set[str], words: list[str]) -> str:
    volume = VOLUME.fullmatch(words[0])
    if context in OTHERS:
        return ''
    if context in ('', 'end'):
        return 'there is no line disk_config above it'
    if volume and volume[1] not in groups:
        return f'the volume group {volume[1]} is not declared before'
    if not volume and (context == 'lvm' or not PARTITION.fullmatch(words[0])):
        return f'{words[0]} is neither a partition nor a volume of a group'
    if len(words) < 5:
        return f'it has {len(words)} of the 5 fields: {FIELDS}'
    if not MOUNT_POINT.fullmatch(words[1]):
        return f'{words[1]} is not a mount point'
    return '' if SIZE.fullmatch(words[2]) else f'{words[2]} is not a size'
