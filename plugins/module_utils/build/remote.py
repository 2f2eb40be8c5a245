# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to an installer that a person operates: its remote interface for each family, and the display of the hypervisor.

To add a family, add its entry to WAYS, and its name to the choices of image_build_installer_family.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import typing as t
import urllib.parse
from dataclasses import dataclass, field

from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError

# Placeholders, which the role replaces.
PASSWORD, ADDRESS, INSTANCE, VOLUME, SOURCE = 'PASSWORD', 'ADDRESS', 'INSTANCE-ID', 'VOLUME-ID', 'WHERE-IT-IS'
ANYWHERE, EVERYBODY = 'anywhere', '0.0.0.0/0'
DISPLAY = 'display'
FORWARDED = 5999  # local port of the tunnel to a display
# Installers that a person operates print nothing on the serial console when they have finished, with one exception, that of
# the lab (lab/eucalab/installer). Its line is used to compare the disk.
SUCCESS = r'\binstaller: success: disk=(?P<disk>\S+) serial=(?P<serial>\S+) bytes=(?P<bytes>\d+)'
Values = t.Mapping[str, t.Any]  # a recipe's inputs by name


class OperatorAddressError(CollectionError):
    """The operator's address is not known."""


@dataclass(frozen=True)
class Way:
    """The remote interface of an installer.

    ``parameters`` are the words for its kernel command line, and ``command`` is the one that a person pastes. ``shortest``
    and ``longest`` are the lengths of a password. ``since`` has the first version of each kind, as kickstart counts them.
    """

    interface: str
    port: int
    parameters: str
    command: str
    end: str
    shortest: int = 8
    longest: int = 32
    since: t.Mapping[str, int] = field(default_factory=dict)


# A host key is new each time, and addresses are used again.
SSH = 'ssh -o UserKnownHostsFile=/dev/null -o PreferredAuthentications=password'
VIEWER = f'vncviewer {ADDRESS}::5901'
REBOOT = 'the hook on the node then ends the instance'
# Anaconda: docs/boot-options.rst, pyanaconda/vnc.py, and gnome_remote_desktop.py from 42.7 on. VNC uses eight characters of
# a password. debian-installer: the installation guide's chapter on network-console. YaST: linuxrc's documentation,
# yast-installation's startup/common/vnc.sh. Agama: live/README.md ("Boot command line").
WAYS: dict[str, tuple[Way, ...]] = {
    'anaconda': (
        Way(
            'RDP',
            3389,
            f'inst.rdp inst.rdp.username=installer inst.rdp.password={PASSWORD}',
            f'xfreerdp /v:{ADDRESS} /u:installer',
            f'choose Reboot System; {REBOOT}',
            since={'F': 42, 'RHEL': 10},
        ),
        Way(
            'VNC',
            5901,
            f'inst.vnc inst.vncpassword={PASSWORD}',
            VIEWER,
            f'choose Reboot; {REBOOT}',
            longest=8,
            since={'F': 17, 'RHEL': 7},
        ),
        Way('VNC', 5901, f'vnc vncpassword={PASSWORD}', VIEWER, f'choose Reboot; {REBOOT}', longest=8, since={'F': 16, 'RHEL': 6}),
    ),
    'debian-installer': (
        Way(
            'SSH',
            22,
            f'modules=network-console network-console/password={PASSWORD} network-console/password-again={PASSWORD} '
            'debian-installer/exit/poweroff=true',
            f'{SSH} installer@{ADDRESS}',
            'confirm the last message, if there is one; the installer powers off',
        ),
    ),
    'yast': (Way('VNC', 5901, f'vnc=1 VNCPassword={PASSWORD}', VIEWER, f'let it reboot; {REBOOT}', longest=8),),
    'agama': (
        Way(
            'web',
            443,
            f'live.password={PASSWORD}',
            f'xdg-open https://{ADDRESS}/',
            f'choose Reboot; {REBOOT}',
        ),
    ),
    # No boot parameter sets a password of subiquity. FAI asks nothing.
    'subiquity': (),
    'fai': (),
}


