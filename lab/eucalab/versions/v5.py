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
# Types that a new cloud has, but does not offer before an administrator enables them.
_DISABLED = """
    c1.medium c1.xlarge c3.2xlarge c3.4xlarge c3.8xlarge c3.large c3.xlarge c4.2xlarge c4.4xlarge c4.8xlarge c4.large
    c4.xlarge c5.18xlarge c5.2xlarge c5.4xlarge c5.9xlarge c5d.18xlarge c5d.2xlarge c5d.4xlarge c5d.9xlarge c5d.large
    c5d.xlarge c5.large c5.xlarge cc2.8xlarge cg1.4xlarge cr1.8xlarge d2.2xlarge d2.4xlarge d2.8xlarge d2.xlarge
    f1.16xlarge f1.2xlarge f1.4xlarge g2.2xlarge g2.8xlarge g3.16xlarge g3.4xlarge g3.8xlarge h1.16xlarge h1.2xlarge
    h1.4xlarge h1.8xlarge hi1.4xlarge hs1.8xlarge i2.2xlarge i2.4xlarge i2.8xlarge i2.xlarge i3.16xlarge i3.2xlarge
    i3.4xlarge i3.8xlarge i3.large i3.xlarge m1.large m1.medium m1.small m1.xlarge m2.2xlarge m2.4xlarge m2.xlarge
    m3.2xlarge m3.large m3.medium m3.xlarge m4.10xlarge m4.16xlarge m4.2xlarge m4.4xlarge m4.large m4.xlarge m5d.12xlarge
    m5d.24xlarge m5d.2xlarge m5d.4xlarge m5d.large m5d.xlarge p2.16xlarge p2.8xlarge p2.xlarge p3.16xlarge p3.2xlarge
    p3.8xlarge r3.2xlarge r3.4xlarge r3.8xlarge r3.large r3.xlarge r4.16xlarge r4.2xlarge r4.4xlarge r4.8xlarge r4.large
    r4.xlarge r5.12xlarge r5.24xlarge r5.2xlarge r5.4xlarge r5d.12xlarge r5d.24xlarge r5d.2xlarge r5d.4xlarge r5d.large
    r5d.xlarge r5.large r5.xlarge t1.micro t3.2xlarge t3.large t3.medium t3.micro t3.nano t3.small t3.xlarge x1.16xlarge
    x1.32xlarge x1e.16xlarge x1e.2xlarge x1e.32xlarge x1e.4xlarge x1e.8xlarge x1e.xlarge z1d.12xlarge z1d.2xlarge
    z1d.3xlarge z1d.6xlarge z1d.large z1d.xlarge
"""
# Name, processors, MB, GB, network interfaces.
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
            'HttpResponseHeaderHandler.java',
            'StackConfiguration.java',
        ),
        server='Eucalyptus/5.1.0',
        newest_api='2016-11-15',
        model='2016-11-15',
        known=_KNOWN,
        other_actions=_OLD.requests.other_actions | frozenset(_OTHER_ACTIONS.split()),
    ),
    replies=dataclasses.replace(_OLD.replies, most_tags=50),
    node=nodes.V5,
    types=Types(sources=('VmTypes.java',), default='t2.micro', offered=table(_TYPES), disabled=frozenset(_DISABLED.split())),
    storage=dataclasses.replace(_OLD.storage, bootstrap_namespace='http://msgs.eucalyptus.com/5.1.0'),
)
