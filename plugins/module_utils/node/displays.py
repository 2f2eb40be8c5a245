# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The VNC displays that a node's libvirt.xsl adds to instances, found by applying it to sample instances.

Runs on the node, so it stays valid for Python 2.7.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import functools
import os
import shutil
import subprocess
import tempfile
from xml.etree import ElementTree

from ansible_collections.eucalyptus.cloud.plugins.module_utils.node import vnc
from ansible_collections.eucalyptus.cloud.plugins.module_utils.node.libvirt_xsl import StylesheetRefused, is_ours

# All elements that the templates of any version look at (node/xml.c, gen_instance_xml). A paravirtual Linux instance.
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
BOOT_FILES = '<kernel>/sample/kernel</kernel><ramdisk>/sample/ramdisk</ramdisk>'
# A display can depend on the instance: without a kernel (HVM), with a root volume, with Windows, with plain QEMU.
SAMPLES = [
    SAMPLE,
    SAMPLE.replace(BOOT_FILES, '').replace('root type="image"', 'root type="ebs"'),
    SAMPLE.replace(BOOT_FILES, '').replace('latform="linux"', 'latform="windows"'),
    SAMPLE.replace('type="kvm" capability="hw"', 'type="qemu" capability="hw"'),
]
# Different in everything else that a condition may look at: Xen, 32 bits, no virtio, many resources, user data.
OTHER = (
    ('type="kvm" capability="hw" bitness="64"', 'type="xen" capability="xen" bitness="32"'),
    ('irtioRoot="true"', 'irtioRoot="false"'),
    ('irtioDisk="true"', 'irtioDisk="false"'),
    ('irtioNetwork="true"', 'irtioNetwork="false"'),
    ('<cores>1<', '<cores>64<'),
    ('>524288<', '>268435456<'),
    ('>false<', '>true<'),
    ('<userData/>', '<userData>IyEvYmluL3NoCg==</userData>'),
    ('<rootDirective/>', '<rootDirective>root=/dev/sda1</rootDirective>'),
)
SAMPLES += [functools.reduce(lambda text, change: text.replace(*change), OTHER, SAMPLE)]
QEMU_ARGUMENT = '{http://libvirt.org/schemas/domain/qemu/1.0}arg'


class Domains:
    """The domains that a stylesheet makes of the samples. Raises StylesheetRefused when it makes none.

    ``directory`` is that of the stylesheet, for the files that it includes.
    ``rest``: each domain without its VNC displays, as bytes. ``displays``: for each domain, the addresses on which its VNC displays
    listen; '' is libvirt's default.
    """

    def __init__(self, text, xsltproc, which='present', directory=None):
        # type: (str, str | None, str, str | None) -> None
        if xsltproc is None:
            raise StylesheetRefused('xsltproc is missing, so the {0} stylesheet cannot be tried.'.format(which))
        divided = [_divide(output, which) for output in _transform(text, xsltproc, which, directory)]
        self.rest = [domain for domain, listens in divided]
        self.displays = [listens for domain, listens in divided]
        self.ours = is_ours(text)

    def state(self):
        # type: () -> str
        """Return 'off' when no instance has a display, 'on' with our line, otherwise 'by hand'."""
        return 'off' if not any(self.displays) else 'on' if self.ours else 'by hand'

    def listen(self):
        # type: () -> str
        """Return the addresses on which displays listen; 'default' is vnc_listen in libvirt's qemu.conf."""
        return ', '.join(sorted({listen or 'default' for listens in self.displays for listen in listens}))


def compare(before, after, wanted):
    # type: (Domains, Domains, str | None) -> None
    """Raise StylesheetRefused unless the domains ``after`` differ from those ``before`` by their VNC displays alone.

    ``wanted`` is the address on which the only display of each instance should listen, or None for no display.
    """
    if after.rest != before.rest:
        raise StylesheetRefused('The changed stylesheet would change more of a domain than its VNC display.')
    expected = [] if wanted is None else [wanted]
    if all(listens == expected for listens in after.displays):
        return
    if any(len(listens) > len(expected) for listens in after.displays):
        raise StylesheetRefused(
            'It gives instances a VNC display that this module did not add; all displays listen on: {0}. Remove that <graphics> '
            'element from the stylesheet by hand.'.format(after.listen())
        )
    raise StylesheetRefused(
        'The changed stylesheet gives a sample instance a display on {0}. Its VNC line seems to be inside another element.'.format(
            after.listen() or 'no address'
        )
    )


def _transform(text, xsltproc, which, home):
    # type: (str, str, str, str | None) -> list[bytes]
    """Return the result of the stylesheet for each sample, as bytes."""
    directory = tempfile.mkdtemp(prefix='libvirt_xsl-')
    try:
        names = ['instance{0}.xml'.format(number) for number in range(len(SAMPLES))]
        home = os.path.abspath(home) if home else directory
        for name in os.listdir(home) if os.path.isdir(home) else ():
            if name not in names + ['libvirt.xsl']:
                os.symlink(os.path.join(home, name), os.path.join(directory, name))
        for name, content in [('libvirt.xsl', text)] + [(name, SAMPLES[number]) for number, name in enumerate(names)]:
            with open(os.path.join(directory, name), 'wb') as stream:
                stream.write(content.encode('utf-8'))
        command = [xsltproc, '--nonet', '--novalid', '--nowrite', '--nomkdir', 'libvirt.xsl']
        outputs = []
        for name in names:
            process = subprocess.Popen(command + [name], cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            output, complaint = process.communicate()
            if process.returncode != 0:
                reason = vnc.without_passwords(complaint.decode('utf-8', 'replace')).strip().split('\n')[0]
                raise StylesheetRefused('The {0} stylesheet does not work: {1}.'.format(which, reason))
            outputs.append(output)
        return outputs
    finally:
        shutil.rmtree(directory)


def _divide(output, which):
    # type: (bytes, str) -> tuple[bytes, list[str]]
    """Return (a domain without its VNC displays, as bytes; the addresses on which those listen)."""
    try:
        domain = ElementTree.fromstring(output)
    except ElementTree.ParseError as error:
        raise StylesheetRefused('The {0} stylesheet does not produce XML: {1}.'.format(which, error))
    places = domain.findall('devices')
    if domain.tag != 'domain' or not places:
        raise StylesheetRefused('The {0} stylesheet does not make a libvirt domain of an instance.'.format(which))
    listens = []
    for devices in places:
        for element in devices.findall('graphics'):
            if element.get('type') == 'vnc':
                devices.remove(element)
                listens.append(_listen(element))
    arguments = [argument.get('value', '') for argument in domain.iter(QEMU_ARGUMENT)]
    # QEMU's own option has the form HOST:DISPLAY,OPTION and listens everywhere without a host.
    for option, value in zip(arguments[:-1], arguments[1:]):  # noqa: B905 - Python 2.7 has no strict
        if option == '-vnc':
            listens.append(value.partition(',')[0].rpartition(':')[0] or '0.0.0.0')
    for element in domain.iter():
        element.text, element.tail = (element.text or '').strip(), ''
    return ElementTree.tostring(domain), listens


def _listen(element):
    # type: (ElementTree.Element) -> str
    """Return the addresses of a <graphics>, in its attribute or in child elements; '' for libvirt's default."""
    children = element.findall('listen')
    if element.get('socket'):
        return 'socket'
    return element.get('listen') or ', '.join(child.get('address') or child.get('type') or '' for child in children)
