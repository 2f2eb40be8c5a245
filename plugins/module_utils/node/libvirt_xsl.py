# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The VNC line of a node controller's libvirt.xsl, in the spelling of every Eucalyptus version.

All versions ship exactly one such line, as a comment. From 3.3 to 4.2 the element in it is not closed (keymap='en-us' -->), so
that taking away the comment marks leaves an ill-formed stylesheet, with which no instance starts. So the line is left as it is,
and an active one of our own is put below it; to turn it off, our line is taken out again.

Runs on the node, so it stays valid for Python 2.7.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import os
import re
import shutil
import subprocess
import tempfile
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

OURS = 'eucalyptus.cloud.libvirt_xsl'
SHIPPED = re.compile(r"^[ \t]*<!--[ \t]*<graphics[ \t]+type=['\"]vnc['\"]([^<>]*?)/?>?[ \t]*-->[ \t]*\r?$")
BY_HAND = re.compile(r"^[ \t]*<graphics[ \t]+type=['\"]vnc['\"]([^<>]*?)(/>|>[ \t]*</graphics>)[ \t]*\r?$")
ADDED = re.compile(
    r'^[ \t]*<graphics [^<>]*/><!-- ' + re.escape(OURS) + r'(?:, mode (?P<mode>[0-7]+) group (?P<group>\d+))? -->\r?$'
)
LOOPBACK = re.compile(r'^(127(\.\d{1,3}){3}|::1|localhost)$')

# Whatever template the node has, this is an instance to it: the elements that all versions' templates look at.
SAMPLE = """<?xml version="1.0" encoding="UTF-8"?>
<instance xml-version="2"><hypervisor type="kvm" capability="hw" bitness="64" requiresDisk="true"/>
<backing><root type="image"/></backing><name>i-00000001</name><uuid>00000000-0000-4000-8000-000000000001</uuid>
<kernel>/sample/kernel</kernel><ramdisk>/sample/ramdisk</ramdisk><consoleLogPath>/sample/console.log</consoleLogPath>
<userData/><cores>1</cores><memoryKB>524288</memoryKB><cpuPassthrough>false</cpuPassthrough><rootDirective/>
<os platform="linux" virtioRoot="true" virtioDisk="true" virtioNetwork="true"/>
<disks><root device="sda1" uuid=""/><diskPath targetDeviceType="disk" targetDeviceName="vda" targetDeviceNameVirtio="vda"
targetDeviceBusVirtio="virtio" targetDeviceBus="virtio" sourceType="file" serial="">/sample/disk</diskPath></disks>
<volumes/><nics><nic bridgeDeviceName="br0" mac="d0:0d:00:00:00:01" guestDeviceName="vn" device="0" stateName="attached"
hypervisorType="kvm" osPlatform="linux" osVirtioNetwork="true"/></nics></instance>
"""


class Refused(Exception):
    """The stylesheet is not one in which the VNC line can be turned on or off; the message says why."""


def state(text):
    """'on' with our line, 'by hand' with an active line that is not ours, 'off'. Raises Refused."""
    shipped, by_hand, added = _lines(text)
    return 'on' if added else 'by hand' if by_hand else 'off'


def turn_on(text, listen='127.0.0.1', keymap='en-us', password=None, marker=''):
    """The stylesheet with our line below the shipped one; a line that was activated by hand becomes a comment."""
    text = turn_off(text)
    lines = text.split('\n')
    number = _lines(text)[0][0]
    end = '\r' if lines[number].endswith('\r') else ''
    indent = re.match(r'[ \t]*', lines[number]).group()
    attributes = [('type', 'vnc'), ('port', '-1'), ('autoport', 'yes'), ('listen', listen), ('keymap', keymap)]
    if password is not None:
        attributes.append(('passwd', password))
    element = ' '.join('{0}={1}'.format(name, _attribute(value)) for name, value in attributes)
    lines.insert(number + 1, '{0}<graphics {1}/><!-- {2}{3} -->{4}'.format(indent, element, OURS, marker, end))
    return '\n'.join(lines)


