# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replies in the form of messages between the cloud's own services, in which 3.1 answers requests of an unknown API version."""

from __future__ import annotations

from lxml import etree

from ..versions import InternalForm

# Structures of EC2's form, and the names that their parts have as fields of the object around them.
_FLAT = {
    'instanceState': {'code': 'stateCode', 'name': 'stateName'},
    'monitoring': {'state': 'monitoring'},
    'placement': {'availabilityZone': 'placement'},
}


def rewrite(reply: bytes, action: str, form: InternalForm) -> bytes:
    """The same reply, from EC2's form."""
    source = etree.fromstring(reply)
    namespace = etree.QName(source).namespace
    root = etree.Element(etree.QName(namespace, f'{action}ResponseType'), nsmap={'euca': namespace})
    body = root
    for child in source:
        name = etree.QName(child).localname
        if name == 'requestId':
            _add(root, 'correlationId', child.text)
            _add(root, '_return', 'true')
        elif name != 'return':
            if action in form.wrapped and body is root:
                body = _add(root, form.wrapped[action], None)
            _copy(body, child, form)
    return etree.tostring(root, xml_declaration=True, encoding='UTF-8')


def _add(parent: etree._Element, name: str, text: str | None) -> etree._Element:
    element = etree.SubElement(parent, etree.QName(etree.QName(parent).namespace, name))
    element.text = text
    return element


def _copy(parent: etree._Element, source: etree._Element, form: InternalForm) -> None:
    name = etree.QName(source).localname
    if name in _FLAT and len(source):
        for part in source:
            flat = _FLAT[name].get(etree.QName(part).localname)
            if flat:
                _add(parent, flat, part.text)
        return
    element = _add(parent, form.renamed.get(name, name), source.text)
    for child in source:
        _copy(element, child, form)
