# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that a node controller of any version keeps of an instance, from invented data.

Shapes after node/xml.c (gen_instance_xml), storage/vbr.c and tools/libvirt.xsl of Eucalyptus 3.0 to 5.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

VERSIONS = ('3.0', '3.1', '3.2', '3.3', '3.4', '4.0', '4.1', '4.2', '4.3', '4.4', '5')
KINDS = ('pv', 'pv-no-ramdisk', 'ebs', 'hvm', 'windows')
KEPT = 16383  # base64 characters that the NC's buffer holds (CHAR_BUFFER_SIZE * 32, less the NUL)


def encode(user_data: bytes) -> str:
    """Give user data as instance.xml has it: base64, cut where the NC cuts it."""
    return base64.b64encode(user_data).decode()[:KEPT]


@dataclass
class Shape:
    """An instance as one version writes it."""

    version: str = '4.4'
    kind: str = 'pv'
    instance: str = ''
    account: str = '000123456789'
    user: str = 'AIDACQ1MNXMXHEXAMPLE1'
    kernel_id: str = 'eki-33cc44dd'
    home: str = field(default='/var/lib/eucalyptus/instances/work/', repr=False)

    def __post_init__(self) -> None:
        self.number = tuple(int(part) for part in self.version.split('.')) + (0,)
        old, new = self.number < (3, 4), self.number >= (5,)
        self.instance = self.instance or ('i-3C9A4218' if old else 'i-4e5f6a7b0c1d2e3f4' if new else 'i-4e5f6a7b')
        self.owner = self.user if old else self.account  # what the policy's accounts mean
        self.known_kernel = self.kernel_id if not old and self.has_kernel else ''
        self.file_name = 'libvirt.xml' if self.number < (3, 2) else 'instance-libvirt.xml'

    @property
    def has_kernel(self) -> bool:
        return self.kind.startswith('pv')

    @property
    def paths(self) -> tuple[str, str]:
        directory = f'{self.home}{self.user}/{self.instance}/'
        if self.number < (3, 3):
            return f'{directory}{self.kernel_id}-a7c1c9d5.blocks', f'{directory}eri-55EE66FF-b9f3e001.blocks'
        return f'{directory}link-to-kernel', f'{directory}link-to-ramdisk'

    def instance_xml(self, user_data: str) -> bytes:
        """Give instance.xml; user_data is the content of its element, base64."""
        kernel, ramdisk = self.paths
        root = 'ebs' if self.kind == 'ebs' else 'image'
        platform = 'windows' if self.kind == 'windows' else 'linux'
        newer = self.number >= (3, 4)
        disk = ' requiresDisk="true"' if newer else ''
        attribute = ' xml-version="2"' if self.number >= (4, 3) else ' xml-version="1"' if self.number >= (4, 2) else ''
        data = f'<userData>{user_data}</userData>' if user_data or self.number >= (4,) else '<userData/>'
        lines = [
            f'<hypervisor type="kvm" capability="hw" bitness="64"{disk}/>',
            f'<backing><root type="{root}"/></backing>',
            f'<name>{self.instance}</name>',
            '<uuid>5c5e4f3e-6d0a-4d3c-9a53-8f5a1b0c0001</uuid>',
            '<reservation>r-9a8b7c6d</reservation>',
            f'<user>{self.user}</user>',
        ]
        if newer:
            kernel_id, ramdisk_id = (self.kernel_id, 'eri-55ee66ff') if self.has_kernel else ('', '')
            lines += [
                f'<owner>{self.user}</owner>',
                f'<account>{self.account}</account>',
                '<imageId>emi-11aa22bb</imageId>',
                f'<kernelId>{kernel_id}</kernelId>',
                f'<ramdiskId>{ramdisk_id}</ramdiskId>',
            ]
        lines += [f'<instancePath>{self.home}{self.user}/{self.instance}</instancePath>']
        if self.has_kernel:
            lines += [f'<kernel>{kernel}</kernel>']
            lines += [f'<ramdisk>{ramdisk}</ramdisk>'] if self.kind == 'pv' else []
        lines += [
            data,
            '<launchIndex>0</launchIndex>',
            '<cores>1</cores>',
            '<memoryKB>1048576</memoryKB>',
            f'<key {"doInjectKey" if newer else "isKeyInjected"}="true" sshKey="ssh-rsa AAAAB3Nz== 0@eucalyptus.key"/>',
            f'<os platform="{platform}" virtioRoot="true" virtioDisk="true" virtioNetwork="true"/>',
        ]
        lines += ['<groupNames><name>sg-1a2b3c4d</name></groupNames>', '<volumes/>'] if newer else []
        lines += ['<nics><nic bridgeDeviceName="br0" mac="d0:0d:4e:5f:6a:7b"/></nics>']
        body = ''.join(f'  {line}\n' for line in lines)
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<instance{attribute}>\n{body}</instance>\n'.encode()

    def libvirt_xml(self) -> bytes:
        """Give the libvirt file as that version's libvirt.xsl makes it."""
        kernel, ramdisk = self.paths
        boot = ['<type>hvm</type>']
        if self.kind == 'pv':
            boot += [f'<initrd>{ramdisk}</initrd>']
        if self.has_kernel:
            boot += [f'<kernel>{kernel}</kernel>']
            if self.kind == 'pv' or self.number < (3, 4):
                boot += ['<cmdline>root=/dev/vda1 console=ttyS0</cmdline>']
        if self.has_kernel and self.number < (4, 1):
            boot += ['<root>/dev/vda1</root>']
        boot += ['<boot dev="hd"/>'] if self.number >= (4, 4) else []
        boot += ['<smbios mode="sysinfo"/>'] if self.number >= (5,) else []
        lines = ''.join(f'    {line}\n' for line in boot)
        serial = '<serial/>' if self.number >= (4, 1) else ''
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n<domain type="kvm">\n'
            f'  <name>{self.instance}</name>\n  <description>Eucalyptus instance {self.instance}</description>\n'
            f'  <os>\n{lines}  </os>\n  <features>\n    <acpi/>\n  </features>\n  <clock offset="localtime"/>\n'
            '  <on_poweroff>destroy</on_poweroff>\n  <on_reboot>restart</on_reboot>\n  <on_crash>destroy</on_crash>\n'
            '  <vcpu>1</vcpu>\n  <memory>1048576</memory>\n  <devices>\n    <disk device="disk" type="block">\n'
            f'      <source dev="{self.home}{self.user}/{self.instance}/link-to-vda"/>\n'
            f'      <target bus="virtio" dev="vda"/>{serial}\n    </disk>\n'
            '    <interface type="bridge">\n      <source bridge="br0"/>\n      <mac address="d0:0d:4e:5f:6a:7b"/>\n'
            '      <model type="virtio"/>\n    </interface>\n    <serial type="file">\n'
            f'      <source path="{self.home}{self.user}/{self.instance}/console.log"/>\n      <target port="1"/>\n'
            '    </serial>\n  </devices>\n</domain>\n'
        ).encode()
