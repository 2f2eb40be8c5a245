# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions of each Eucalyptus version. A request for one that the lab lacks is answered with that reason."""

from __future__ import annotations

from ..protocol.errors import ApiError

# The request messages of ec2-2016-09-15-binding.xml and all files that it includes.
_GENUINE = {
    '4.4': """
    AcceptReservedInstancesExchangeQuote AcceptVpcPeeringConnection AllocateAddress AssignPrivateIpAddresses
    AssociateAddress AssociateDhcpOptions AssociateRouteTable AttachClassicLinkVpc AttachInternetGateway
    AttachNetworkInterface AttachVolume AttachVpnGateway AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress
    BundleInstance CancelBundleTask CancelConversionTask CancelExportTask CancelImportTask CancelReservedInstancesListing
    CancelSpotFleetRequests CancelSpotInstanceRequests ConfirmProductInstance CopyImage CopySnapshot CreateCustomerGateway
    CreateDhcpOptions CreateFlowLogs CreateImage CreateInstanceExportTask CreateInternetGateway CreateKeyPair
    CreateNatGateway CreateNetworkAcl CreateNetworkAclEntry CreateNetworkInterface CreatePlacementGroup
    CreateReservedInstancesListing CreateRoute CreateRouteTable CreateSecurityGroup CreateSnapshot
    CreateSpotDatafeedSubscription CreateSubnet CreateTags CreateVolume CreateVpc CreateVpcEndpoint
    CreateVpcPeeringConnection CreateVpnConnection CreateVpnConnectionRoute CreateVpnGateway DeleteCustomerGateway
    DeleteDhcpOptions DeleteFlowLogs DeleteInternetGateway DeleteKeyPair DeleteNatGateway DeleteNetworkAcl
    DeleteNetworkAclEntry DeleteNetworkInterface DeletePlacementGroup DeleteRoute DeleteRouteTable DeleteSecurityGroup
    DeleteSnapshot DeleteSpotDatafeedSubscription DeleteSubnet DeleteTags DeleteVolume DeleteVpc DeleteVpcEndpoints
    DeleteVpcPeeringConnection DeleteVpnConnection DeleteVpnConnectionRoute DeleteVpnGateway DeregisterImage
    DescribeAccountAttributes DescribeAddresses DescribeAvailabilityZones DescribeBundleTasks DescribeClassicLinkInstances
    DescribeConversionTasks DescribeCustomerGateways DescribeDhcpOptions DescribeExportTasks DescribeFlowLogs
    DescribeImageAttribute DescribeImages DescribeImportImageTasks DescribeImportSnapshotTasks DescribeInstanceAttribute
    DescribeInstanceStatus DescribeInstanceTypes DescribeInstances DescribeInternetGateways DescribeKeyPairs
    DescribeMovingAddresses DescribeNatGateways DescribeNetworkAcls DescribeNetworkInterfaceAttribute
    DescribeNetworkInterfaces DescribePlacementGroups DescribePrefixLists DescribeRegions DescribeReservedInstances
    DescribeReservedInstancesListings DescribeReservedInstancesModifications DescribeReservedInstancesOfferings
    DescribeRouteTables DescribeSecurityGroupReferences DescribeSecurityGroups DescribeSnapshotAttribute DescribeSnapshots
    DescribeSpotDatafeedSubscription DescribeSpotFleetInstances DescribeSpotFleetRequestHistory DescribeSpotFleetRequests
    DescribeSpotInstanceRequests DescribeSpotPriceHistory DescribeStaleSecurityGroups DescribeSubnets DescribeTags
    DescribeVolumeAttribute DescribeVolumeStatus DescribeVolumes DescribeVpcAttribute DescribeVpcClassicLink
    DescribeVpcClassicLinkDnsSupport DescribeVpcEndpointServices DescribeVpcEndpoints DescribeVpcPeeringConnections
    DescribeVpcs DescribeVpnConnections DescribeVpnGateways DetachClassicLinkVpc DetachInternetGateway
    DetachNetworkInterface DetachVolume DetachVpnGateway DisableVgwRoutePropagation DisableVpcClassicLink
    DisableVpcClassicLinkDnsSupport DisassociateAddress DisassociateRouteTable EnableVgwRoutePropagation EnableVolumeIO
    EnableVpcClassicLink EnableVpcClassicLinkDnsSupport GetConsoleOutput GetConsoleScreenshot GetPasswordData
    GetReservedInstancesExchangeQuote ImportImage ImportInstance ImportKeyPair ImportSnapshot ImportVolume MigrateInstances
    ModifyImageAttribute ModifyInstanceAttribute ModifyInstancePlacement ModifyInstanceTypeAttribute
    ModifyNetworkInterfaceAttribute ModifyReservedInstances ModifySnapshotAttribute ModifySpotFleetRequest
    ModifySubnetAttribute ModifyVolumeAttribute ModifyVpcAttribute ModifyVpcEndpoint ModifyVpcPeeringConnectionOptions
    MonitorInstances MoveAddressToVpc PurchaseReservedInstancesOffering RebootInstances RegisterImage
    RejectVpcPeeringConnection ReleaseAddress ReplaceNetworkAclAssociation ReplaceNetworkAclEntry ReplaceRoute
    ReplaceRouteTableAssociation ReportInstanceStatus RequestSpotFleet RequestSpotInstances ResetImageAttribute
    ResetInstanceAttribute ResetNetworkInterfaceAttribute ResetSnapshotAttribute RestoreAddressToClassic
    RevokeSecurityGroupEgress RevokeSecurityGroupIngress RunInstances StartInstances StopInstances TerminateInstances
    UnassignPrivateIpAddresses UnmonitorInstances
    """,
}
_ACTIONS = {version: frozenset(names.split()) for version, names in _GENUINE.items()}


def check(version: str, action: str) -> None:
    """:raises ApiError: Eucalyptus of that version has the action, so it is the lab that lacks it"""
    if action in _ACTIONS.get(version, ()):
        raise lacking(f'the action {action}, which Eucalyptus {version} has')


def lacking(what: str) -> ApiError:
    """The refusal of a request that only the lab cannot fulfil. It is a 501, because clients repeat requests after a 500."""
    return ApiError('NotImplemented', f'The lab lacks {what}.', 501)
