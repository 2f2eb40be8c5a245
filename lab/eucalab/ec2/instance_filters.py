# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters of DescribeInstances and DescribeInstanceStatus (``VmInstances.VmInstanceFilterSupport``)."""

from __future__ import annotations

from . import filters


def _row(column: str) -> filters.Lookup:
    return lambda item: item[0][column]


def _described(name: str) -> filters.Lookup:
    return lambda item: item[1][name]


def _of_devices(name: str) -> filters.Lookup:
    return lambda item: [one['Ebs'][name] for one in item[1]['BlockDeviceMappings']]


def _of_groups(name: str) -> filters.Lookup:
    return lambda item: [group[name] for group in item[1]['SecurityGroups']]


# Instances have network interfaces of their own, and associations with addresses, in a VPC only.
_NETWORK_INTERFACE = """
    addresses.association.ip-owner-id addresses.association.public-ip addresses.primary addresses.private-ip-address
    attachment.attach-time attachment.attachment-id attachment.delete-on-termination attachment.device-index
    attachment.instance-id attachment.instance-owner-id attachment.status availability-zone description group-id
    group-name mac-address network-interface.id owner-id requester-id requester-managed source-destination-check
    status subnet-id vpc-id
"""
_OTHERS = """
    association.allocation-id association.association-id association.ip-owner-id association.public-ip hypervisor
    iam-instance-profile.arn network-interface-private-dns-name placement-group-name product-code product-code.type
    requester-id source-dest-check spot-instance-request-id state-reason-code state-reason-message subnet-id vpc-id
"""
# Of pairs: the row of an instance, and its description.
OF_INSTANCES: dict[str, filters.Lookup] = {
    'architecture': _described('Architecture'),
    'availability-zone': _row('zone'),
    'block-device-mapping.attach-time': _of_devices('AttachTime'),
    'block-device-mapping.delete-on-termination': _of_devices('DeleteOnTermination'),
    'block-device-mapping.device-name': lambda item: [one['DeviceName'] for one in item[1]['BlockDeviceMappings']],
    'block-device-mapping.status': _of_devices('Status'),
    'block-device-mapping.volume-id': _of_devices('VolumeId'),
    'client-token': _row('client_token'),
    'dns-name': _described('PublicDnsName'),
    'group-id': _of_groups('GroupId'),
    'group-name': _of_groups('GroupName'),
    'image-id': _row('image_id'),
    'instance-id': _row('id'),
    'instance-lifecycle': lambda item: '',
    'instance-state-code': lambda item: item[1]['State']['Code'],
    'instance-state-name': _row('state'),
    'instance-type': _row('instance_type'),
    'instance.group-id': _of_groups('GroupId'),
    'instance.group-name': _of_groups('GroupName'),
    'ip-address': _row('public_ip'),
    'kernel-id': _row('kernel_id'),
    'key-name': _row('key_name'),
    'launch-index': lambda item: str(item[0]['launch_index']),
    'launch-time': _row('launched'),
    'monitoring-state': lambda item: item[1]['Monitoring']['State'],
    'owner-id': _row('account'),
    'platform': lambda item: '',  # windows has one
    'private-dns-name': _described('PrivateDnsName'),
    'private-ip-address': _row('private_ip'),
    'ramdisk-id': _row('ramdisk_id'),
    'reason': _row('reason'),
    'reservation-id': _row('reservation'),
    'root-device-name': _row('root_device_name'),
    'root-device-type': _row('root_device_type'),
    'tenancy': lambda item: 'default',
    'virtualization-type': _described('VirtualizationType'),
    **filters.unsupported(_NETWORK_INTERFACE, 'network-interface.'),
    **filters.unsupported(_OTHERS),
}


def _reachability(status: str) -> filters.Lookup:
    return lambda item: [one['Status'] for one in item[status]['Details']]


OF_STATUSES: dict[str, filters.Lookup] = {
    'availability-zone': lambda item: item['AvailabilityZone'],
    'instance-state-code': lambda item: item['InstanceState']['Code'],
    'instance-state-name': lambda item: item['InstanceState']['Name'],
    'instance-status.reachability': _reachability('InstanceStatus'),
    'instance-status.status': lambda item: item['InstanceStatus']['Status'],
    # 4.4 takes both from the instance's own status.
    'system-status.reachability': _reachability('InstanceStatus'),
    'system-status.status': lambda item: item['InstanceStatus']['Status'],
    **filters.unsupported('event.code event.description event.not-after event.not-before'),
}
