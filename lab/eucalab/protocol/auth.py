# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Authentication of EC2 requests by their signature, by the rules of the played version.

Sources: ``Hmacv2LoginModule``, ``Hmacv4LoginModule``, ``QueryTimestampHandler``.

Every refusal is a 403 whose code is the status line.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import email.utils
import hashlib
import hmac
import itertools
from collections.abc import Mapping
from urllib.parse import quote

from ..cloud.store import Store
from ..versions import Requests
from .errors import TransportError

FUTURE_SECONDS = 20  # StackConfiguration.CLOCK_SKEW_SEC
PAST_SECONDS = 900
V4_ALGORITHM = 'AWS4-HMAC-SHA256'
_V2_PARAMETERS = ('AWSAccessKeyId', 'Signature', 'SignatureMethod', 'SignatureVersion', 'SecurityToken', 'Timestamp', 'Expires')


@dataclasses.dataclass(frozen=True)
class Caller:
    account: str  # its number
    account_name: str
    user_id: str
    user_name: str
    is_admin: bool  # whether the account administers the cloud
    secret_key: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class HttpRequest:
    """The parts of a request that signatures cover, as they were sent, nothing decoded."""

    method: str
    path: str  # raw, without the query
    query: list[tuple[str, str]]  # decoded; in the order sent
    headers: Mapping[str, str]  # case-insensitive


def find_caller(store: Store, access_key: str) -> Caller | None:
    row = store.row(
        'SELECT users.*, accounts.name AS account_name, accounts.is_admin FROM users'
        ' JOIN accounts ON users.account = accounts.number WHERE access_key = ?',
        access_key,
    )
    if row is None:
        return None
    return Caller(row['account'], row['account_name'], row['user_id'], row['name'], bool(row['is_admin']), row['secret_key'])


class Authentication:
    """Finds the callers of EC2 requests, and remembers the signatures that it has seen."""

    def __init__(self, store: Store, rules: Requests) -> None:
        self._store, self._rules = store, rules
        self._seen: dict[str, float] = {}  # signature and time

    def caller(self, request: HttpRequest, parameters: dict[str, str], body: bytes, now: float) -> Caller:
        """The caller of a request. Removes the signature's parameters from ``parameters``.

        TransportError (403) when the signature or its time is invalid.
        """
        if 'v4' in self._rules.signatures and request.headers.get('Authorization', '').startswith(V4_ALGORITHM):
            return _authenticate_v4(self._store, request, body, now)
        if parameters.get('SignatureVersion') != '2':
            raise TransportError(403, 'Authorization parameters not found')
        if self._rules.refuses_replays:
            self._refuse_replay(parameters.get('Signature', ''), now)
        return _authenticate_v2(self._store, self._rules, request, parameters, now)

    def _refuse_replay(self, signature: str, now: float) -> None:
        """SecurityContext.enqueueSignature, before anything else is looked at."""
        self._seen = {one: seen for one, seen in self._seen.items() if now - seen < PAST_SECONDS}
        if signature in self._seen:
            raise TransportError(403, 'Message replay detected.  Same signature was used within the last 15 minutes')
        self._seen[signature] = now


def _authenticate_v2(store: Store, rules: Requests, request: HttpRequest, parameters: dict[str, str], now: float) -> Caller:
    methods = {'HmacSHA1': hashlib.sha1, 'HmacSHA256': hashlib.sha256}
    method = methods.get(parameters.get('SignatureMethod', ''))
    if method is None:
        raise TransportError(403, f'Invalid signature method: {parameters.get("SignatureMethod")}')
    if 'AWSAccessKeyId' not in parameters:
        raise TransportError(403, 'Missing required parameter: AWSAccessKeyId')
    _check_v2_time(parameters, now)
    caller = find_caller(store, parameters['AWSAccessKeyId'])
    if caller is None:
        raise TransportError(403, rules.unknown_key)
    signed = sorted((name, value) for name, value in parameters.items() if name != 'Signature')
    # Clients differ in these, and the genuine server tries all: port in the host, the path as sent or in lower case
    # without its last slash, * encoded or not.
    host = request.headers.get('Host', '').lower()
    paths = [request.path] + ([request.path.removesuffix('/').lower()] if rules.tries_other_paths else [])
    given = ''.join(parameters.get('Signature', '').split())
    for name, path, safe in itertools.product((host, host.split(':')[0]), paths, ('-_.~', '-_.~*')):
        query = '&'.join(f'{quote(key, safe=safe)}={quote(value, safe=safe)}' for key, value in signed)
        if rules.encodes_tilde:
            query = query.replace('~', '%7E')
        text = '\n'.join((request.method, name, path, query))
        digest = hmac.new(caller.secret_key.encode(), text.encode(), method).digest()
        if same_signature(base64.b64encode(digest).decode(), given):
            for parameter in _V2_PARAMETERS:
                parameters.pop(parameter, None)
            return caller
    raise TransportError(403, rules.wrong_signature)


def same_signature(computed: str, given: str) -> bool:
    """Compare in constant time; ``given`` may be any text."""
    return hmac.compare_digest(computed.encode(), given.encode(errors='replace'))