def turn_off(text):
    """The stylesheet without an active VNC line: exactly as it was before turn_on."""
    by_hand, added = _lines(text)[1:]
    lines = text.split('\n')
    for number in by_hand:
        body = lines[number].strip()
        lines[number] = lines[number].replace(body, '<!-- ' + body + ' -->')
    for number in added:
        del lines[number]
    return '\n'.join(lines)


def kept_access(text):
    """(mode, gid) that the file had before a password came into it, as our line keeps them; None otherwise."""
    for number in _lines(text)[2]:
        found = ADDED.match(text.split('\n')[number])
        if found.group('mode'):
            return int(found.group('mode'), 8), int(found.group('group'))
    return None


def access_marker(mode, gid):
    """What turn_on writes into our line for kept_access."""
    return ', mode {0:04o} group {1}'.format(mode, gid)


def hide_password(text):
    """The text with the value of every passwd attribute masked."""
    return re.sub(r'(passwd=)("[^"]*"|\'[^\']*\')', r'\1"********"', text)


def is_loopback(address):
    return bool(LOOPBACK.match(address))


def try_out(old, new, wanted, xsltproc):
    """Apply both stylesheets to a sample instance, as the node does at a launch; raises Refused unless the new one's domain
    is the old one's with the graphics that are wanted: None, or the address on which they listen."""
    domain, graphics = _transform(new, xsltproc, 'changed')
    before = _transform(old, xsltproc, 'present')[0]
    if domain != before:
        raise Refused('the changed stylesheet would change more of a domain than its graphics')
    listens = [element.get('listen') for element in graphics]
    if listens != ([] if wanted is None else [wanted]):
        raise Refused(
            'the changed stylesheet gives a sample instance graphics at {0}: is its VNC line inside something else?'.format(
                listens or 'no address'
            )
        )


def _transform(text, xsltproc, which):
    """(the domain without its graphics, as bytes; its graphics elements)"""
    directory = tempfile.mkdtemp(prefix='libvirt_xsl-')
    try:
        for name, content in (('libvirt.xsl', text), ('instance.xml', SAMPLE)):
            with open(os.path.join(directory, name), 'wb') as stream:
                stream.write(content.encode('utf-8'))
        process = subprocess.Popen(
            [xsltproc, '--nonet', '--novalid', '--nowrite', '--nomkdir', 'libvirt.xsl', 'instance.xml'],
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        output, complaint = process.communicate()
    finally:
        shutil.rmtree(directory)
    if process.returncode != 0:
        words = hide_password(complaint.decode('utf-8', 'replace')).strip().split('\n')
        raise Refused('the {0} stylesheet does not work: {1}'.format(which, words[0]))
    try:
        domain = ElementTree.fromstring(output)
    except ElementTree.ParseError as error:
        raise Refused('the {0} stylesheet does not give XML: {1}'.format(which, error))
    devices = domain.find('devices')
    if domain.tag != 'domain' or devices is None:
        raise Refused('the {0} stylesheet does not make a libvirt domain of an instance'.format(which))
    graphics = devices.findall('graphics')
    for element in graphics:
        devices.remove(element)
    for element in domain.iter():
        element.text, element.tail = (element.text or '').strip(), ''
    return ElementTree.tostring(domain), graphics


def _lines(text):
    """Numbers of the shipped (commented), the hand-made active and our lines. Raises Refused."""
    shipped, by_hand, added = [], [], []
    for number, line in enumerate(text.split('\n')):
        for pattern, found in ((ADDED, added), (SHIPPED, shipped), (BY_HAND, by_hand)):
            if pattern.match(line):
                found.append(number)
                break
    if len(shipped) + len(by_hand) != 1 or len(added) > 1:
        raise Refused(
            "{0} VNC lines (<graphics type='vnc' ...>, as a comment or active) where exactly one is expected".format(
                len(shipped) + len(by_hand) or 'no'
            )
        )
    if added and (by_hand or added[0] != shipped[0] + 1):
        raise Refused('the line that {0} added is not where it was put'.format(OURS))
    return shipped, by_hand, added


def _attribute(value):
    # quoteattr takes single quotes when the value has double ones; braces would be an XPath expression to the stylesheet.
    return quoteattr(value.replace('{', '{{').replace('}', '}}'), {'"': '&quot;'})
