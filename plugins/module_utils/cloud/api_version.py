# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API version that requests name, and the software that answers them.

Eucalyptus 3.3 and later answer a request of an unknown API version in the form of a version that they support. 3.1 and 3.2
answer it in the form of messages between their own services (RestfulMarshallingHandler, BindingManager), in which
botocore does not find most of the values.
"""

from __future__ import annotations

import re
import typing as t

# Known to every Eucalyptus from 3.1 on. Its replies have no tags, so it is used only where there are none.
OLD = '2012-05-01'
# The root element of a reply: DescribeVolumesResponse, or in the internal form euca:DescribeVolumesResponseType.
_ROOT = re.compile(rb'\s*(?:<\?[^>]*\?>\s*)?<([\w:.-]+)')


class ApiVersion:
    """``known`` is True after the first reply to a client that was given to ``watch``; ``old`` if OLD is necessary.

    ``software`` is the name and version of the cloud in the last reply, such as Eucalyptus/4.4.2. It is empty before Eucalyptus
    4.2, which has no such header, behind a proxy that replaces it, and where the operator changed it (StackConfiguration).
    """

    def __init__(self) -> None:
        self.known = self.old = False
        self.software = ''

    def watch(self, client: t.Any) -> None:
        """Learn from the replies to botocore's client for EC2, and set the version of its requests."""
        client.meta.events.register('response-received.ec2', self._learn)
        client.meta.events.register('before-call.ec2', self._set)

    def _learn(self, response_dict: dict[str, t.Any] | None, **_rest: t.Any) -> None:
        if response_dict is None:  # no reply
            return
        server = response_dict['headers'].get('Server', '')
        self.software = server if server.startswith('Eucalyptus/') else ''
        root = _ROOT.match(response_dict['body'])
        if response_dict['status_code'] == 200 and root:
            self.known = True
            self.old = self.old or root.group(1).endswith(b'ResponseType')

    def _set(self, params: dict[str, t.Any], **_rest: t.Any) -> None:
        if self.old:
            params['body']['Version'] = OLD