def way_of(family: str, version: str) -> Way | None:
    """The remote interface of this family's installer; None if the family or the version that it needs is missing."""
    kind, number = re.sub('[0-9]', '', version), re.sub('[^0-9]', '', version)
    for way in WAYS.get(family, ()):
        if not way.since or (kind in way.since and int(number) >= way.since[kind]):
            return way
    return None


def problems(values: Values) -> list[str]:
    """A sentence for each input with which nobody could operate this installer or recognise its success."""
    found = []
    if not values['boot_test']:
        found.append(
            'image_build_boot_test must be true without image_build_answer_file: '
            'only the boot test shows that an installation by hand succeeded.'
        )
    if values['remote_interface'] == DISPLAY:
        return found + _display_problems(values)
    way = way_of(values['installer_family'], values['kickstart_version'])
    if way:
        return found + _password_problems(values, way)
    if values['installer_family'] == 'anaconda':
        found.append(
            'image_build_kickstart_version is empty. Set it to the version of the system, for example F41 or RHEL10: '
            'Anaconda offers VNC up to Fedora 41 and EL9, and RDP since.'
        )
    else:
        reachable = ' or '.join(name for name, ways in WAYS.items() if ways)
        found.append(
            'image_build_answer_file is empty, so a person operates the installer, but there is no way to reach it. Set '
            f'image_build_installer_family to {reachable}, or image_build_remote_interface to display.'
        )
    return found


def _display_problems(values: Values) -> list[str]:
    found = []
    if not values['display_listen']:
        found.append(
            "image_build_display_listen is empty, so it is unknown whether the node controllers' policy allows displays. "
            'Set it to the vnc_listen of that policy, which must also have vnc = yes (docs/hook.md).'
        )
    if values['remote_password']:
        found.append(
            'image_build_remote_password must be empty with image_build_remote_interface: display. The password of a display '
            "is the vnc_password of the node controllers' policy."
        )
    return found


def _password_problems(values: Values, way: Way) -> list[str]:
    length = len(values['remote_password'])
    if not length or way.shortest <= length <= way.longest:
        return []
    allowed = f'{way.shortest}' if way.shortest == way.longest else f'{way.shortest} to {way.longest}'
    return [f'image_build_remote_password must have {allowed} characters for {way.interface}, not {length}.']


def password(value: str) -> str:
    """Check of the characters of a password; the rest of a sentence, or ''."""
    good = re.fullmatch('[A-Za-z0-9._+-]+', value)
    return '' if good else 'must consist of letters, digits and . _ + -, which kernels and installers read unchanged'


def operator_cidr(value: str) -> str:
    """Check of the addresses that may connect; the rest of a sentence, or ''."""
    if value == ANYWHERE:
        return ''
    try:
        network = ipaddress.ip_network(value)
    except ValueError as error:
        return f'must be an IPv4 address or network such as 192.0.2.7/32: {error}'
    if network.version != 4:
        return 'must be an IPv4 address or network: security groups of Eucalyptus have no others'
    if not network.prefixlen:
        return f'must not be {EVERYBODY}: the whole world could use the installer. Write {ANYWHERE} if that is intended'
    return ''


def destination(value: str) -> str:
    """Check of a destination of ssh, which becomes a part of a command; the rest of a sentence, or ''."""
    good = re.fullmatch('[A-Za-z0-9_][A-Za-z0-9._@-]*', value)
    return '' if good else f'must be a host, or user@host, not {value!r}'


def address(value: str) -> str:
    try:
        ipaddress.ip_address('127.0.0.1' if value == 'localhost' else value)
    except ValueError:
        return f'must be an address such as 127.0.0.1, not {value!r}'
    return ''


def parameters(values: Values) -> str:
    """The words for the kernel command line, with the longest password."""
    way = None if values['remote_interface'] == DISPLAY else way_of(values['installer_family'], values['kickstart_version'])
    return way.parameters.replace(PASSWORD, 'x' * way.longest) if way else ''


