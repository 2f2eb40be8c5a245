# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: eucalyptus.cloud contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Boot parameters in a libvirt domain XML, the same rewrite as the node controller's hook.

Runs on the managed host, so it stays valid for Python 2.7 and for old releases of lxml.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import re
import traceback

from ansible_collections.eucalyptus.cloud.plugins.module_utils.node import errors

TYPE_CHECKING = False  # Python 2.7 has no typing, so types are in comments
if TYPE_CHECKING:
    import typing as t  # noqa: F401

try:
    from lxml import etree

    LXML_ERROR = None  # type: str | None
except ImportError:  # the module reports it
    LXML_ERROR = traceback.format_exc()

MAX_VALUE = 2047  # bytes; x86 kernels have COMMAND_LINE_SIZE 2048 with the final NUL
MAX_BYTES = 1024 * 1024  # of XML; a domain has a few thousand
SERIAL_CONSOLE = 'console=ttyS0'


class InvalidDomain(errors.NodeError):
    """Boot parameters or XML that are not acceptable. The message is the reason, without a full stop."""


def command_line(value):
    # type: (str) -> str
    """Return the kernel command line (text) for the boot parameters `value`, as the hook does.

    The value stays unchanged, plus `console=ttyS0` when it has no console for the kernel and the result fits into 2047 bytes.
    Raises InvalidDomain when it has other characters than printable ASCII or is longer than 2047 bytes.
    """
    if re.search(r'[^ -~]', value):
        raise InvalidDomain('the boot parameters have characters outside 0x20-0x7e')
    if len(value) > MAX_VALUE:
        raise InvalidDomain('the boot parameters are longer than %d bytes' % MAX_VALUE)
    if not value.strip(' '):
        return SERIAL_CONSOLE
    kernels, inits = divide(value)
    if len(value) + 1 + len(SERIAL_CONSOLE) > MAX_VALUE or any(word.startswith('console=') for word in kernels.split(' ')):
        return value
    return kernels + SERIAL_CONSOLE + ' ' + inits if inits else value + ' ' + SERIAL_CONSOLE


def divide(value):
    # type: (str) -> tuple[str, str]
    """Return the words for the kernel, and those for init: a `--` outside of double quotes with everything after it.

    The kernel passes the latter on (kernel/params.c, parse_args; lib/cmdline.c, next_arg for the quotes).
    """
    quoted = False
    for found in re.finditer('[^ ]+', value):
        word = found.group()
        if not quoted and word in ('--', '"--"'):
            return value[: found.start()], value[found.start() :]
        quoted ^= word.count('"') % 2 == 1
    return value, ''


def rewrite(data, value, on_reboot=None, kernel=None, initrd=None, graphics=None):
    # type: (bytes, str, str | None, str | None, str | None, tuple[str, str | None] | None) -> bytes
    """Return the domain XML `data` (bytes) with boot parameters, as bytes; `data` itself when nothing changes.

    value      boot parameters, see command_line
    on_reboot  new text of /domain/on_reboot ('destroy'), or None to leave it
    kernel     path, with initrd: replace or add both, or None to keep those of the domain
    graphics   (listen address, password or None) of a VNC display to add when there is no <graphics>, or None
    Raises InvalidDomain: not XML, not a domain, a document type declaration, too big, no kernel for the parameters.
    """
    tree = parse(data)
    root = tree.getroot()
    os_ = _only(root, 'os')
    devices = _only(root, 'devices')
    _at_most_one(root, 'on_reboot')
    changed = [
        _boot(os_, command_line(value), kernel, initrd),
        on_reboot is not None and _put(root, 'on_reboot', on_reboot, after=os_),
        graphics is not None and _display(devices, *graphics),
    ]
    if not any(changed):
        return data
    return etree.tostring(tree, encoding='UTF-8', xml_declaration=True) + b'\n'


def parse(data):
    # type: (bytes) -> etree._ElementTree
    """Parse bytes without entities, DTD or network, and refuse a document type declaration. Returns an lxml ElementTree."""
    if len(data) > MAX_BYTES:
        raise InvalidDomain('the XML is bigger than %d bytes' % MAX_BYTES)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False)
    try:
        tree = etree.ElementTree(etree.fromstring(data, parser))
    except (etree.XMLSyntaxError, ValueError) as error:
        raise InvalidDomain('not well-formed XML: %s' % error)
    if tree.docinfo.internalDTD is not None:
        raise InvalidDomain('the XML has a document type declaration')
    if tree.getroot().tag != 'domain':
        raise InvalidDomain('not a libvirt domain: the document element is %s' % tree.getroot().tag)
    return tree


def displays(data):
    # type: (bytes) -> list[dict[str, str]]
    """Return the displays of the domain XML `data`, [{'type': 'vnc', 'listen': '127.0.0.1'}, ...]; '' is libvirt's default."""
    found = []
    for element in parse(data).getroot().findall('devices/graphics'):
        child = element.find('listen')
        listen = element.get('listen') or (child.get('address') if child is not None else None)
        found.append({'type': element.get('type', ''), 'listen': listen or ''})
    return found


def _boot(os_, line, kernel, initrd):
    # type: (etree._Element, str, str | None, str | None) -> bool
    """Set kernel, initrd and command line in <os>; return whether that changed anything."""
    type_ = _only(os_, 'type')
    old = _at_most_one(os_, 'kernel')
    path = '' if old is None else old.xpath('string()')  # type: t.Any
    if not kernel and not path.strip(' \t\r\n'):
        raise InvalidDomain('the domain has no <kernel> to give boot parameters to')
    _at_most_one(os_, 'initrd')
    _at_most_one(os_, 'cmdline')
    changed = [_put(os_, 'kernel', kernel, after=type_)] if kernel else []
    anchor = _only(os_, 'kernel')
    if initrd:
        added = os_.find('initrd') is None
        changed.append(_put(os_, 'initrd', initrd, after=anchor))
        anchor = _only(os_, 'initrd') if added else anchor  # kernel, initrd, cmdline: the hook's order
    changed.append(_put(os_, 'cmdline', line, after=anchor))
    return any(changed)


def _put(parent, tag, text, after):
    # type: (etree._Element, str, str, etree._Element) -> bool
    """Make `text` the whole content of the only child `tag`, added directly after the element `after` if missing."""
    element = _at_most_one(parent, tag)
    if element is None:
        element = etree.Element(tag)
        # not addnext(): whether it goes before or after the text that follows depends on lxml's version
        element.tail, after.tail = after.tail, None
        parent.insert(parent.index(after) + 1, element)
    elif element.text == text and not len(element):
        return False
    for child in list(element):
        element.remove(child)
    element.text = text
    return True


def _display(devices, listen, password):
    # type: (etree._Element, str, str | None) -> bool
    """Add a VNC display unless there is a display."""
    if devices.find('graphics') is not None:
        return False
    graphics = etree.SubElement(devices, 'graphics', type='vnc', port='-1', autoport='yes', listen=listen)
    if password:
        graphics.set('passwd', password)
    return True


def _only(parent, tag):
    # type: (etree._Element, str) -> etree._Element
    element = _at_most_one(parent, tag)
    if element is None:
        raise InvalidDomain('not a libvirt domain as expected: <%s> has no <%s>' % (parent.tag, tag))
    return element


def _at_most_one(parent, tag):
    # type: (etree._Element, str) -> etree._Element | None
    found = parent.findall(tag)
    if len(found) > 1:
        raise InvalidDomain('not a libvirt domain as expected: <%s> has several <%s>' % (parent.tag, tag))
    return found[0] if found else None
