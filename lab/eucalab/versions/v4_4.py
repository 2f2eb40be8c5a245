# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Eucalyptus 4.4."""

from __future__ import annotations

from . import nodes
from .errors import Errors
from .played import Played, Requests
from .replies import Replies
from .rules import Images, Instances, Storage, Volumes
from .types import Types, table

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

# Actions of this version that the lab lacks, from ec2-2016-09-15-binding.xml and the files that it includes.
_OTHER_ACTIONS = """
    AcceptReservedInstancesExchangeQuote AcceptVpcPeeringConnection AssignPrivateIpAddresses AssociateDhcpOptions
    AssociateRouteTable AttachClassicLinkVpc AttachInternetGateway AttachNetworkInterface AttachVpnGateway
    AuthorizeSecurityGroupEgress BundleInstance CancelBundleTask CancelConversionTask CancelExportTask CancelImportTask
    CancelReservedInstancesListing CancelSpotFleetRequests CancelSpotInstanceRequests ConfirmProductInstance CopyImage
    CopySnapshot CreateCustomerGateway CreateDhcpOptions CreateFlowLogs CreateInstanceExportTask CreateInternetGateway
    CreateNatGateway CreateNetworkAcl CreateNetworkAclEntry CreateNetworkInterface CreatePlacementGroup
    CreateReservedInstancesListing CreateRoute CreateRouteTable CreateSpotDatafeedSubscription CreateSubnet CreateVpc
    CreateVpcEndpoint CreateVpcPeeringConnection CreateVpnConnection CreateVpnConnectionRoute CreateVpnGateway
    DeleteCustomerGateway DeleteDhcpOptions DeleteFlowLogs DeleteInternetGateway DeleteNatGateway DeleteNetworkAcl
    DeleteNetworkAclEntry DeleteNetworkInterface DeletePlacementGroup DeleteRoute DeleteRouteTable
    DeleteSpotDatafeedSubscription DeleteSubnet DeleteVpc DeleteVpcEndpoints DeleteVpcPeeringConnection
    DeleteVpnConnection DeleteVpnConnectionRoute DeleteVpnGateway DescribeBundleTasks DescribeClassicLinkInstances
    DescribeCustomerGateways DescribeDhcpOptions DescribeFlowLogs DescribeImportImageTasks DescribeImportSnapshotTasks
    DescribeMovingAddresses DescribeNatGateways DescribeNetworkAcls DescribeNetworkInterfaceAttribute DescribePrefixLists
    DescribeReservedInstancesListings DescribeReservedInstancesModifications DescribeReservedInstancesOfferings
    DescribeSecurityGroupReferences DescribeSpotDatafeedSubscription DescribeSpotFleetInstances
    DescribeSpotFleetRequestHistory DescribeSpotFleetRequests DescribeSpotPriceHistory DescribeStaleSecurityGroups
    DescribeVolumeStatus DescribeVpcAttribute DescribeVpcClassicLink DescribeVpcClassicLinkDnsSupport
    DescribeVpcEndpointServices DescribeVpcEndpoints DescribeVpcPeeringConnections DescribeVpnConnections
    DescribeVpnGateways DetachClassicLinkVpc DetachInternetGateway DetachNetworkInterface DetachVpnGateway
    DisableVgwRoutePropagation DisableVpcClassicLink DisableVpcClassicLinkDnsSupport DisassociateRouteTable
    EnableVgwRoutePropagation EnableVolumeIO EnableVpcClassicLink EnableVpcClassicLinkDnsSupport GetConsoleScreenshot
    GetPasswordData GetReservedInstancesExchangeQuote ImportImage ImportInstance ImportSnapshot ImportVolume
    MigrateInstances ModifyInstancePlacement ModifyInstanceTypeAttribute ModifyNetworkInterfaceAttribute
    ModifyReservedInstances ModifySpotFleetRequest ModifySubnetAttribute ModifyVolumeAttribute ModifyVpcAttribute
    ModifyVpcEndpoint ModifyVpcPeeringConnectionOptions MonitorInstances MoveAddressToVpc
    PurchaseReservedInstancesOffering RejectVpcPeeringConnection ReplaceNetworkAclAssociation ReplaceNetworkAclEntry
    ReplaceRoute ReplaceRouteTableAssociation ReportInstanceStatus RequestSpotFleet RequestSpotInstances
    ResetInstanceAttribute ResetNetworkInterfaceAttribute RestoreAddressToClassic RevokeSecurityGroupEgress
    UnassignPrivateIpAddresses UnmonitorInstances
"""
# Name, processors, MB, GB, network interfaces.
_TYPES = """
    m1.small 1 256 5 2
    t1.micro 1 256 5 2
    m1.medium 1 512 10 2
    c1.medium 2 512 10 2
    m1.large 2 512 10 3
    m1.xlarge 2 1024 10 4
    c1.xlarge 2 2048 10 4
    m2.xlarge 2 2048 10 4
    m3.xlarge 4 2048 15 4
    m2.2xlarge 2 4096 30 4
    m3.2xlarge 4 4096 30 4
    cc1.4xlarge 8 3072 60 4
    m2.4xlarge 8 4096 60 8
    hi1.4xlarge 8 6144 120 8
    cc2.8xlarge 16 6144 120 8
    cg1.4xlarge 16 12288 200 8
    cr1.8xlarge 16 16384 240 8
    hs1.8xlarge 48 119808 24000 8
"""
VERSION = Played(
    name='4.4',
    branch='maint-4.4',
    requests=Requests(
        sources=(
            'ComputeQueryPipeline.java',
            'QueryPipeline.java',
            'HmacHandler.java',
            'Hmacv2LoginModule.java',
            'Hmacv4LoginModule.java',
            'ComputeQueryBinding.java',
            'BaseQueryBinding.java',
            'ComputeMessages.groovy',
            'VmControl.groovy',
            'VmImages.groovy',
            'VmBlockDevice.groovy',
            'HttpResponseHeaderHandler.java',
            'StackConfiguration.java',
        ),
        paths=('/services/compute', '/services/Eucalyptus'),
        required=('Version',),
        signatures=('v2', 'v4'),
        refuses_replays=False,
        tries_other_paths=True,
        encodes_tilde=False,
        wrong_signature='Signature validation failed',
        unknown_key='The AWS Access Key Id you provided does not exist in our records',
        server='Eucalyptus/4.4.2',
        newest_api='2016-09-15',
        model='2016-09-15',
        bind_status=400,
        drops_empty=False,
        known=_KNOWN,
        other_actions=frozenset(_OTHER_ACTIONS.split()),
        stubs=frozenset(),
        aliases=_ALIASES,
    ),
    errors=Errors(sources=('ComputeErrorHandler.java', 'NioServerHandler.java')),
    replies=Replies(
        sources=('RestfulMarshallingHandler.java', 'DefaultCryptoProvider.java', 'ResourceIdentifiers.java', 'TagManager.java'),
        id_form='08x',
        parses_ids=True,
        most_tags=10,
    ),
    images=Images(
        sources=('ImageManager.java', 'ImageManifests.java', 'Images.java', 'Emis.java'),
        id='e[mkr]i-.*',
        name=r'[A-Za-z0-9()./_-]{3,128}',
        name_required=True,
        names_unique=True,
        bucket_owned=False,
        manifest_owned=True,
        reads_type=True,
        one_admin_message=False,
        needs_kernel=True,
        default_kernel=False,
        size_limited=True,
        checks_mappings=True,
        root_device='/dev/sda',
        partition_is_disk=True,
        snapshot_architecture=None,
        snapshot_virtualization='hvm',
        shows_deregistered=False,
        manifest_kept=True,
        shows_caller=False,
    ),
    instances=Instances(
        sources=('VmControl.java', 'VerifyMetadata.java', 'VmStateCallback.java'),
        client_token=True,
        user_data_limited=True,
        size_may_equal_disk=True,
        console_needs_running=True,
        protects=True,
        refuses_stop=True,
        settle=40,
    ),
    types=Types(sources=('VmTypes.java',), default='m1.small', offered=table(_TYPES)),
    volumes=Volumes(
        sources=('VolumeManager.java', 'SnapshotManager.java'),
        device=r'[a-zA-Z\d/]{3,10}',
        attaches_at_once=True,
        root_kept_in=frozenset({'pending', 'running', 'stopping', 'shutting-down'}),
        checks_size=True,
        keeps_description=True,
        owners=True,
        restorable_by='explicit',
        others_deletable=True,
    ),
    storage=Storage(
        sources=('ObjectStorageAuthenticationHandler.java', 'S3Authentication.java', 'EmpyreanService.java'),
        paths=('/services/objectstorage', '/services/Walrus'),
        signatures=('v2', 'v4'),
        v4_refusal='',
        skewed=('RequestTimeTooSkewed', 'The difference between the request time and the current time is too large.'),
        refusal='coded',
        lacks=frozenset(),
        parts_in_root=False,
        checks_signature=False,
        bootstrap_namespace='http://msgs.eucalyptus.com/4.4.2',
    ),
    node=nodes.V4_4,
)