def plan(values: Values, endpoint: str) -> dict[str, t.Any]:
    """The way to the installer of this build. ``endpoint`` is the URL of the cloud's EC2 service.

    Keys: ``interface``; ``port`` (0: the display of the hypervisor); ``parameters``, the words for the kernel command line;
    ``cidr``, who may connect; ``password_length``; ``notes``, the lines for the person. All with placeholders. Raises
    OperatorAddressError.
    """
    if values['remote_interface'] == DISPLAY:
        return {
            'interface': DISPLAY,
            'port': 0,
            'parameters': '',
            'cidr': '',
            'password_length': 0,
            'notes': _notes(values, display_command(values), "the vnc_password of the node's policy, if it has one", 'power off'),
        }
    way = way_of(values['installer_family'], values['kickstart_version'])
    if way is None:
        raise AssertionError('problems() has refused this')
    return {
        'interface': way.interface,
        'port': way.port,
        'parameters': way.parameters,
        'cidr': admitted(values['operator_cidr'], endpoint),
        'password_length': way.longest if way.longest == way.shortest else 16,
        'notes': _notes(values, way.command, SOURCE, way.end),
    }


def _notes(values: Values, command: str, source: str, end: str) -> list[str]:
    itself = values.get('target') == 'instance'
    number = 'It is the only one.' if itself else f'Its serial number contains {VOLUME} (Eucalyptus 3.4 and later).'
    return [
        f'Connect to the installer {INSTANCE} with this command:',
        command,
        f'Password: {source}',
        f'Install on the disk of {values["volume_size"]} GiB. {number}',
        'The installed system must have a login prompt on its serial console, ttyS0; the boot test waits for it.',
        f'At the end, {end}. The installation must end within {values["timeout"]} s (image_build_timeout).',
        'The instance stays if it passes the boot test.' if itself else 'The image is published if it passes the boot test.',
    ]


def display_command(values: Values) -> str:
    """The command that shows the hypervisor's display. Without a node, it runs on the node itself."""
    node, listen = values['display_node'], values['display_listen']
    if not node:
        return f'vncviewer $(virsh vncdisplay {INSTANCE})'
    # A display on all addresses also listens on this one.
    host = '127.0.0.1' if listen in ('0.0.0.0', '::', 'localhost') else f'[{listen}]' if ':' in listen else listen
    return (
        f'd=$(ssh {node} virsh vncdisplay {INSTANCE}) && '
        f'ssh -f -o ExitOnForwardFailure=yes -L {FORWARDED}:{host}:$((5900 + ${{d##*:}})) {node} sleep 60 && '
        f'vncviewer 127.0.0.1::{FORWARDED}'
    )


def admitted(cidr: str, endpoint: str) -> str:
    """The network that may connect: the given one, or the address from which this machine reaches the cloud."""
    if cidr:
        return EVERYBODY if cidr == ANYWHERE else str(ipaddress.ip_network(cidr))
    source = ipaddress.ip_address(source_address(endpoint))
    if source.is_loopback:
        raise OperatorAddressError(
            'image_build_operator_cidr is empty, and the address of this machine is unknown, because it reaches the cloud through '
            'its own loopback interface. Set the variable to the address from which you will connect to the installer.'
        )
    return f'{source}/32'


def comes_from(cidr: str, address: str) -> bool:
    """Whether this machine's packets to the address have a sender in the network. Raises OperatorAddressError."""
    return ipaddress.ip_address(source_address(f'//{address}')) in ipaddress.ip_network(cidr)


def source_address(endpoint: str) -> str:
    """The address from which this machine sends to the host of the URL. Nothing is sent. Raises OperatorAddressError."""
    url = urllib.parse.urlsplit(endpoint)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((url.hostname or '', url.port or 443))
            return str(probe.getsockname()[0])
    except (OSError, ValueError) as error:
        raise OperatorAddressError(
            f'The address from which this machine reaches {endpoint} is unknown ({error}). Set image_build_operator_cidr to it.'
        ) from error
