# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failed requests as sentences: the request, the resource, the cloud's reply, and the way out where one is known."""

from __future__ import annotations

import contextlib
import re
import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.credentials import Credentials
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.failures import (
    GATEWAY,
    NO_PARAMETER,
    NO_SERVICE,
    CloudError,
    is_no_action,
)

with contextlib.suppress(ImportError):  # `client` reports a missing library
    from botocore.exceptions import ClientError, ConnectionClosedError, ConnectionError, HTTPClientError, ReadTimeoutError, SSLError
    from botocore.parsers import ResponseParserError

CREATES = ('create_volume', 'create_snapshot', 'run_instances', 'create_security_group', 'create_key_pair')
WRONG_KEYS = {'AuthFailure', 'InvalidAccessKeyId', 'InvalidClientTokenId', 'SignatureDoesNotMatch', '401'}
# OpenSSL's reasons when the server's first bytes are not TLS; the second since OpenSSL 3.2.
NOT_TLS = ('wrong version number', 'record layer failure', 'packet length too long', 'unknown protocol')
PARAMETER = re.compile(r'^(\S+) = ', re.MULTILINE)  # in the reply that contains NO_PARAMETER
CLOCKS = 'The clocks of this machine and the cloud differ. Correct them.'
# (part of code and message in lower case, way out); the first match is used.
HINTS = (
    (
        'manifest has invalid signature',
        'Up to Eucalyptus 4.1 a bundle must be signed by the user: set user_private_key, or EC2_PRIVATE_KEY in the eucarc.',
    ),
    ('generated in the future', "The clock of this machine is ahead of the cloud's. Correct it."),
    ('expired', CLOCKS),
    ('requesttimetooskewed', CLOCKS),
    ('unable to parse date', CLOCKS),  # the only text that Walrus of 3.1 has for it
    (
        'only administrators',
        "Only the cloud's administrator (account eucalyptus) can register kernels and ramdisks, and can then share them.",
    ),
    (
        'kernel id must be specified',
        'Set virtualization_type=hvm for a disk with its own boot loader, or kernel_id and ramdisk_id.',
    ),
    (
        'failed to lookup kernel',
        'The image has no kernel, and the cloud has no default one. Set kernel_id and ramdisk_id.',
    ),
    ('invalidgroup.inuse', 'Terminate the instances in the group first. With wait: true, the module waits for the last one.'),
    ('limitexceeded', 'Delete resources that are no longer needed, or ask the administrator for a higher quota.'),
)


def explain(credentials: Credentials, service: str, url: str, operation: str, about: str, error: Exception) -> CloudError:
    """botocore's exception as a CloudError. ``about`` names the resource ('volume vol-1')."""
    origin = credentials.origin
    request = ''.join(part.capitalize() for part in operation.split('_'))
    head = f'{request} of {about} failed' if about else f'{request} failed'
    code = text = status = None
    if isinstance(error, ClientError):
        code, text = _code_and_text(error)
        status = error.response.get('ResponseMetadata', {}).get('HTTPStatusCode')
        reply = f'{code}: {text}' if text and text != code else code or f'HTTP status {status}'
        message = f'{head}: the cloud returned {reply}{"" if reply.endswith(".") else "."}'
        hint = _hint_for_code(code, text, status, url, origin)
        if code == NO_SERVICE:
            message, hint = _other_service(service, url, origin, head)
        elif lacks := _lacks(request, code, text):
            message, hint = f'{head}: this version of Eucalyptus has no {lacks}.', 'Omit the options that need it.'
    else:
        message, hint = _no_reply(service, url, origin, head, error)
    lost = operation.startswith(CREATES) and _may_have_arrived(error, code, status)
    if lost:
        hint += ' No response was received, so the request may have succeeded. Check before retrying.'
    message = f'{message} {hint.strip()}'.strip().replace(credentials.secret_key, '…')
    return CloudError(message, request, code, text, status, lost)


