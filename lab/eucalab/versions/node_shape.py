# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of a version's node controller. Lists of names are strings, with blanks between the names."""

from __future__ import annotations

import dataclasses

_VBR = (
    'resourceLocation guestDeviceName sizeBytes formatName id typeName type locationType format diskNumber partitionNumber'
    ' guestDeviceType guestDeviceBus backingType backingPath preparedResourceLocation'
)


@dataclasses.dataclass(frozen=True)
class InstanceXml:
    """instance.xml (node/xml.c, gen_instance_xml): names of elements and attributes in their order."""

    children: str  # of the root element
    key: str  # attributes
    disk: str  # attributes of disks/diskPath
    nic: str  # attributes of nics/nic
    version: str = ''  # attribute xml-version of the root element; empty: it has none
    hypervisor: str = 'type capability bitness requiresDisk'  # attributes
    floppy: bool = True  # whether disks/floppyPath is present without a floppy
    vbr: str = _VBR
    volume: str = ''  # elements of volumes/volume
    states: str = ''
    timestamps: str = ''
    locations: dict[str, str] = dataclasses.field(default_factory=dict)  # vbr/locationType by vbr/typeName
    closed: bool = False  # whether an element without text is one tag, <userData/>


@dataclasses.dataclass(frozen=True)
class NodeShape:
    release: str  # etc/eucalyptus/eucalyptus-version
    libvirt_file: str  # name of the domain's file in the instance's directory
    xml: InstanceXml
    stylesheet: str  # the parts of libvirt.xsl, see node/libvirt.xsl
    vnc_line: str  # the comment in libvirt.xsl, without its marks
    state_file: str = 'instance.xml'  # file from which a restarted node resumes its instances
    root_disk: str = 'vda'  # device name of the root disk; its first letter determines the bus
    links: bool = True  # whether disks, kernel and ramdisk have predictable names, link-to-vda, link-to-kernel
    composed_type: str = 'fulldisk'  # vbr/type of a disk that the node composed of partitions
    directory_mode: int = 0o711  # of an instance's directory
    boot_delay: float = 10  # seconds between the hooks and the domain
    hooks_by_shell: bool = False  # run by system() instead of execvp()
    # From 4.1 on a script prints the libvirt XML of volumes. Before, libvirt.xsl made it, and hooks did not see root volumes.
    volume_script: bool = True
    attach_suffix: str = '-libvirt.xml'  # the file that pre-attach hooks get is named vol-X and this
    detach_suffix: str = '-libvirt.xml'  # the file that post-detach hooks get
    described_serial: bool = False  # whether vol-X.xml, of which libvirt.xsl made the libvirt XML, has a serial number
    reboot_from_file: bool = False  # whether RebootInstances starts the domain from its file instead of its live XML

    @property
    def bus(self) -> str:
        """Bus of the disks, as instance.xml has it. In the domain it is virtio."""
        return {'s': 'scsi', 'v': 'virtio'}[self.root_disk[0]]

    def disk_name(self, device: str) -> str:
        """A disk's name on the node: since 4.1 with the first letter v (vbr_parse, as of USE_VIRTIO_ROOT and _DISK)."""
        return f'v{device.removeprefix("x")[1:]}' if self.root_disk == 'vda' else device
