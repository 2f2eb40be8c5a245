# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Authentication of object storage requests, by the rules of the played version (``S3Authentication`` in 4.4).

Version 2 and version 4, each in the Authorization header or in a presigned URL; a request with neither is anonymous.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

from ..cloud.store import Store
from ..protocol.auth import (
    V4_ALGORITHM,
    Caller,
    HttpRequest,
    V4Scope,
    find_caller,
    parse_http_or_iso_time,
    same_signature,
    v4_canonical_request,
    v4_parts,
    v4_signature,
)
from ..protocol.errors import S3Error
from ..versions import Storage

SKEW_SECONDS = 900  # ObjectStorageProperties.EXPIRATION_LIMIT
PRESIGNED_GRACE = 20  # StackConfiguration.CLOCK_SKEW_SEC, added to the life of a version 4 URL
MOST_PRESIGNED_SECONDS = 604800
UNSIGNED, STREAMING = 'UNSIGNED-PAYLOAD', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD'
_SUBRESOURCES = frozenset(
    (
        'acl',
        'cors',
        'delete',
        'lifecycle',
        'location',
        'logging',
        'notification',
        'partNumber',
        'policy',
        'requestPayment',
        'tagging',
        'torrent',
        'uploadId',
        'uploads',
        'versionId',
        'versioning',
        'versions',
        'website',
        'response-content-type',
        'response-content-language',
        'response-expires',
        'response-cache-control',
        'response-content-disposition',
        'response-content-encoding',
    )
)


def authenticate(store: Store, request: HttpRequest, service_path: str, now: float, rules: Storage) -> Caller | None:
    """The caller, or None for an anonymous request. S3Error (403) for an invalid signature.

    service_path: the part of the path that belongs to the service (/services/objectstorage): version 2 may sign with or without it.
    """
    header = request.headers.get('Authorization', '')
    query = dict(request.query)
    small = {name.lower(): value for name, value in request.query}
    v4 = 'v4' in rules.signatures
    if header.startswith(V4_ALGORITHM) and not v4:
        raise _denied(rules.v4_refusal)
    if header.startswith(V4_ALGORITHM):
        return _v4_header(store, request, header, now, rules)
    if header.startswith('AWS'):
        return _v2_header(store, request, header, service_path, now, rules)
    if header:
        raise S3Error(403, 'AccessDenied', 'Malformed or unexpected format for Authentication header')
    if v4 and ('x-amz-algorithm' in small or 'x-amz-date' in small):
        return _v4_presigned(store, request, small, now)
    if 'AWSAccessKeyId' in query:
        return _v2_presigned(store, request, query, service_path, now)
    return None


def _denied(message: str) -> S3Error:
    return S3Error(403, 'AccessDenied', message)


def _caller(store: Store, access_key: str) -> Caller:
    caller = find_caller(store, access_key)
    if caller is None:
        raise S3Error(403, 'InvalidAccessKeyId', 'The AWS Access Key Id you provided does not exist in our records.')
    return caller


def _header_time(request: HttpRequest, now: float, rules: Storage) -> float:
    text = request.headers.get('x-amz-date') or request.headers.get('Date')
    if text is None:
        raise _denied('X-Amz-Date header must be specified.')
    try:
        signed_at = parse_http_or_iso_time(text)
    except ValueError:
        raise _denied('Unable to parse date.') from None
    if abs(signed_at - now) > SKEW_SECONDS:
        raise S3Error(403, *rules.skewed)
    return signed_at


def _v2_header(store: Store, request: HttpRequest, header: str, service_path: str, now: float, rules: Storage) -> Caller:
    access_key, _, signature = header.removeprefix('AWS').strip().partition(':')
    _header_time(request, now, rules)
    date = '' if 'x-amz-date' in request.headers else request.headers['Date']
    return _v2_login(store, request, access_key, signature, date, service_path, presigned=False)


def _v2_presigned(store: Store, request: HttpRequest, query: dict[str, str], service_path: str, now: float) -> Caller:
    expires = query.get('Expires')
    if expires is None:
        raise S3Error(403, 'InvalidSecurity', 'Expires parameter must be specified.')
    if not re.fullmatch(r'\d{1,18}', expires):
        raise _denied('Invalid Expires parameter.')
    if int(now) > int(expires):
        raise _denied('Cannot process request. Expired.')
    if 'Signature' not in query:
        raise S3Error(403, 'InvalidSecurity', 'No signature found')
    return _v2_login(store, request, query['AWSAccessKeyId'], query['Signature'], expires, service_path, presigned=True)