def _code_and_text(error: ClientError) -> tuple[str, str]:
    # Walrus of 3.1 sends errors about keys and clocks in EC2's form. That of 3.4 puts the reason into Entity.
    response: dict[str, t.Any] = {**error.response}
    content = response.get('Errors', {}).get('Error') or response.get('Error', {})
    code, text, entity = (str(content.get(part) or '').strip() for part in ('Code', 'Message', 'Entity'))
    return code, f'{text} ({entity})' if entity else text


def _lacks(request: str, code: str, text: str) -> str:
    """The part of the request that the cloud's version does not have: the action, or parameters; empty if it has all."""
    if is_no_action(code, text):
        return f'action {request}'
    return 'parameter ' + ', '.join(PARAMETER.findall(text)) if NO_PARAMETER in text else ''


def _no_reply(service: str, url: str, origin: str, head: str, error: Exception) -> tuple[str, str]:
    """Message and hint for a request without a reply of the cloud."""
    if isinstance(error, ResponseParserError):
        return _other_service(service, url, origin, head)
    reason = _reason(error)
    if isinstance(error, SSLError):
        if any(part in str(error).lower().replace('_', ' ') for part in NOT_TLS):
            return (
                f'{head}: {url} does not use TLS ({reason}).',
                f'Begin {service}_url with http:// instead of https:// (from {origin}).',
            )
        return (
            f'{head}: no trusted TLS connection to {url} ({reason}).',
            "Set ca_path to the cloud's CA certificate, or validate_certs: false for a self-signed one.",
        )
    way_out = f'Check that the cloud is up and that {service}_url is right (from {origin}).'
    if isinstance(error, ReadTimeoutError):
        return f'{head}: {url} accepts connections, but has not answered in time.', way_out
    if isinstance(error, (ConnectionError, HTTPClientError)):
        # A port that requires TLS closes a plain connection without a reply.
        tls = isinstance(error, ConnectionClosedError) and url.startswith('http://')
        return (
            f'{head}: {url} cannot be reached ({reason}).',
            way_out + (' If the port requires TLS, begin it with https://.' if tls else ''),
        )
    return f'{head}: {error}.', ''


def _other_service(service: str, url: str, origin: str, head: str) -> tuple[str, str]:
    return (
        f"{head}: {url} is not a cloud's {service.upper()} service.",
        f'Check {service}_url (from {origin}). Its path is /services/compute or /services/objectstorage, '
        'on Eucalyptus 3 /services/Eucalyptus or /services/Walrus.',
    )


def _may_have_arrived(error: Exception, code: str | None, status: int | None) -> bool:
    # An error code comes from the cloud itself; a gateway's reply has none.
    gateway = status in GATEWAY and code in ('', str(status))
    return gateway or isinstance(error, (HTTPClientError, ResponseParserError))


def _hint_for_code(code: str, text: str, status: int | None, url: str, origin: str) -> str:
    reply = f'{code} {text}'.lower()
    for part, hint in HINTS:
        if part in reply:
            return hint
    if code in WRONG_KEYS or status == 401 or 'signature' in reply or 'access key id' in reply:
        return f'Check access_key and secret_key (from {origin}).'
    if code in ('AccessDenied', 'UnauthorizedOperation', '403') or status == 403:
        return f'The keys from {origin} lack the permission, or the secret key is wrong.'
    if status in GATEWAY:
        return f'{url} is busy or just starting. Run the task again later.'
    return ''


def _reason(error: Exception) -> str:
    """The innermost cause, short: 'Connection refused'."""
    inner: t.Any = getattr(error, 'kwargs', {}).get('error') or error
    while deeper := [
        one
        for one in (getattr(inner, 'reason', None), getattr(inner, '__cause__', None), *getattr(inner, 'args', ())[-1:])
        if isinstance(one, BaseException)
    ]:
        inner = deeper[0]
    return getattr(inner, 'strerror', None) or str(inner).rpartition(': ')[2]
