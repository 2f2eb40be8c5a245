# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Eucalyptus 3.4."""

from __future__ import annotations

from . import nodes
from .errors import Errors
from .played import Played, Requests
from .replies import Replies
from .rules import Images, Instances, Storage, Volumes
from .types import Types, table
from .words_3 import WORDS

_FILTERS = 'Filter.N.*'
_RULES = (
    'UserId GroupName GroupId SourceSecurityGroupName SourceSecurityGroupOwnerId IpProtocol FromPort ToPort CidrIp'
    ' IpPermissions.N.*'
)
_KNOWN = {
    'AllocateAddress': '',
    'AssociateAddress': 'PublicIp InstanceId AllowReassociation',
    'AttachVolume': 'VolumeId InstanceId Device RemoteDevice',
    'AuthorizeSecurityGroupIngress': _RULES,
    'CreateImage': 'InstanceId Name Description NoReboot BlockDeviceMapping.N.*',
    'CreateKeyPair': 'KeyName',
    'CreateSecurityGroup': 'GroupName GroupDescription',
    'CreateSnapshot': 'VolumeId Description',
    'CreateTags': 'ResourceId.N Tag.N.*',
    'CreateVolume': 'Size SnapshotId AvailabilityZone VolumeType Iops',
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
    'DescribeInstanceAttribute': 'InstanceId',
    'DescribeInstanceStatus': f'InstanceId.N IncludeAllInstances {_FILTERS} MaxResults NextToken',
    'DescribeInstanceTypes': 'Verbose Availability InstanceType.N',
    'DescribeInstances': f'InstanceId.N {_FILTERS}',
    'DescribeKeyPairs': f'KeyName.N {_FILTERS}',
    'DescribePlacementGroups': 'PlacementGroupSet.N',
    'DescribeRegions': f'RegionName.N {_FILTERS}',
    'DescribeReservedInstances': 'InstanceIds.N',
    'DescribeSecurityGroups': f'GroupName.N GroupId.N {_FILTERS}',
    'DescribeSnapshotAttribute': 'SnapshotId',
    'DescribeSnapshots': f'SnapshotId.N Owner.N RestorableBy.N {_FILTERS}',
    'DescribeTags': _FILTERS,
    'DescribeVolumes': f'VolumeId.N {_FILTERS}',
    'DetachVolume': 'VolumeId InstanceId Device RemoteDevice Force',
    'DisassociateAddress': 'PublicIp',
    'GetConsoleOutput': 'InstanceId InstanceId.1',
    'ImportKeyPair': 'KeyName PublicKeyMaterial',
    'ModifyImageAttribute': 'ImageId ProductCode.N LaunchPermission.Add.N.* LaunchPermission.Remove.N.* Description.Value UserId.N'
    ' UserGroup.N Group.N Attribute OperationType',
    'ModifyInstanceAttribute': 'InstanceId Value BlockDeviceMapping.N.*',
    'ModifySnapshotAttribute': 'SnapshotId',
    'RebootInstances': 'InstanceId.N',
    'RegisterImage': 'ImageLocation AmiId Name Description Architecture KernelId RamdiskId RootDeviceName VirtualizationType'
    ' BlockDeviceMapping.N.*',
    'ReleaseAddress': 'PublicIp',
    'ResetImageAttribute': 'ImageId Attribute LaunchPermission',
    'ResetSnapshotAttribute': 'SnapshotId',
    'RevokeSecurityGroupIngress': _RULES,
    'RunInstances': 'ImageId ReservationId MinCount MaxCount KeyName InstanceIds.N SecurityGroup.N SecurityGroupId.N AdditionalInfo'
    ' UserData Version Encoding AddressingType InstanceType KernelId RamdiskId Placement.AvailabilityZone'
    ' Placement.GroupName Placement.Tenancy BlockDeviceMapping.N.* Monitoring.Enabled SubnetId DisableApiTermination'
    ' InstanceInitiatedShutdownBehavior PrivateIpAddress ClientToken IamInstanceProfile.Arn'
    ' IamInstanceProfile.Name EbsOptimized',
    'StartInstances': 'InstanceId.N',
    'StopInstances': 'InstanceId.N Force',
    'TerminateInstances': 'InstanceId.N',
}
_ALIASES = {
    'GetConsoleOutput': (('InstanceId.1', 'InstanceId'),),
    'ModifyImageAttribute': (('Group', 'UserGroup'),),
}
# The uses of ClientComputeException and of the other subclasses of EucalyptusWebServiceException.
_CODED = (
    r'(Attach|Detach)Volume InvalidParameterValue: Value .*',
    r'(Create|Delete)Tags .*',
    r'(CreateKeyPair|ImportKeyPair) (InvalidParameterValue|InvalidKeyPair\.Duplicate): .*',
    r'CreateSecurityGroup (InvalidParameterValue|InvalidGroup\.Duplicate): .*',
    r'DeleteSecurityGroup InvalidGroup\.(InUse|NotFound): .*',
    r'(Authorize|Revoke)SecurityGroupIngress (InvalidPermission\.Malformed|InvalidGroup\.NotFound): .*',
    r'DeregisterImage InvalidAMIID\.(NotFound|Unavailable): .*',
    r'RegisterImage InvalidAMIName\.\w+: .*',
    r'RegisterImage InvalidParameter: .*',
    r'StopInstances (UnsupportedOperation|IncorrectInstanceState|InvalidInstanceID\.NotFound): .*',
)