def _check_v2_time(parameters: dict[str, str], now: float) -> None:
    timestamp, expires = parameters.get('Timestamp'), parameters.get('Expires')
    try:
        if timestamp:
            check_window(parse_iso_time(timestamp), now)
        elif expires:
            if now > parse_iso_time(expires):
                raise TransportError(403, f'Message has expired (times in UTC): Timestamp=null Expires={expires}')
        else:
            raise TransportError(
                403, 'One of the following parameters must be specified: Timestamp OR Expires OR X-Amz-Date OR Date'
            )
    except ValueError:
        raise TransportError(403, f'Failure to parse timestamp: Timestamp={timestamp} Expires={expires}') from None


def check_window(signed_at: float, now: float) -> None:
    if signed_at > now + FUTURE_SECONDS:
        raise TransportError(403, 'Message was generated in the future (times in UTC)')
    if now > signed_at + PAST_SECONDS:
        raise TransportError(403, 'Message has expired (times in UTC)')


def _authenticate_v4(store: Store, request: HttpRequest, body: bytes, now: float) -> Caller:
    parts = v4_parts(request.headers['Authorization'])
    try:
        scope, headers, signature = V4Scope.parse(parts['Credential']), parts['SignedHeaders'], parts['Signature']
        date = request.headers.get('X-Amz-Date') or request.headers['Date']
        signed_at = parse_http_or_iso_time(date)
    except (KeyError, ValueError):
        raise TransportError(403, 'Authorization parameters not found') from None
    check_window(signed_at, now)
    if not scope.matches(signed_at):
        raise TransportError(403, 'Invalid credential date')
    caller = _known_caller(store, scope.access_key)
    body_hash = hashlib.sha256(body).hexdigest()
    # The AWS SDK for Java always signs "/".
    for path in (request.path, '/'):
        canonical = v4_canonical_request(request, path, headers, body_hash)
        if same_signature(v4_signature(caller.secret_key, scope, signed_at, canonical), signature):
            return caller
    raise TransportError(403, 'Signature validation failed')


def _known_caller(store: Store, access_key: str) -> Caller:
    caller = find_caller(store, access_key)
    if caller is None:
        raise TransportError(403, 'The AWS Access Key Id you provided does not exist in our records')
    return caller


@dataclasses.dataclass(frozen=True)
class V4Scope:
    """Credential of a version 4 signature. Region and service are part of the key and are not compared with anything."""

    access_key: str
    date: str
    region: str
    service: str

    @classmethod
    def parse(cls, credential: str) -> V4Scope:
        access_key, date, region, service, terminator = credential.split('/')
        if terminator != 'aws4_request':
            raise ValueError(credential)
        return cls(access_key, date, region, service)

    def matches(self, signed_at: float) -> bool:
        return self.date == v4_stamp(signed_at)[:8]

    def __str__(self) -> str:
        return f'{self.date}/{self.region}/{self.service}/aws4_request'


def v4_parts(authorization: str) -> dict[str, str]:
    """Credential, SignedHeaders and Signature out of an Authorization header."""
    pairs = (part.strip().partition('=') for part in authorization.removeprefix(V4_ALGORITHM).split(','))
    return {name: value for name, _, value in pairs if value}


def v4_canonical_request(request: HttpRequest, path: str, signed_headers: str, body_hash: str) -> str:
    query = sorted(
        (quote(name, safe='-_.~'), quote(value, safe='-_.~')) for name, value in request.query if name != 'X-Amz-Signature'
    )
    lines = [request.method, path, '&'.join(f'{name}={value}' for name, value in query)]
    for name in signed_headers.split(';'):
        lines.append(f'{name.lower()}:{" ".join(request.headers.get(name, "").split())}')
    lines += ['', signed_headers, body_hash]
    return '\n'.join(lines)


def v4_key(secret_key: str, scope: V4Scope) -> bytes:
    key = f'AWS4{secret_key}'.encode()
    for part in (scope.date, scope.region, scope.service, 'aws4_request'):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def v4_stamp(signed_at: float) -> str:
    return datetime.datetime.fromtimestamp(signed_at, datetime.timezone.utc).strftime('%Y%m%dT%H%M%SZ')


def v4_signature(secret_key: str, scope: V4Scope, signed_at: float, canonical: str) -> str:
    text = '\n'.join((V4_ALGORITHM, v4_stamp(signed_at), str(scope), hashlib.sha256(canonical.encode()).hexdigest()))
    return hmac.new(v4_key(secret_key, scope), text.encode(), hashlib.sha256).hexdigest()


def parse_iso_time(text: str) -> float:
    """Seconds since the epoch of 2016-01-31T12:00:00Z, with or without separators and fraction. ValueError otherwise."""
    for form in ('%Y-%m-%dT%H:%M:%S', '%Y-%m-%dT%H:%M:%S.%f', '%Y%m%dT%H%M%S'):
        try:
            moment = datetime.datetime.strptime(text.removesuffix('Z'), form)
        except ValueError:
            continue
        return moment.replace(tzinfo=datetime.timezone.utc).timestamp()
    raise ValueError(text)


def parse_http_or_iso_time(text: str) -> float:
    try:
        return parse_iso_time(text)
    except ValueError:
        pass
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        raise ValueError(text) from None