def _v2_login(
    store: Store, request: HttpRequest, access_key: str, signature: str, date: str, service_path: str, presigned: bool
) -> Caller:
    caller = _caller(store, access_key)
    content_type = request.headers.get('Content-Type', '')
    amz = _amz_headers(request, presigned)
    paths = [request.path]
    if request.path.startswith(service_path):
        paths.append(request.path[len(service_path) :] or '/')
    # On GET and HEAD a Content-Type that a proxy or browser has added is ignored.
    types = [content_type, ''] if request.method in ('GET', 'HEAD') and content_type else [content_type]
    for path in paths:
        for one in types:
            text = '\n'.join(
                (request.method, request.headers.get('Content-MD5', ''), one, date, amz + path + _subresources(request))
            )
            digest = hmac.new(caller.secret_key.encode(), text.encode(), hashlib.sha1).digest()
            if same_signature(base64.b64encode(digest).decode(), signature):
                return caller
    raise _mismatch(access_key, signature, text)


def _mismatch(access_key: str, signature: str, text: str) -> S3Error:
    return S3Error(
        403,
        'SignatureDoesNotMatch',
        'The request signature we calculated does not match the signature you provided.',
        AWSAccessKeyId=access_key,
        StringToSign=text,
        SignatureProvided=signature,
        StringToSignBytes=' '.join(str(byte) for byte in text.encode()),
    )


def _amz_headers(request: HttpRequest, presigned: bool) -> str:
    found: dict[str, list[str]] = {}
    sources = list(request.headers.items()) + (request.query if presigned else [])
    for name, value in sources:
        if name.lower().startswith('x-amz-'):
            found.setdefault(name.lower(), []).append(' '.join(line.strip() for line in value.split('\n')).strip())
    return ''.join(f'{name}:{",".join(values)}\n' for name, values in sorted(found.items()))


def _subresources(request: HttpRequest) -> str:
    named = sorted((name, value) for name, value in request.query if name in _SUBRESOURCES)
    text = '&'.join(f'{name}={value}' if value else name for name, value in named)
    return f'?{text}' if text else ''


def _v4_header(store: Store, request: HttpRequest, header: str, now: float, rules: Storage) -> Caller:
    parts = v4_parts(header)
    signed_at = _header_time(request, now, rules)
    scope = _scope(parts.get('Credential', ''), signed_at)
    body_hash = request.headers.get('x-amz-content-sha256')
    if not body_hash:
        raise _denied('x-amz-content-sha256 header is missing.')
    if body_hash not in (UNSIGNED, STREAMING) and not re.fullmatch('[0-9a-f]{64}', body_hash):
        # STREAMING-UNSIGNED-PAYLOAD-TRAILER and its like end here: the text is read as hexadecimal digits.
        raise S3Error(400, 'InvalidArgument', f'Unrecognized character in x-amz-content-sha256: {body_hash}')
    return _v4_login(store, request, scope, signed_at, parts.get('SignedHeaders', ''), parts.get('Signature', ''), body_hash)


def _v4_presigned(store: Store, request: HttpRequest, query: dict[str, str], now: float) -> Caller:
    try:
        signed_at = parse_http_or_iso_time(query['x-amz-date'])
    except (KeyError, ValueError):
        raise _denied('X-Amz-Date parameter must be specified.') from None
    expires = query.get('x-amz-expires')
    if expires is None:
        raise _denied('X-Amz-Expires parameter must be specified.')
    if not re.fullmatch(r'\d{1,7}', expires) or not 1 <= int(expires) <= MOST_PRESIGNED_SECONDS:
        raise _denied('Invalid Expires parameter.')
    if now < signed_at - SKEW_SECONDS:
        raise _denied('Cannot process request. X-Amz-Date is not yet valid.')
    if now > signed_at + int(expires) + PRESIGNED_GRACE:
        raise _denied('Cannot process request. Expired.')
    scope = _scope(query.get('x-amz-credential', ''), signed_at)
    return _v4_login(
        store, request, scope, signed_at, query.get('x-amz-signedheaders', ''), query.get('x-amz-signature', ''), UNSIGNED
    )


def _scope(credential: str, signed_at: float) -> V4Scope:
    try:
        scope = V4Scope.parse(credential)
    except ValueError:
        raise _denied('Credential header is invalid.') from None
    if not scope.matches(signed_at):
        raise _denied('Credential header is invalid.')
    return scope


def _v4_login(
    store: Store, request: HttpRequest, scope: V4Scope, signed_at: float, headers: str, signature: str, body_hash: str
) -> Caller:
    caller = _caller(store, scope.access_key)
    canonical = v4_canonical_request(request, request.path, headers, body_hash)
    if same_signature(v4_signature(caller.secret_key, scope, signed_at, canonical), signature):
        return caller
    raise _mismatch(scope.access_key, signature, canonical)
