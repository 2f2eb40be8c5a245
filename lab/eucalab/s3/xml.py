# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The XML of object storage."""

from __future__ import annotations

import datetime
from typing import Any

from ..protocol.markup import escape

NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/'
# (name, content): content is text, or a list of such pairs.
Element = tuple[str, Any]


def document(root: str, children: list[Element]) -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{NAMESPACE}">' + ''.join(map(_element, children)) + f'</{root}>'
    ).encode()


def error(code: str, message: str, request_id: str, extra: dict[str, str]) -> bytes:
    children = [('Code', code), ('Message', message), *extra.items(), ('RequestId', request_id)]
    return ('<?xml version="1.0" encoding="UTF-8"?><Error>' + ''.join(map(_element, children)) + '</Error>').encode()


def _element(element: Element) -> str:
    name, content = element
    if isinstance(content, list):
        return f'<{name}>' + ''.join(map(_element, content)) + f'</{name}>'
    if isinstance(content, bool):
        content = 'true' if content else 'false'
    return f'<{name}>{escape(str(content))}</{name}>'


def owner(account: str, name: str) -> Element:
    return ('Owner', [('ID', account), ('DisplayName', name)])


def http_time(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.strftime('%a, %d %b %Y %H:%M:%S GMT')
