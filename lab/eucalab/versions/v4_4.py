# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Eucalyptus 4.4, as its branch maint-4.4."""

from __future__ import annotations

from . import nodes
from .played import Played

_FILTERS = 'Filter.N.*'
_PAGES = 'MaxResults NextToken'
_RULES = 'GroupName GroupId SourceSecurityGroupName SourceSecurityGroupOwnerId IpProtocol FromPort ToPort CidrIp IpPermissions.N.*'
# Alternative names of fields (HttpParameterMapping) and their names in the API's model.
_ALIASES = {
    'GetConsoleOutput': (('InstanceId.1', 'InstanceId'),),
    'ModifyImageAttribute': (('Group', 'UserGroup'),),
    'ModifySnapshotAttribute': (('Group', 'UserGroup'),),
}
_KNOWN = {
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
    'DescribeConversionTasks': 'ConversionTaskId.N',
    'DescribeExportTasks': 'ExportTaskId.N',
    'DescribeImageAttribute': 'ImageId Attribute LaunchPermission ProductCodes Kernel Ramdisk BlockDeviceMapping Description',
    'DescribeImages': f'ImageId.N Owner.N ExecutableBy.N {_FILTERS}',
    'DescribeInstanceAttribute': 'InstanceId Attribute',
    'DescribeAccountAttributes': 'AttributeName.N',
    'DescribeInstanceStatus': f'InstanceId.N IncludeAllInstances {_FILTERS} {_PAGES}',
    'DescribeInstanceTypes': 'Verbose Availability InstanceType.N',
    'DescribeInstances': f'InstanceId.N {_FILTERS} {_PAGES}',
    'DescribeKeyPairs': f'KeyName.N {_FILTERS}',
    'DescribeInternetGateways': f'InternetGatewayId.N {_FILTERS}',
    'DescribeNetworkInterfaces': f'NetworkInterfaceId.N {_FILTERS}',
    'DescribePlacementGroups': f'GroupName.N {_FILTERS}',
    'DescribeRegions': f'RegionName.N {_FILTERS}',
    'DescribeReservedInstances': f'ReservedInstancesId.N OfferingType {_FILTERS}',
    'DescribeRouteTables': f'RouteTableId.N {_FILTERS}',
    'DescribeSecurityGroups': f'GroupName.N GroupId.N {_FILTERS}',
    'DescribeSnapshotAttribute': 'SnapshotId CreateVolumePermission ProductCodes Attribute',
    'DescribeSnapshots': f'SnapshotId.N Owner.N RestorableBy.N {_FILTERS} {_PAGES}',
    'DescribeSpotInstanceRequests': f'SpotInstanceRequestId.N {_FILTERS}',
    'DescribeSubnets': f'SubnetId.N {_FILTERS}',
    'DescribeTags': f'{_FILTERS} {_PAGES}',
    'DescribeVpcs': f'VpcId.N {_FILTERS}',
    'DescribeVolumes': f'VolumeId.N {_FILTERS} {_PAGES}',
    'DescribeVolumeAttribute': 'VolumeId Attribute',
    'DescribeVolumeStatus': f'VolumeId.N {_FILTERS} {_PAGES}',
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

VERSION = Played(
    name='4.4',
    newest_api='2016-09-15',
    ec2_paths=('/services/compute', '/services/Eucalyptus'),
    s3_paths=('/services/objectstorage', '/services/Walrus'),
    bootstrap_namespace='http://msgs.eucalyptus.com/4.4.2',
    known=_KNOWN,
    aliases=_ALIASES,
    image_name=r'[A-Za-z0-9()./_-]{3,128}',
    node=nodes.V4_4,
)
