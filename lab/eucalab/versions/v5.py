# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Eucalyptus 5, as its newest branch maint-5 (5.1.0)."""

from __future__ import annotations

import dataclasses

from . import nodes, v4_4
from .types import Types, table

_OLD = v4_4.VERSION
_KNOWN = dict(_OLD.requests.known)
for _action, _more in {
    'AllocateAddress': 'Address',
    'CreateSnapshot': 'TagSpecification.N.*',
    'CreateVolume': 'KmsKeyId TagSpecification.N.*',
    'DescribeAccountAttributes': 'Filter.N.*',
    'RunInstances': 'LaunchTemplate.LaunchTemplateId LaunchTemplate.LaunchTemplateName LaunchTemplate.Version TagSpecification.N.*',
    'StartInstances': 'AdditionalInfo',
}.items():
    _KNOWN[_action] += ' ' + _more

# Actions that 4.4 does not have and the lab lacks, from ec2-2016-11-15-binding.xml and the files that it includes.
_OTHER_ACTIONS = """
    AcceptVpcEndpointConnections AllocateHosts AssignIpv6Addresses AssociateIamInstanceProfile AssociateSubnetCidrBlock
    AssociateVpcCidrBlock CopyFpgaImage CreateDefaultSubnet CreateDefaultVpc CreateEgressOnlyInternetGateway CreateFleet
    CreateFpgaImage CreateLaunchTemplate CreateLaunchTemplateVersion CreateNetworkInterfacePermission
    CreateVpcEndpointConnectionNotification CreateVpcEndpointServiceConfiguration DeleteEgressOnlyInternetGateway
    DeleteFleets DeleteFpgaImage DeleteLaunchTemplate DeleteLaunchTemplateVersions DeleteNetworkInterfacePermission
    DeleteVpcEndpointConnectionNotifications DeleteVpcEndpointServiceConfigurations DescribeAggregateIdFormat
    DescribeEgressOnlyInternetGateways DescribeElasticGpus DescribeFleetHistory DescribeFleetInstances DescribeFleets
    DescribeFpgaImageAttribute DescribeFpgaImages DescribeHostReservationOfferings DescribeHostReservations DescribeHosts
    DescribeIamInstanceProfileAssociations DescribeIdFormat DescribeIdentityIdFormat DescribeInstanceCreditSpecifications
    DescribeLaunchTemplateVersions DescribeLaunchTemplates DescribeNetworkInterfacePermissions DescribePrincipalIdFormat
    DescribeScheduledInstanceAvailability DescribeScheduledInstances DescribeVolumesModifications
    DescribeVpcEndpointConnectionNotifications DescribeVpcEndpointConnections DescribeVpcEndpointServiceConfigurations
    DescribeVpcEndpointServicePermissions DisassociateIamInstanceProfile DisassociateSubnetCidrBlock
    DisassociateVpcCidrBlock GetHostReservationPurchasePreview GetLaunchTemplateData ModifyFleet ModifyFpgaImageAttribute
    ModifyHosts ModifyIdFormat ModifyIdentityIdFormat ModifyInstanceCreditSpecification ModifyLaunchTemplate ModifyVolume
    ModifyVpcEndpointConnectionNotification ModifyVpcEndpointServiceConfiguration ModifyVpcEndpointServicePermissions
    ModifyVpcTenancy PurchaseHostReservation PurchaseScheduledInstances RejectVpcEndpointConnections ReleaseHosts
    ReplaceIamInstanceProfileAssociation ResetFpgaImageAttribute RunScheduledInstances UnassignIpv6Addresses
    UpdateSecurityGroupRuleDescriptionsEgress UpdateSecurityGroupRuleDescriptionsIngress
"""
# Enabled in a new cloud; the others are listed nowhere. Name, processors, MB, GB, network interfaces.
_TYPES = """
    t2.nano 1 512 5 2
    t2.micro 1 1024 10 2
    t2.small 1 2048 10 2
    t2.medium 2 4096 10 3
    m5.large 2 8192 10 3
    t2.large 2 8192 15 3
    m5.xlarge 4 16384 15 4
    t2.xlarge 4 16384 15 3
    m5.2xlarge 8 32768 20 4
    t2.2xlarge 8 32768 20 3
    m5.4xlarge 16 65536 20 8
    m5.12xlarge 48 196608 50 8
    m5.24xlarge 96 393216 100 15
"""

# Only what differs from 4.4. The files are the same, in other modules; the message classes are one Java file each.
VERSION = dataclasses.replace(
    _OLD,
    name='5',
    branch='maint-5',
    requests=dataclasses.replace(
        _OLD.requests,
        sources=(
            'ComputeQueryPipeline.java',
            'QueryPipeline.java',
            'HmacHandler.java',
            'Hmacv2LoginModule.java',
            'Hmacv4LoginModule.java',
            'ComputeQueryBinding.java',
            'BaseQueryBinding.java',
            'CreateVolumeType.java',
            'CreateSnapshotType.java',
            'RunInstancesType.java',
        ),
        newest_api='2016-11-15',
        model='2016-11-15',
        known=_KNOWN,
        other_actions=_OLD.requests.other_actions | frozenset(_OTHER_ACTIONS.split()),
    ),
    replies=dataclasses.replace(_OLD.replies, most_tags=50),
    node=nodes.V5,
    types=Types(sources=('VmTypes.java',), default='t2.micro', offered=table(_TYPES)),
    storage=dataclasses.replace(_OLD.storage, bootstrap_namespace='http://msgs.eucalyptus.com/5.1.0'),
)
