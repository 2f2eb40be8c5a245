# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network cards of guests.

All labs of a machine share libvirt, which runs in the machine's own network, where no lab has a bridge. The node therefore
creates a domain paused, with a card that is not connected. It moves the card into the lab's namespace, routes the guest's
address to it, and resumes the domain. The card disappears with the domain.
"""

from __future__ import annotations

from lxml import etree

from ..addressing import card
from ..host import namespaces
from .hypervisor import Plug
from .model import Instance, Settings


def prepare(xml: str, instance: Instance, settings: Settings) -> tuple[str, Plug | None]:
    """The domain XML for libvirt, and a function that connects its card; None if it has none on a bridge."""
    root = etree.fromstring(xml.encode())
    bridged = root.findall("devices/interface[@type='bridge']")
    if not bridged:
        return xml, None
    for interface in bridged:
        interface.set('type', 'ethernet')
        for source in interface.findall('source'):
            interface.remove(source)
        if interface.find('target') is None:  # up to 4.0 libvirt chose the name
            etree.SubElement(interface, 'target', dev=card(instance.id))
    return etree.tostring(root, encoding='unicode'), plug(instance, settings)


def plug(instance: Instance, settings: Settings) -> Plug | None:
    """A function that connects the instance's card; None in a lab without a network of its own."""
    if not settings.config.addressing:
        return None

    def connect() -> None:
        namespaces.plug(settings.config.namespace, card(instance.id), instance.row['private_ip'], settings.router)

    return connect
