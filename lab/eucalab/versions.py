# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of the Eucalyptus versions that the lab can imitate. PLAYED has one entry per version.

The parameters are those for which the message classes of that version have a field (compute-common,
``VmControl.groovy``, ``VmImages.groovy``, ``VmBlockDevice.groovy`` …), a subset of the API's model. A name
with ``.N`` is a list. What is below a list of structures (``.N.*``) is never refused: the genuine binding takes those
keys away before it binds them, and drops unknown ones (``BaseQueryBinding.populateObjectList``).
"""

from __future__ import annotations

import dataclasses
import functools
import re

_FILTERS = 'Filter.N.*'
_PAGES = 'MaxResults NextToken'
_RULES = 'GroupName GroupId SourceSecurityGroupName SourceSecurityGroupOwnerId IpProtocol FromPort ToPort CidrIp IpPermissions.N.*'
# Alternative names of fields (HttpParameterMapping) and their names in the API's model.
_ALIASES = {
    'GetConsoleOutput': (('InstanceId.1', 'InstanceId'),),
    'ModifyImageAttribute': (('Group', 'UserGroup'),),
    'ModifySnapshotAttribute': (('Group', 'UserGroup'),),
}
_KNOWN_4_4 = {
    'AllocateAddress': 'Domain',
    'AssociateAddress': 'PublicIp InstanceId AllocationId NetworkInterfaceId PrivateIpAddress AllowReassociation',
    'AttachVolume': 'VolumeId InstanceId Device',
    'AuthorizeSecurityGroupIngress': _RULES,
    'CreateImage': 'InstanceId Name Description NoReboot BlockDeviceMapping.N.*',
    'CreateKeyPair': 'KeyName',
    'CreateSecurityGroup': 'GroupName GroupDescription VpcId',
    'CreateSnapshot': 'VolumeId Description',
    'CreateTags': 'ResourceId.N Tag.N.*',
    'CreateVolume': 'Size SnapshotId AvailabilityZone VolumeType Iops Encrypted',
    'DeleteKeyPair': 'KeyName',
    'DeleteSecurityGroup': 'GroupName GroupId',
    'DeleteSnapshot': 'SnapshotId',
    'DeleteTags': 'ResourceId.N Tag.N.*',
    'DeleteVolume': 'VolumeId',
    'DeregisterImage': 'ImageId',
    'DescribeAddresses': f'PublicIp.N {_FILTERS} AllocationId.N',
    'DescribeAvailabilityZones': f'ZoneName.N {_FILTERS}',
    'DescribeImageAttribute': 'ImageId Attribute LaunchPermission ProductCodes Kernel Ramdisk BlockDeviceMapping Description',
    'DescribeImages': f'ImageId.N Owner.N ExecutableBy.N {_FILTERS}',
    'DescribeInstanceAttribute': 'InstanceId Attribute',
    'DescribeAccountAttributes': 'AttributeName.N',
    'DescribeInstanceStatus': f'InstanceId.N IncludeAllInstances {_FILTERS} {_PAGES}',
    'DescribeInstanceTypes': 'Verbose Availability InstanceType.N',
    'DescribeInstances': f'InstanceId.N {_FILTERS} {_PAGES}',
    'DescribeKeyPairs': f'KeyName.N {_FILTERS}',
    'DescribeRegions': f'RegionName.N {_FILTERS}',
    'DescribeSecurityGroups': f'GroupName.N GroupId.N {_FILTERS}',
    'DescribeSnapshotAttribute': 'SnapshotId CreateVolumePermission ProductCodes Attribute',
    'DescribeSnapshots': f'SnapshotId.N Owner.N RestorableBy.N {_FILTERS} {_PAGES}',
    'DescribeTags': f'{_FILTERS} {_PAGES}',
    'DescribeVolumes': f'VolumeId.N {_FILTERS} {_PAGES}',
    'DescribeVolumeAttribute': 'VolumeId Attribute',
    'DetachVolume': 'VolumeId InstanceId Device Force',
    'DisassociateAddress': 'PublicIp AssociationId',
    'GetConsoleOutput': 'InstanceId InstanceId.1',
    'ImportKeyPair': 'KeyName PublicKeyMaterial',
    'ModifyImageAttribute': 'ImageId ProductCode.N LaunchPermission.Add.N.* LaunchPermission.Remove.N.* Description.Value'
    ' UserId.N UserGroup.N Group.N Attribute OperationType',
    'ModifyInstanceAttribute': 'InstanceId InstanceType.Value Kernel.Value Ramdisk.Value UserData.Value DisableApiTermination.Value'
    ' InstanceInitiatedShutdownBehavior.Value BlockDeviceMapping.N.* SourceDestCheck.Value GroupId.N EbsOptimized'
    ' EbsOptimized.Value SriovNetSupport.Value',
    'ModifySnapshotAttribute': 'SnapshotId ProductCode.N CreateVolumePermission.Add.N.* CreateVolumePermission.Remove.N.*'
    ' UserId.N Group.N Attribute OperationType',
    'RebootInstances': 'InstanceId.N',
    'RegisterImage': 'ImageLocation AmiId Name Description Architecture KernelId RamdiskId RootDeviceName VirtualizationType'
    ' Platform SriovNetSupport BlockDeviceMapping.N.*',
    'ReleaseAddress': 'PublicIp AllocationId',
    'ResetImageAttribute': 'ImageId Attribute',
    'ResetSnapshotAttribute': 'SnapshotId Attribute',
    'RevokeSecurityGroupIngress': _RULES,
    'RunInstances': 'ImageId ReservationId MinCount MaxCount KeyName InstanceIds.N SecurityGroup.N SecurityGroupId.N AdditionalInfo'
    ' UserData Version Encoding AddressingType InstanceType KernelId RamdiskId Placement.AvailabilityZone'
    ' Placement.GroupName Placement.Tenancy BlockDeviceMapping.N.* Monitoring.Enabled SubnetId'
    ' DisableApiTermination InstanceInitiatedShutdownBehavior PrivateIpAddress ClientToken NetworkInterface.N.*'
    ' IamInstanceProfile.Arn IamInstanceProfile.Name EbsOptimized',
    'StartInstances': 'InstanceId.N',
    'StopInstances': 'InstanceId.N Force',
    'TerminateInstances': 'InstanceId.N',
}


@dataclasses.dataclass(frozen=True)
class Played:
    name: str
    newest_api: str  # the fallback for an unknown version, and the model for reading requests
    known: dict[str, str]  # per action, the parameters that bind
    image_name: str = r'[A-Za-z0-9()./_-]{3,128}'

    def canonical(self, action: str, parameters: dict[str, str]) -> dict[str, str]:
        """The parameters under the names of the API's model."""
        result = {}
        for name, value in parameters.items():
            for alias, real in _ALIASES.get(action, ()):
                if name == alias or name.startswith(alias + '.'):
                    name = real + name[len(alias) :]
            result[name] = value
        return result

    def unknown_parameters(self, action: str, names: list[str]) -> list[str]:
        """The request's parameters that have no field in this version's message."""
        pattern = _pattern(self.known[action])
        return [name for name in names if not pattern.fullmatch(name)]


@functools.cache
def _pattern(known: str) -> re.Pattern[str]:
    def one(name: str) -> str:
        if name.endswith('.N.*'):
            return re.escape(name[:-4]) + r'\.[0-9]{1,7}(\..*)?'
        if name.endswith('.N'):
            return re.escape(name[:-2]) + r'(\.[0-9]{1,7})?'
        return re.escape(name)

    return re.compile('|'.join(one(name) for name in known.split()), re.DOTALL)


PLAYED = {
    '4.4': Played(name='4.4', newest_api='2016-09-15', known=_KNOWN_4_4),
}
