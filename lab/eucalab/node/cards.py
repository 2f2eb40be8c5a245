# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network cards of guests.

All labs of a machine share libvirt, which runs in the machine's own network and finds no bridge of a lab there. So a
domain is created with a card that libvirt connects to nothing, and paused. The node moves that card into the lab's
namespace, where it is the only one that leads to the guest's address, and lets the domain run. The card is gone when
the domain is.
"""

from __future__ import annotations

from lxml import etree

from ..addressing import card
from ..host import namespaces
from .hypervisor import Plug
from .model import Instance, Settings


def prepare(xml: str, instance: Instance, settings: Settings) -> tuple[str, Plug | None]:
    """The domain for libvirt, and what connects its card; None when it has none on a bridge."""
    root = etree.fromstring(xml.encode())
    bridged = root.findall("devices/interface[@type='bridge']")
    if not bridged:
        return xml, None
    for interface in bridged:
        interface.set('type', 'ethernet')
        for source in interface.findall('source'):
            interface.remove(source)
    return etree.tostring(root, encoding='unicode'), plug(instance, settings)


def plug(instance: Instance, settings: Settings) -> Plug | None:
    """What connects the instance's card; None in a lab without a network of its own."""
    if not settings.config.addressing:
        return None

    def connect() -> None:
        namespaces.plug(settings.config.namespace, card(instance.id), instance.row['private_ip'], settings.router)

    return connect
