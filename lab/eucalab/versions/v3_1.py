# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Eucalyptus 3.1, the oldest version that the collection supports."""

from __future__ import annotations

from . import nodes
from .errors import Errors
from .played import Played, Requests
from .replies import InternalForm, Replies
from .rules import Images, Instances, Storage, Volumes
from .types import Types, table
from .words_3 import WORDS

_RULES = 'UserId GroupName IpProtocol FromPort ToPort CidrIp.N SourceSecurityGroupOwnerId SourceSecurityGroupName'
# No message has a filter: their fields for filters have no binding for parameters.
_KNOWN = {
    'AllocateAddress': '',
    'AssociateAddress': 'PublicIp InstanceId',
    'AttachVolume': 'VolumeId InstanceId Device RemoteDevice',
    'AuthorizeSecurityGroupIngress': _RULES,
    'CreateImage': 'InstanceId Name Description NoReboot',
    'CreateKeyPair': 'KeyName',
    'CreateSecurityGroup': 'GroupName GroupDescription',
    'CreateSnapshot': 'VolumeId Description',
    'CreateTags': 'ResourcesSet.N',
    'CreateVolume': 'Size SnapshotId AvailabilityZone',
    'DeleteKeyPair': 'KeyName',
    'DeleteSecurityGroup': 'GroupName',
    'DeleteSnapshot': 'SnapshotId',
    'DeleteTags': 'ResourcesSet.N',
    'DeleteVolume': 'VolumeId',
    'DeregisterImage': 'ImageId',
    'DescribeAddresses': 'PublicIp.N AllocationId.N',
    'DescribeAvailabilityZones': 'ZoneName.N',
    'DescribeImageAttribute': 'ImageId Attribute LaunchPermission ProductCodes Kernel Ramdisk BlockDeviceMapping',
    'DescribeImages': 'ImageId.N Owner.N ExecutableBy.N',
    'DescribeInstanceAttribute': 'InstanceId',
    'DescribeInstances': 'InstanceId.N',
    'DescribeKeyPairs': 'KeyName.N',
    'DescribePlacementGroups': 'PlacementGroupSet.N',
    'DescribeRegions': 'RegionName.N',
    'DescribeReservedInstances': 'InstanceIds.N',
    'DescribeSecurityGroups': 'GroupName.N GroupId.N',
    'DescribeSnapshotAttribute': 'SnapshotId',
    'DescribeSnapshots': 'SnapshotId.N Owner.N RestorableBy.N',
    'DescribeTags': '',
    'DescribeVolumes': 'VolumeId.N',
    'DetachVolume': 'VolumeId InstanceId Device RemoteDevice Force',
    'DisassociateAddress': 'PublicIp',
    'GetConsoleOutput': 'InstanceId InstanceId.1',
    'ImportKeyPair': 'KeyName PublicKeyMaterial',
    'ModifyImageAttribute': 'ImageId ProductCode.N UserId.N UserGroup.N Attribute OperationType',
    'ModifyInstanceAttribute': 'InstanceId Value',
    'ModifySnapshotAttribute': 'SnapshotId',
    'RebootInstances': 'InstanceId.N',
    # Of a list of structures only the first element is read (BaseQueryBinding.populateObjectList).
    'RegisterImage': 'ImageLocation AmiId Name Description Architecture KernelId RamdiskId RootDeviceName BlockDeviceMapping.1.*',
    'ReleaseAddress': 'PublicIp',
    'ResetImageAttribute': 'ImageId Attribute LaunchPermission',
    'ResetSnapshotAttribute': 'SnapshotId',
    'RevokeSecurityGroupIngress': _RULES,
    'RunInstances': 'ImageId ReservationId MinCount MaxCount KeyName InstanceIds.N SecurityGroup.N AdditionalInfo UserData Version'
    ' Encoding AddressingType InstanceType KernelId RamdiskId Placement.AvailabilityZone Placement.GroupName'
    ' BlockDeviceMapping.1.* Monitoring SubnetId DisableTerminate ShutdownAction PrivateIpAddress ClientToken',
    'StartInstances': 'InstanceId.N',
    'StopInstances': 'InstanceId.N Force',
    'TerminateInstances': 'InstanceId.N',
}
_APIS = (
    '2006-06-26 2006-10-01 2007-01-03 2007-01-19 2007-03-01 2007-08-29 2008-02-01 2008-05-05 2008-08-08 2008-12-01 2009-03-01'
    ' 2009-04-04 2009-07-15 2009-08-15 2009-10-31 2009-11-30 2010-06-15 2010-08-31 2010-11-15 2011-01-01 2011-02-28 2011-05-15'
    ' 2011-07-15 2011-11-01 2011-12-01 2011-12-15 2012-03-01 2012-04-01 2012-05-01'
)
_WORDS = (
    (r'AttachVolume InvalidParameterValue: Value \((.*)\) for parameter device is invalid\.', r'Invalid device name specified: \1'),
    (
        r'RegisterImage InternalFailure: Invalid request:.*ImageLocation=(.*) BlockDeviceMappings=(.*)',
        r'Malformed registration. A request must specify either a manifest path or a snapshot to use for BFE.'
        r' Provided values are: imageLocation=\1 blockDeviceMappings=\2',
    ),
    (r'RunInstances InternalFailure: Failed to lookup instance type: (.*)', r'instance type does not exist: \1'),
    *WORDS,
)

