# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""EC2's query protocol, seen from the server: parameters become dictionaries, dictionaries become XML.

Both directions follow botocore's own service model, so that names and nesting are those that clients use.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import re
from collections.abc import Mapping
from typing import Any

import botocore.loaders
from botocore.model import ListShape, ServiceModel, Shape, StructureShape

from .errors import ApiError, TransportError
from .extensions import extended
from .markup import escape, possible

_INTEGER = re.compile(r'[+-]?0*\d{1,10}')


class BindError(TransportError):
    def __init__(self, fields: list[tuple[str, str]]) -> None:
        lines = ''.join(f'{name} = {value}\n' for name, value in fields)
        # The values may be secrets: a client sends user data or a password under a name that this version does not have.
        names = ', '.join(name for name, _ in fields)
        super().__init__(400, f'Failed to bind the following fields:\n{lines}', f'Failed to bind the following fields: {names}')


class Ec2Wire:
    """Reads and writes one API version. Loading its model takes tenths of a second: make one and keep it."""

    def __init__(self, api_version: str, lacks: Mapping[str, frozenset[str]] | None = None) -> None:
        """lacks: members of the model that replies do not have, by shape."""
        data = botocore.loaders.Loader().load_service_model('ec2', 'service-2', api_version)
        self._model = ServiceModel(extended(data), 'ec2')
        self._lacks = lacks or {}

    def parse(self, action: str, parameters: dict[str, str]) -> dict[str, Any]:
        """The request as a dictionary in botocore's member names. BindError for a value that is not of its type."""
        shape = self._model.operation_model(action).input_shape
        return _read_structure(shape, '', parameters) if shape else {}

    def serialise(self, action: str, api_version: str, request_id: str, reply: dict[str, Any]) -> bytes:
        """The reply's XML, in the namespace of the requested version. An empty reply becomes return=true."""
        shape = self._model.operation_model(action).output_shape
        out = [
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<{action}Response xmlns="http://ec2.amazonaws.com/doc/{api_version}/">'
            f'<requestId>{request_id}</requestId>'
        ]
        if shape and shape.members and reply:
            self._write_members(out, shape, reply)
        else:
            out.append(f'<return>{"true" if reply.get("Return", True) else "false"}</return>')
        out.append(f'</{action}Response>')
        return ''.join(out).encode()

    def _write_members(self, out: list[str], shape: StructureShape, values: dict[str, Any]) -> None:
        lacks = self._lacks.get(shape.name, frozenset())
        for member, member_shape in shape.members.items():
            value = values.get(member)
            if value is not None and member not in lacks:
                self._write(out, member_shape.serialization.get('name', member), member_shape, value)
        unknown = set(values) - set(shape.members)
        if unknown:
            raise AssertionError(f'{shape.name} has no {sorted(unknown)}')

    def _write(self, out: list[str], name: str, shape: Shape, value: Any) -> None:
        if isinstance(shape, ListShape):
            item = shape.member.serialization.get('name', 'item')
            flat = shape.serialization.get('flattened')
            if not flat:
                out.append(f'<{name}>')
            for element in value:
                self._write(out, name if flat else item, shape.member, element)
            if not flat:
                out.append(f'</{name}>')
        elif isinstance(shape, StructureShape):
            out.append(f'<{name}>')
            self._write_members(out, shape, value)
            out.append(f'</{name}>')
        else:
            out.append(f'<{name}>{escape(_text(shape, value))}</{name}>')


def error_body(code: str, message: str, request_id: str) -> bytes:
    return (
        f'<?xml version="1.0"?><Response><Errors><Error><Code>{escape(code)}</Code><Message>{escape(message)}'
        f'</Message></Error></Errors><RequestID>{escape(request_id)}</RequestID></Response>'
    ).encode()


def _query_name(name: str, shape: Shape) -> str:
    """The ec2 protocol's rule for a member's name on the wire (botocore.serialize.EC2Serializer)."""
    query_name: str | None = shape.serialization.get('queryName')
    if query_name:
        return query_name
    name = shape.serialization.get('name', name)
    return name[0].upper() + name[1:]


def _read_structure(shape: StructureShape, prefix: str, parameters: dict[str, str]) -> dict[str, Any]:
    result = {}
    for member, member_shape in shape.members.items():
        value = _read(member_shape, prefix + _query_name(member, member_shape), parameters)
        if value is not None:
            result[member] = value
    return result


def _read(shape: Shape, name: str, parameters: dict[str, str]) -> Any:
    if isinstance(shape, ListShape):
        return _read_list(shape, name, parameters)
    if isinstance(shape, StructureShape):
        if any(key.startswith(name + '.') for key in parameters):
            return _read_structure(shape, name + '.', parameters)
        return None
    return _scalar(shape, name, parameters[name]) if name in parameters else None


def _read_list(shape: ListShape, name: str, parameters: dict[str, str]) -> list[Any] | None:
    pattern = re.compile(re.escape(name) + r'\.(\d{1,7})(\..*)?', re.DOTALL)
    found = (pattern.fullmatch(key) for key in parameters)
    indexes = sorted({match.group(1) for match in found if match}, key=int)
    if not indexes:
        # The genuine binding also takes a list's name without an index, as a list of one.
        return [_scalar(shape.member, name, parameters[name])] if name in parameters else None
    return [_read(shape.member, f'{name}.{index}', parameters) for index in indexes]


def _scalar(shape: Shape, name: str, text: str) -> Any:
    if shape.type_name == 'integer':
        # Java's Integer.valueOf: no blanks, no underscores, 32 bits.
        if not _INTEGER.fullmatch(text) or not -1 << 31 <= int(text) < 1 << 31:
            raise BindError([(name, text)])
        return int(text)
    if shape.type_name == 'boolean':
        return text.lower() == 'true'  # Java's Boolean.valueOf: everything else is false
    if not possible(text):
        # Eucalyptus' reaction is unknown. Stored, the value would break every reply that contains it.
        raise ApiError('InvalidParameterValue', f'Value for parameter {name} has characters that XML does not allow.')
    return text


def _text(shape: Shape, value: Any) -> str:
    if shape.type_name == 'boolean':
        return 'true' if value else 'false'
    if shape.type_name == 'timestamp':
        return iso_time(value)
    return str(value)


def iso_time(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.strftime('%Y-%m-%dT%H:%M:%S.') + f'{moment.microsecond // 1000:03d}Z'


def decode_base64(text: str) -> bytes | None:
    """The bytes, or None when the text is not base64. Line breaks are allowed: boto 2 and euca2ools send them."""
    try:
        return base64.b64decode(''.join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
