# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A failed request. Its message is made by ``explanations``, which only a failure needs."""

from __future__ import annotations

from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError

GATEWAY = (502, 503, 504)
# The code of a reply by no service: of a wrong path, or of a request that this version does not take for one to the service.
NO_SERVICE = '404 Not Found'
# The reply to an action that the cloud's version lacks (Binding, 3.1 to 5), and the codes of other services for it.
NO_ACTION = 'failed to find corresponding class mapping'
NO_ACTION_CODES = ('InvalidAction', 'UnknownOperation', 'UnsupportedOperation', 'NotImplemented', 'ActionNotImplemented')
# The reply to parameters that it lacks, one 'NAME = VALUE' a line (BaseQueryBinding, 3.1 to 5).
NO_PARAMETER = 'Failed to bind the following fields'


class CloudError(CollectionError):
    """A request that failed.

    ``request`` is its EC2 or S3 name ('CreateVolume'). ``code``, ``text`` and ``status`` are the cloud's error code, its
    message and the HTTP status; None without a reply. ``lost``: the request creates something and may have succeeded,
    although no response was received.
    """

    def __init__(
        self,
        message: str,
        request: str,
        code: str | None = None,
        text: str | None = None,
        status: int | None = None,
        lost: bool = False,
    ) -> None:
        super().__init__(message)
        self.request, self.code, self.text, self.status, self.lost = request, code, text, status, lost

    @property
    def no_action(self) -> bool:
        """Whether the cloud's version has no such request."""
        return is_no_action(self.code, self.text)

    @property
    def no_parameter(self) -> bool:
        """Whether the cloud's version has the request, but not one of its parameters."""
        return NO_PARAMETER in (self.text or '')

    @property
    def not_found(self) -> bool:
        if self.code == NO_SERVICE:
            return False
        return self.status == 404 or bool(self.code and (self.code.endswith('.NotFound') or self.code.startswith('NoSuch')))


def is_no_action(code: str | None, text: str | None) -> bool:
    return NO_ACTION in (text or '').lower() or code in NO_ACTION_CODES
