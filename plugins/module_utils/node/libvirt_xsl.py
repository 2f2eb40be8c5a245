# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The VNC line of a node controller's libvirt.xsl, in the spelling of every Eucalyptus version.

All versions ship exactly one such line, as a comment. From 3.3 to 4.2 the element in it is not closed (keymap='en-us' -->), so
removing the comment marks leaves an ill-formed stylesheet, with which no instance starts. The shipped line is therefore never
changed. An active line of our own is inserted below it, and removed again.

Whether instances have a display is read from the domains that the stylesheet makes, not from its lines (module ``displays``).
Runs on the node, so it stays valid for Python 2.7.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re
from xml.sax.saxutils import quoteattr

from ansible_collections.eucalyptus.cloud.plugins.module_utils.node import errors

OURS = 'eucalyptus.cloud.libvirt_xsl'
SHIPPED = re.compile(r"^[ \t]*<!--[ \t]*<graphics[ \t]+type=['\"]vnc['\"]([^<>]*?)/?>?[ \t]*-->[ \t]*\r?$")
BY_HAND = re.compile(r"^[ \t]*<graphics[ \t]+type=['\"]vnc['\"]([^<>]*?)(/>|>[ \t]*</graphics>)[ \t]*\r?$")
ADDED = re.compile(
    r'^[ \t]*<graphics [^<>]*/><!-- ' + re.escape(OURS) + r'(?:, mode (?P<mode>[0-7]+) group (?P<group>\d+))? -->\r?$'
)


class StylesheetRefused(errors.NodeError):
    """A stylesheet in which the module cannot turn the display on or off."""


def is_ours(text):
    # type: (str) -> bool
    """Return whether our line is in the stylesheet."""
    return any(ADDED.match(line) for line in text.split('\n'))


def active_by_hand(text):
    # type: (str) -> dict[str, str] | None
    """Return the attributes of the shipped line, when somebody has made it active; None otherwise. Raises StylesheetRefused."""
    by_hand = _lines(text)[1]
    if not by_hand:
        return None
    line = text.split('\n')[by_hand[0]]
    return {name: one or other for name, one, other in re.findall(r'(\w+)=(?:"([^"]*)"|\'([^\']*)\')', line)}


def turn_on(text, listen='127.0.0.1', keymap='en-us', password=None, marker=''):
    # type: (str, str, str, str | None, str) -> str
    """Return the stylesheet with our line below the shipped one. A line that was activated by hand becomes a comment."""
    text = turn_off(text)
    lines = text.split('\n')
    number = _lines(text)[0][0]
    end = '\r' if lines[number].endswith('\r') else ''
    indent = lines[number][: -len(lines[number].lstrip(' \t'))]
    attributes = [('type', 'vnc'), ('port', '-1'), ('autoport', 'yes'), ('listen', listen), ('keymap', keymap)]
    if password is not None:
        attributes.append(('passwd', password))
    element = ' '.join('{0}={1}'.format(name, _attribute(value)) for name, value in attributes)
    lines.insert(number + 1, '{0}<graphics {1}/><!-- {2}{3} -->{4}'.format(indent, element, OURS, marker, end))
    return '\n'.join(lines)


def turn_off(text):
    # type: (str) -> str
    """Return the stylesheet without an active VNC line, exactly as it was before turn_on."""
    by_hand, added = _lines(text)[1:]
    lines = text.split('\n')
    for number in by_hand:
        body = lines[number].strip()
        lines[number] = lines[number].replace(body, '<!-- ' + body + ' -->')
    for number in added:
        del lines[number]
    return '\n'.join(lines)


def kept_access(text):
    # type: (str) -> tuple[int, int] | None
    """Return the (mode, gid) that the file had before it contained a password, from our line; None otherwise."""
    for number in _lines(text)[2]:
        found = ADDED.match(text.split('\n')[number])
        if found and found.group('mode'):
            return int(found.group('mode'), 8), int(found.group('group'))
    return None


def access_marker(mode, gid):
    # type: (int, int) -> str
    """Return the text that turn_on writes into our line for kept_access."""
    return ', mode {0:04o} group {1}'.format(mode, gid)


def _lines(text):
    # type: (str) -> tuple[list[int], list[int], list[int]]
    """Return the numbers of the shipped (commented), the hand-made active and our lines. Raises StylesheetRefused."""
    shipped = []  # type: list[int]
    by_hand = []  # type: list[int]
    added = []  # type: list[int]
    for number, line in enumerate(text.split('\n')):
        for pattern, found in ((ADDED, added), (SHIPPED, shipped), (BY_HAND, by_hand)):
            if pattern.match(line):
                found.append(number)
                break
    if len(shipped) + len(by_hand) != 1 or len(added) > 1:
        raise StylesheetRefused(
            "It has {0} VNC lines (<graphics type='vnc' ...>, as a comment or active) where exactly one is expected.".format(
                len(shipped) + len(by_hand) or 'no'
            )
        )
    if added and (by_hand or added[0] != shipped[0] + 1):
        raise StylesheetRefused('The line that {0} added is not where it was inserted.'.format(OURS))
    return shipped, by_hand, added


def _attribute(value):
    # type: (str) -> str
    # quoteattr takes single quotes when the value has double ones; braces would be an XPath expression to the stylesheet.
    return quoteattr(value.replace('{', '{{').replace('}', '}}'), {'"': '&quot;'})
