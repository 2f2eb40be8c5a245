# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of genuine node controllers in outline: a line per element, with its attributes, indented by its depth.

Read in node/xml.c (gen_instance_xml, write_vbr_xml) and tools/libvirt.xsl of the branches maint-3.1, maint-3.4 and maint-4.4, and
in maint-5 of sjones4/eucalyptus. An instance with kernel and ramdisk, all of USE_VIRTIO_*, an image of one partition. Elements of a
kind that follow each other are named once.
"""

from __future__ import annotations

from lxml import etree

DISK = 'targetDeviceType targetDeviceName targetDeviceNameVirtio targetDeviceBusVirtio targetDeviceBus sourceType'

INSTANCE_3_1 = f"""\
instance
  hypervisor type capability bitness
  backing
    root type
  name
  uuid
  reservation
  user
  dnsName
  privateDnsName
  instancePath
  kernel
  ramdisk
  consoleLogPath
  userData
  launchIndex
  cores
  memoryKB
  key isKeyInjected sshKey
  os platform virtioRoot virtioDisk virtioNetwork
  disks
    diskPath {DISK}
    root device uuid
  nics
    nic bridgeDeviceName mac
"""

VBR = """\
    vbr
      resourceLocation
      guestDeviceName
      sizeBytes
      formatName
      id
      typeName
      type
      locationType
      format
      diskNumber
      partitionNumber
      guestDeviceType
      guestDeviceBus
      backingType
      backingPath
      preparedResourceLocation
"""

STATES_END = """\
    bundleBucketExists
    bundleCanceled
    guestStateName
    isStopRequested
    createImageTaskState
    createImagePid
    createImageCanceled
    migrationState
    migrationSource
    migrationDestination
    migrationCredentials
"""

FROM_3_4 = """\
  hypervisor type capability bitness requiresDisk
  backing
    root type
  name
  uuid
  reservation
  user
  owner
  account
  imageId
  kernelId
  ramdiskId
  dnsName
  privateDnsName
  instancePath
  kernel
  ramdisk
  xmlFilePath
  libvirtFilePath
  consoleLogPath
  userData
  launchIndex
"""

INSTANCE_3_4 = f"""\
instance
{FROM_3_4}\
  cores
  memoryKB
  diskGB
  VmType
  NicType
  NicDevice
  key doInjectKey sshKey
  os platform virtioRoot virtioDisk virtioNetwork
  groupNames
    name
  disks
    floppyPath
    diskPath {DISK}
    root device uuid
  vbrs
{VBR}\
  volumes
  nics
    nic vlan networkIndex mac publicIp privateIp bridgeDeviceName
  states
    retries
    stateName
    bundleTaskStateName
    createImageTaskStateName
    stateCode
    state
    bundleTaskState
    bundlePid
{STATES_END}\
  timestamps
    launchTime
    expiryTime
    bootTime
    bundlingTime
    createImageTime
    terminationTime
    migrationTime
"""

INSTANCE_4_4 = f"""\
instance xml-version
{FROM_3_4}\
  hasFloppy
  cpuPassthrough
  cores
  memoryKB
  diskGB
  VmType
  NicType
  NicDevice
  rootDirective
  key doInjectKey sshKey
  os platform virtioRoot virtioDisk virtioNetwork
  groupNames
    name
  disks
    floppyPath
    diskPath {DISK} serial
  vbrs
{VBR}\
      guestDeviceSerialId
  volumes
  nics
    nic vlan networkIndex mac publicIp privateIp bridgeDeviceName guestDeviceName device stateName hypervisorType osPlatform \
osVirtioNetwork
  states
    retries
    stateName
    bundleTaskStateName
    bundleTaskProgress
    createImageTaskStateName
    stateCode
    state
    bundleTaskState
{STATES_END}\
  timestamps
    launchTime
    expiryTime
    bootTime
    bundlingTime
    createImageTime
    terminationRequestedTime
    terminationTime
    migrationTime
"""
INSTANCE = {'3.1': INSTANCE_3_1, '3.4': INSTANCE_3_4, '4.4': INSTANCE_4_4, '5': INSTANCE_4_4}

BEFORE_VCPU = """\
  features
    acpi
  clock offset
  on_poweroff
  on_reboot
  on_crash
  vcpu
"""

DOMAIN_3 = f"""\
domain type
  name
  description
  os
    type
    initrd
    kernel
    cmdline
    root
{BEFORE_VCPU}\
  memory
  devices
    disk device type
      source file
      target bus dev
    interface type
      source bridge
      mac address
      model type
    serial type
      source path
      target port
"""

DOMAIN_4_4 = f"""\
domain type
  name
  description
  os
    type
    initrd
    kernel
    cmdline
    boot dev
{BEFORE_VCPU}\
  cpu
    topology sockets cores threads
  memory
  devices
    disk device type
      source file
      target bus dev
      serial
    interface type
      source bridge
      mac address
      target dev
      model type
      address type domain bus slot function
    serial type
      source path
      target port
"""

SYSINFO = """\
    smbios mode
  sysinfo type
    system
      entry name
"""

RNG = """\
    rng model
      backend model
"""

DOMAIN_5 = (
    DOMAIN_4_4.replace('    boot dev\n', f'    boot dev\n{SYSINFO}')
    .replace('  devices\n', f'  devices\n{RNG}')
    .replace('source path\n', 'source path append\n')
)
DOMAIN = {'3.1': DOMAIN_3, '3.4': DOMAIN_3, '4.4': DOMAIN_4_4, '5': DOMAIN_5}


def outline(element: etree._Element, depth: int = 0) -> str:
    text = '  ' * depth + ' '.join([element.tag, *map(str, element.attrib)]) + '\n'
    previous = ''
    for child in element.iterchildren(tag=etree.Element):
        lines = outline(child, depth + 1)
        text += '' if lines == previous else lines
        previous = lines
    return text


def without_differences_of_the_lab(domain: etree._Element) -> etree._Element:
    """Undo what the comment in libvirt.xsl lists: drivers and models are named, and there is no memory balloon."""
    for element in domain.iter('type'):
        element.attrib.clear()
    for element in domain.iter('cpu'):
        element.attrib.pop('mode')
    for element in [*domain.iter('driver'), *domain.iter('memballoon')]:
        parent = element.getparent()
        assert parent is not None
        parent.remove(element)
    return domain