# Actions of this version that the lab lacks, from 2012-05-01-binding.xml and the files that it includes.
_OTHER_ACTIONS = """
    BundleInstance CancelBundleTask ConfirmProductInstance CreatePlacementGroup DeletePlacementGroup DescribeBundleTasks
    DescribeReservedInstancesOfferings GetPasswordData MonitorInstances ResetInstanceAttribute UnmonitorInstances
"""
# Name, processors, MB, GB, network interfaces.
_TYPES = """
    m1.small 1 128 2 1
    c1.medium 2 128 5 1
    m1.large 2 512 10 1
    m1.xlarge 2 1024 10 1
    c1.xlarge 4 2048 10 1
"""
VERSION = Played(
    name='3.1',
    branch='maint-3.1',
    requests=Requests(
        sources=(
            'EucalyptusQueryPipeline.java',
            'HmacHandler.java',
            'Hmacv2LoginModule.java',
            'SecurityContext.java',
            'EucalyptusQueryBinding.java',
            'BaseQueryBinding.java',
            'BindingException.java',
            'VmControl.groovy',
            'VmImages.groovy',
            'VmBlockDevice.groovy',
            'VmSecurity.groovy',
            'VmKeys.groovy',
            'VmAddresses.groovy',
            'VmLocation.groovy',
            'Unimplemented.groovy',
        ),
        paths=('/services/Eucalyptus',),
        required=('SignatureVersion', 'Version'),
        signatures=('v2',),
        refuses_replays=True,
        tries_other_paths=False,
        encodes_tilde=True,  # as URLCodec of commons-codec does
        wrong_signature='Login Failure: all modules ignored',  # from Java's LoginContext
        unknown_key='Failed to find access key',
        server='',
        newest_api='2012-05-01',
        model='2016-09-15',
        bind_status=412,
        drops_empty=True,
        known=_KNOWN,
        other_actions=frozenset(_OTHER_ACTIONS.split()),
        stubs=frozenset(
            {
                'CreateImage',
                'CreateTags',
                'DeleteTags',
                'DescribeInstanceAttribute',
                'DescribeSnapshotAttribute',
                'DescribeTags',
                'ModifyInstanceAttribute',
                'ModifySnapshotAttribute',
                'ResetSnapshotAttribute',
            }
        ),
        aliases={'GetConsoleOutput': (('InstanceId.1', 'InstanceId'),)},
    ),
    errors=Errors(
        sources=('ReplyQueue.java', 'NioServerHandler.java', 'VolumeManager.java', 'ImageManager.java', 'VmTypes.java'),
        coded=(),
        words=_WORDS,
        false_if_unknown=frozenset({'DeleteVolume', 'DeregisterImage', 'ModifyImageAttribute'}),
    ),
    replies=Replies(
        sources=(
            'RestfulMarshallingHandler.java',
            'BindingCache.java',
            'DefaultCryptoProvider.java',
            'aws-instances-10-08-31.xml',
            'aws-images-10-08-31.xml',
            'aws-ebs-volumes-10-08-31.xml',
            'aws-ebs-snapshots-10-08-31.xml',
            'aws-security-11-01-01.xml',
        ),
        id_form='08X',
        parses_ids=False,
        ignores_unknown=frozenset(
            {
                'DescribeImages',
                'DescribeInstances',
                'DescribeSnapshots',
                'DescribeVolumes',
                'StopInstances',
                'TerminateInstances',
                'DescribeKeyPairs',
                'DescribeSecurityGroups',
            }
        ),
        lacks={
            'AllocateAddressResult': frozenset({'Domain', 'AllocationId'}),
            'Address': frozenset({'Domain', 'AllocationId', 'AssociationId'}),
            'CreateSecurityGroupResult': frozenset({'GroupId'}),
            'GroupIdentifier': frozenset({'GroupName'}),
            'Image': frozenset({'Tags', 'CreationDate', 'VirtualizationType', 'Hypervisor'}),
            'Instance': frozenset(
                {'Tags', 'VirtualizationType', 'Architecture', 'ClientToken', 'SecurityGroups', 'Hypervisor', 'StateReason'}
            ),
            'Placement': frozenset({'GroupName', 'Tenancy'}),
            'SecurityGroup': frozenset({'GroupId', 'Tags', 'VpcId'}),
            'Snapshot': frozenset({'Tags', 'OwnerAlias', 'Encrypted'}),
            'Volume': frozenset({'Tags', 'VolumeType', 'Iops', 'Encrypted'}),
            'VolumeAttachment': frozenset({'DeleteOnTermination'}),
        },
        groups_by_name=True,
        internal_form=InternalForm(
            known_apis=frozenset(_APIS.split()),
            wrapped={
                'AttachVolume': 'attachedVolume',
                'CreateSnapshot': 'snapshot',
                'CreateVolume': 'volume',
                'DetachVolume': 'detachedVolume',
                'RunInstances': 'rsvInfo',
            },
            renamed={'blockDeviceMapping': 'blockDevices', 'kernelId': 'kernel', 'ramdiskId': 'ramdisk'},
        ),
    ),
    images=Images(
        sources=('ImageManager.java', 'ImageManifests.java', 'Images.java', 'ImageConfiguration.java', 'Emis.java'),
        id=None,
        name=None,
        name_required=False,
        names_unique=False,
        bucket_owned=True,
        manifest_owned=False,
        reads_type=False,
        one_admin_message=True,
        needs_kernel=False,
        default_kernel=True,
        size_limited=False,
        checks_mappings=False,
        root_device='/dev/sda1',
        partition_is_disk=False,
        snapshot_architecture='x86_64',
        snapshot_virtualization='paravirtual',
        shows_deregistered=True,
        manifest_kept=False,
        shows_caller=True,
    ),
    instances=Instances(
        sources=('VmControl.java', 'VerifyMetadata.java', 'VmStateCallback.java', 'ConsoleOutputCallback.java'),
        client_token=False,
        user_data_limited=False,
        size_may_equal_disk=False,
        console_needs_running=False,
        protects=False,
        refuses_stop=False,
        settle=20,
    ),
    types=Types(sources=('VmTypes.java',), default='m1.small', offered=table(_TYPES)),
    volumes=Volumes(
        sources=('VolumeManager.java', 'SnapshotManager.java', 'Snapshots.java'),
        device='(?!.*sd[ab]$).*',
        attaches_at_once=False,
        root_kept_in=frozenset(),
        checks_size=False,
        keeps_description=False,
        owners=False,
        restorable_by='ignored',
        others_deletable=False,
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
        v4_refusal='Unable to parse date.',
        skewed=('AccessDenied', 'Unable to parse date.'),  # its own catch clause replaces the message
        refusal='query',
        lacks=frozenset({'delete', 'uploads', 'uploadId'}),
        parts_in_root=True,
        checks_signature=True,
        bootstrap_namespace=None,
    ),
    node=nodes.V3_1,
)
