# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Node controllers of the played versions, as read in their branches: node/, storage/vbr.c, tools/libvirt.xsl."""

from __future__ import annotations

import dataclasses

from .node_shape import InstanceXml, NodeShape

_DISK = 'targetDeviceType targetDeviceName targetDeviceNameVirtio targetDeviceBusVirtio targetDeviceBus sourceType'
_NIC = 'vlan networkIndex mac publicIp privateIp bridgeDeviceName'

V3_1 = NodeShape(
    release='3.1.2',
    libvirt_file='libvirt.xml',
    state_file='instance.checkpoint',
    xml=InstanceXml(
        children='hypervisor backing name uuid reservation user dnsName privateDnsName instancePath kernel ramdisk consoleLogPath'
        ' userData launchIndex cores memoryKB key os disks nics',
        hypervisor='type capability bitness',
        key='isKeyInjected sshKey',
        disk=_DISK,
        floppy=False,
        nic='bridgeDeviceName mac',
        closed=True,
    ),
    stylesheet='any-cmdline root-element volume',
    vnc_line=" <graphics type='vnc' port='-1' autoport='yes' keymap='en-us' listen='0.0.0.0'/> ",
    root_disk='sda',
    links=False,
    composed_type='image',
    directory_mode=0o771,
    boot_delay=0,
    hooks_by_shell=True,
    volume_script=False,
    attach_suffix='.xml',
    detach_suffix='.xml',
    reboot_from_file=True,
)
V3_4 = NodeShape(
    release='3.4.3',
    libvirt_file='instance-libvirt.xml',
    xml=InstanceXml(
        children='hypervisor backing name uuid reservation user owner account imageId kernelId ramdiskId dnsName privateDnsName'
        ' instancePath kernel ramdisk xmlFilePath libvirtFilePath consoleLogPath userData launchIndex cores memoryKB diskGB VmType'
        ' NicType NicDevice key os groupNames disks vbrs volumes nics states timestamps',
        key='doInjectKey sshKey',
        disk=_DISK,
        nic=_NIC,
        volume='id attachmentToken localDev localDevReal stateName connectionString',
        states='retries stateName bundleTaskStateName createImageTaskStateName stateCode state bundleTaskState bundlePid'
        ' bundleBucketExists bundleCanceled guestStateName isStopRequested createImageTaskState createImagePid createImageCanceled'
        ' migrationState migrationSource migrationDestination migrationCredentials',
        timestamps='launchTime expiryTime bootTime bundlingTime createImageTime terminationTime migrationTime',
        locations={
            'machine': 'walrus',
            'kernel': 'walrus',
            'ramdisk': 'walrus',
            'ebs': 'sc',
            'ephemeral': 'none',
            'swap': 'none',
            '': 'url',
        },
        closed=True,
    ),
    stylesheet='cmdline root-element volume',
    vnc_line=" <graphics type='vnc' port='-1' autoport='yes' listen='0.0.0.0' keymap='en-us' ",
    root_disk='sda',
    composed_type='image',
    directory_mode=0o771,
    boot_delay=0,
    hooks_by_shell=True,
    volume_script=False,
    described_serial=True,
    detach_suffix='.xml',
)
V4_4 = NodeShape(
    release='4.4.2',
    libvirt_file='instance-libvirt.xml',
    xml=InstanceXml(
        version='2',
        children='hypervisor backing name uuid reservation user owner account imageId kernelId ramdiskId dnsName privateDnsName'
        ' instancePath kernel ramdisk xmlFilePath libvirtFilePath consoleLogPath userData launchIndex hasFloppy cpuPassthrough'
        ' cores memoryKB diskGB VmType NicType NicDevice rootDirective key os groupNames disks vbrs volumes nics states timestamps',
        key='doInjectKey sshKey',
        disk=f'{_DISK} serial',
        vbr=f'{InstanceXml.vbr} guestDeviceSerialId',
        nic=f'{_NIC} guestDeviceName device stateName hypervisorType osPlatform osVirtioNetwork',
        volume='id attachmentToken devName stateName connectionString libvirt',
        states='retries stateName bundleTaskStateName bundleTaskProgress createImageTaskStateName stateCode state bundleTaskState'
        ' bundleBucketExists bundleCanceled guestStateName isStopRequested createImageTaskState createImagePid createImageCanceled'
        ' migrationState migrationSource migrationDestination migrationCredentials',
        timestamps='launchTime expiryTime bootTime bundlingTime createImageTime terminationRequestedTime terminationTime'
        ' migrationTime',
        # The table of names is shorter than the enumeration, so volumes and ephemeral disks have an empty element.
        locations={'machine': 'clc', 'kernel': 'clc', 'ramdisk': 'clc', '': 'url'},
    ),
    stylesheet='cmdline root-directive boot cpu disk-serial volumes card-of-nic',
    vnc_line=" <graphics type='vnc' port='-1' autoport='yes' keymap='en-us'/> ",
)
V5 = dataclasses.replace(V4_4, release='5.1.0', stylesheet=f'{V4_4.stylesheet} smbios rng append')