# Actions of this version that the lab lacks, from 2013-08-15-binding.xml and the files that it includes.
_OTHER_ACTIONS = """
    BundleInstance CancelBundleTask ConfirmProductInstance CreatePlacementGroup DeletePlacementGroup DescribeBundleTasks
    DescribeReservedInstancesListings DescribeReservedInstancesModifications DescribeReservedInstancesOfferings
    DescribeSpotInstanceRequests GetPasswordData MonitorInstances ResetInstanceAttribute UnmonitorInstances
"""
# Name, processors, MB, GB, network interfaces.
_TYPES = """
    m1.small 1 256 5 1
    t1.micro 1 256 5 1
    m1.medium 1 512 10 1
    c1.medium 2 512 10 1
    m1.large 2 512 10 1
    m1.xlarge 2 1024 10 1
    c1.xlarge 2 2048 10 1
    m2.xlarge 2 2048 10 1
    m3.xlarge 4 2048 15 1
    m2.2xlarge 2 4096 30 1
    m3.2xlarge 4 4096 30 1
    cc1.4xlarge 8 3072 60 1
    m2.4xlarge 8 4096 60 1
    hi1.4xlarge 8 6144 120 1
    cc2.8xlarge 16 6144 120 1
    cg1.4xlarge 16 12288 200 1
    cr1.8xlarge 16 16384 240 1
    hs1.8xlarge 48 119808 24000 1
"""
VERSION = Played(
    name='3.4',
    branch='maint-3.4',
    requests=Requests(
        sources=(
            'EucalyptusQueryPipeline.java',
            'QueryPipeline.java',
            'HmacHandler.java',
            'Hmacv2LoginModule.java',
            'SecurityContext.java',
            'EucalyptusQueryBinding.java',
            'BaseQueryBinding.java',
            'VmControl.groovy',
            'VmImages.groovy',
            'VmBlockDevice.groovy',
            'VmSecurity.groovy',
            'VmKeys.groovy',
            'VmAddresses.groovy',
            'VmLocation.groovy',
            'Tags.groovy',
            'VmTypeMessages.groovy',
        ),
        paths=('/services/Eucalyptus',),
        required=('SignatureVersion', 'Version'),
        signatures=('v2',),  # version 4 is implemented, but its requests lack the parameter SignatureVersion
        refuses_replays=True,
        tries_other_paths=True,
        encodes_tilde=False,
        wrong_signature='Login Failure: all modules ignored',  # from Java's LoginContext
        unknown_key='Failed to find access key',
        server='',
        newest_api='2013-08-15',
        model='2016-09-15',
        bind_status=400,
        drops_empty=True,
        known=_KNOWN,
        other_actions=frozenset(_OTHER_ACTIONS.split()),
        stubs=frozenset(
            {
                'DescribeInstanceAttribute',
                'DescribeSnapshotAttribute',
                'ModifyInstanceAttribute',
                'ModifySnapshotAttribute',
                'ResetSnapshotAttribute',
            }
        ),
        aliases=_ALIASES,
    ),
    errors=Errors(
        sources=(
            'ReplyQueue.java',
            'NioServerHandler.java',
            'ClientComputeException.java',
            'VolumeManager.java',
            'ImageManager.java',
            'TagManager.java',
            'VmControl.java',
            'VmInstance.java',
            'VmTypes.java',
        ),
        coded=_CODED,
        words=(
            (r'DetachVolume IncorrectState: Volume is not attached: .*', 'Volume is not currently attached to any instance'),
            (
                r'DetachVolume IncorrectState: Cannot detach root volume (\S+) from EBS backed instance (\S+) .*',
                r'\1 is associated with boot from EBS instance \2 at launch time. Cannot be detached',
            ),
            (r'RunInstances InternalFailure: Failed to lookup instance type: (.*)', r'Instance type does not exist: \1'),
            *WORDS,
        ),
        false_if_unknown=frozenset({'DeleteVolume'}),
    ),
    replies=Replies(
        sources=(
            'RestfulMarshallingHandler.java',
            'DefaultCryptoProvider.java',
            'TagManager.java',
            'VmControl.groovy',
            'VmImages.groovy',
            'VmBlockDevice.groovy',
            'VmAddresses.groovy',
        ),
        id_form='08X',
        parses_ids=False,
        ignores_unknown=frozenset(
            {
                'DescribeImages',
                'DescribeInstanceStatus',
                'DescribeKeyPairs',
                'DescribeSecurityGroups',
                'DescribeInstances',
                'DescribeSnapshots',
                'DescribeVolumes',
                'TerminateInstances',
            }
        ),
        lacks={
            'AllocateAddressResult': frozenset({'Domain', 'AllocationId'}),
            'Address': frozenset({'Domain', 'AllocationId', 'AssociationId'}),
            'Image': frozenset({'CreationDate'}),
            'Instance': frozenset({'Architecture', 'SecurityGroups', 'StateReason'}),
            'Placement': frozenset({'GroupName', 'Tenancy'}),
            'SecurityGroup': frozenset({'VpcId'}),
            'Snapshot': frozenset({'OwnerAlias', 'Encrypted'}),
            'Volume': frozenset({'VolumeType', 'Iops', 'Encrypted'}),
            'VolumeAttachment': frozenset({'DeleteOnTermination'}),
        },
        most_tags=10,
    ),
    images=Images(
        sources=('ImageManager.java', 'ImageManifests.java', 'Images.java', 'ImageConfiguration.java', 'Emis.java'),
        id='e[mkr]i-[0-9A-F]{8}',
        name=r'[A-Za-z0-9(),/_-]{3,128}',
        name_required=False,
        names_unique=True,
        bucket_owned=False,
        manifest_owned=False,
        reads_type=False,
        one_admin_message=False,
        needs_kernel=False,
        default_kernel=True,
        size_limited=True,
        checks_mappings=True,
        root_device='/dev/sda',
        partition_is_disk=True,
        snapshot_architecture='x86_64',
        snapshot_virtualization='hvm',
        shows_deregistered=False,
        manifest_kept=False,
        shows_caller=False,
    ),
    instances=Instances(
        sources=('VmControl.java', 'VerifyMetadata.java', 'VmStateCallback.java', 'ConsoleOutputCallback.java'),
        client_token=True,
        user_data_limited=True,
        size_may_equal_disk=False,
        console_needs_running=False,
        protects=False,
        refuses_stop=True,
        settle=40,
    ),
    types=Types(sources=('VmTypes.java',), default='m1.small', offered=table(_TYPES)),
    volumes=Volumes(
        sources=('VolumeManager.java', 'VmInstance.java', 'SnapshotManager.java'),
        device=r'(?!.*sd[ab]$)[a-zA-Z\d/]{3,10}',
        attaches_at_once=False,
        root_kept_in=frozenset({'pending', 'running', 'stopping', 'stopped', 'shutting-down'}),
        checks_size=True,
        keeps_description=True,
        owners=False,
        restorable_by='nothing',
        others_deletable=True,
    ),
    storage=Storage(
        sources=(
            'WalrusRESTPipeline.java',
            'WalrusAuthenticationHandler.java',
            'WalrusRESTBinding.java',
            'WalrusImageManager.java',
        ),
        paths=('/services/Walrus',),
        signatures=('v2',),
        v4_refusal='Invalid authorization header',
        skewed=('AccessDenied', 'Message expired. Sorry.'),
        refusal='denied',
        lacks=frozenset({'delete', 'uploads', 'uploadId'}),
        parts_in_root=True,
        checks_signature=True,
        bootstrap_namespace=None,
    ),
    node=nodes.V3_4,
)
