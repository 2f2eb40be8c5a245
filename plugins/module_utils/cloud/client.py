# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Talking to the cloud's EC2 and S3 services, with one way of wording what went wrong.

One configuration for every Eucalyptus from 3.1 to 5. The oldest API version that has every call needed makes
botocore send no parameter that some Eucalyptus refuses (it injects ClientToken from 2016-11-15 on), and version 2
signatures are what all of them understand.
"""

from __future__ import annotations

import time
import traceback
import typing as t
from urllib.parse import urlsplit

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud import instance_types
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.credentials import Credentials
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError

IMPORT_ERROR: str | None = None
try:
    import botocore.session
    from botocore.config import Config
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        ConnectionError,
        HTTPClientError,
        SSLError,
    )
    from botocore.handlers import decode_console_output
    from botocore.parsers import ResponseParserError
except ImportError:
    IMPORT_ERROR = traceback.format_exc()

EC2_API_VERSION = '2014-10-01'
# Only signatures carry a region, and Eucalyptus does not check it.
REGION = 'eucalyptus'
CREATES = ('create_volume', 'create_snapshot', 'run_instances')
READS = ('describe_', 'get_', 'head_', 'list_')
ATTEMPTS = 3
GATEWAY = (502, 503, 504)
LOOPBACK = ('127.0.0.1', '::1', 'localhost')  # what no proxy can reach

WRONG_KEYS = {'AuthFailure', 'InvalidAccessKeyId', 'InvalidClientTokenId', 'SignatureDoesNotMatch', '401'}
# (part of code and text, way out); the first that fits is told.
HINTS = (
    (
        'manifest has invalid signature',
        'Up to Eucalyptus 4.1 a bundle has to be signed by the user: give user_private_key, or EC2_PRIVATE_KEY in the eucarc.',
    ),
    ('generated in the future', "The clock of this machine is ahead of the cloud's: set it right."),
    ('expired', "The clock of this machine and the cloud's differ: set them right."),
    ('failed to bind', 'This version of Eucalyptus does not know that parameter: leave the option out.'),
    (
        'only administrators',
        "Kernels and ramdisks are registered by the cloud's administrator (account eucalyptus), who can then share them.",
    ),
    (
        'kernel id must be specified',
        'Give virtualization_type=hvm for a disk with a boot loader of its own, or kernel_id and ramdisk_id.',
    ),
    ('limitexceeded', 'Delete what is no longer needed, or ask the administrator for a higher quota.'),
)


class CloudError(CollectionError):
    """A request that failed. ``code`` and ``text`` are the cloud's own words, None when it did not say anything.

    ``lost`` says that something was to be created and the answer to that never came: it may be there all the same.
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
    def not_found(self) -> bool:
        return self.status == 404 or bool(self.code and (self.code.endswith('.NotFound') or self.code.startswith('NoSuch')))


class Cloud:
    """One account's view of one cloud.

    ``verify`` is True, False, or the path of a CA bundle. Nothing is contacted before the first request.
    """

    def __init__(self, credentials: Credentials, verify: bool | str = True, connect_timeout: float = 10) -> None:
        self.credentials = credentials
        self._verify = verify
        self._connect_timeout = connect_timeout
        self._session: t.Any = None
        self._clients: dict[str, t.Any] = {}

    def ec2(self, operation: str, about: str = '', **parameters: t.Any) -> dict[str, t.Any]:
        """Send an EC2 request, botocore's name for it (``create_volume``), about a resource ('volume vol-1'). Raises
        CloudError."""
        return self._send('ec2', operation, about, parameters)

    def s3(self, operation: str, about: str = '', **parameters: t.Any) -> dict[str, t.Any]:
        """The same for object storage (``put_object``)."""
        return self._send('s3', operation, about, parameters)

    def client(self, service: str, url: str | None = None) -> t.Any:
        """botocore's client for ``ec2`` or ``s3``; ``url`` stands in for the service's own endpoint, as a guest may
        reach it."""
        endpoint = url or self.endpoint(service)
        key = f'{service} {endpoint}'
        if key not in self._clients:
            self._clients[key] = self._make_client(service, endpoint)
        return self._clients[key]

    def endpoint(self, service: str) -> str:
        """The service's URL. Raises CloudError when the credentials' source named none."""
        url = self.credentials.ec2_url if service == 'ec2' else self.credentials.s3_url
        if not url:
            raise CloudError(
                f'No s3_url: {self.credentials.origin} did not give S3_URL. Give the option s3_url, '
                'for example http://cloud.example.com:8773/services/objectstorage.',
                'connect',
            )
        # Up to Eucalyptus 3.4 a path with a slash at its end is signed differently on the two sides.
        return url.rstrip('/')

    def presigned_get(self, bucket: str, key: str, expires_in: int, url: str | None = None) -> str:
        """A version 2 presigned URL, which every Eucalyptus accepts; made without asking the cloud. ``expires_in``
        in seconds."""
        client = self.client('s3', url.rstrip('/') if url else None)
        return client.generate_presigned_url('get_object', Params={'Bucket': bucket, 'Key': key}, ExpiresIn=expires_in)

    def _make_client(self, service: str, endpoint: str) -> t.Any:
        if self._session is None:
            # The user's settings for Amazon have no say here: a profile, for example, would be wrong for this cloud.
            self._session = botocore.session.Session(session_vars={'profile': (None, [], None, None)})
            self._session.set_config_variable('config_file', '/dev/null')
            self._session.set_config_variable('credentials_file', '/dev/null')
            loader = self._session.get_component('data_loader')
            # The loader keeps what it has read, so the client below is made from the model with the addition.
            instance_types.add_to(loader.load_service_model('ec2', 'service-2', api_version=EC2_API_VERSION))
        try:
            client = self._session.create_client(
                service,
                region_name=REGION,
                endpoint_url=endpoint,
                verify=self._verify,
                api_version=EC2_API_VERSION if service == 'ec2' else None,
                config=_config(service, endpoint, self._connect_timeout),
                aws_access_key_id=self.credentials.access_key,
                aws_secret_access_key=self.credentials.secret_key,
                aws_session_token=self.credentials.security_token,
            )
        except ValueError as error:
            raise CloudError(
                f'{endpoint} is not a usable {service}_url ({error}); it came from {self.credentials.origin}.',
                'connect',
            ) from error
        # botocore would decode the console as text, although its windows begin and end in the middle of characters.
        client.meta.events.unregister('after-call.ec2.GetConsoleOutput', decode_console_output)
        # botocore would sign requests for a bucket as /BUCKET/ and send them to …/BUCKET; Eucalyptus checks what was
        # sent.
        client.meta.events.register('before-sign.s3', _sign_as_sent)
        return client

    def _send(self, service: str, operation: str, about: str, parameters: dict[str, t.Any]) -> dict[str, t.Any]:
        """One request. Reads are sent again when the connection or the cloud stumbles; what changes something never
        is."""
        client = self.client(service)
        attempts = ATTEMPTS if operation.startswith(READS) else 1
        attempt = 0
        while True:
            attempt += 1
            try:
                return getattr(client, operation)(**parameters)
            except (BotoCoreError, ClientError, ResponseParserError) as error:
                replayed = 'replay detected' in str(error)  # refused unseen, so even a change may be sent again
                if not (replayed and attempt < ATTEMPTS or attempt < attempts and _passing(error)):
                    raise self._worded(service, operation, about, error) from error
            time.sleep(1.1)

    def _worded(self, service: str, operation: str, about: str, error: Exception) -> CloudError:
        request = ''.join(part.capitalize() for part in operation.split('_'))
        head = f'{request} of {about} failed' if about else f'{request} failed'
        url = self.endpoint(service)
        code = text = status = None
        if isinstance(error, ClientError):
            code = str(error.response.get('Error', {}).get('Code', '')).strip()
            text = str(error.response.get('Error', {}).get('Message', '')).strip()
            status = error.response.get('ResponseMetadata', {}).get('HTTPStatusCode')
            said = f'{code}: {text}' if text and text != code else code or f'HTTP status {status}'
            message = f'{head}: the cloud said {said}'
            message += '' if said.endswith('.') else '.'
            hint = _hint(code, text, status, self.credentials.origin)
        elif isinstance(error, ResponseParserError):
            message = f"{head}: {url} did not answer as a cloud's {service.upper()} service does."
            hint = (
                f'Is {service}_url right (from {self.credentials.origin})? Its path is /services/compute or '
                '/services/objectstorage, on Eucalyptus 3 /services/Eucalyptus or /services/Walrus.'
            )
        elif isinstance(error, SSLError):
            message = f'{head}: no trusted TLS connection to {url} ({_reason(error)}).'
            hint = "Give the cloud's CA certificate in ca_path, or validate_certs: false for a self-signed one."
        elif isinstance(error, (ConnectionError, HTTPClientError)):
            message = f'{head}: {url} cannot be reached ({_reason(error)}).'
            hint = f'Is the cloud up, and is {service}_url right? It came from {self.credentials.origin}.'
        else:
            message, hint = f'{head}: {error}.', ''
        lost = operation.startswith(CREATES) and _may_have_arrived(error, code, status)
        if lost:
            hint = f'{hint} The answer never came, so it may have been done all the same: look before you do it again.'.strip()
        message = f'{message} {hint}'.strip().replace(self.credentials.secret_key, '…')
        return CloudError(message, request, code, text, status, lost)


def _config(service: str, endpoint: str, connect_timeout: float) -> t.Any:
    options: dict[str, t.Any] = {
        'signature_version': 'v2' if service == 'ec2' else 's3',
        'connect_timeout': connect_timeout,
        'read_timeout': 120,
        'retries': {'total_max_attempts': 1},
        'use_fips_endpoint': False,
        'use_dualstack_endpoint': False,
    }
    if urlsplit(endpoint).hostname in LOOPBACK:
        options['proxies'] = {}
    if service == 's3':
        options['s3'] = {'addressing_style': 'path'}
    try:
        # Eucalyptus knows no checksum trailers; Content-MD5 is its integrity check.
        return Config(request_checksum_calculation='when_required', response_checksum_validation='when_required', **options)
    except TypeError:  # botocore < 1.36 has neither these options nor the trailers
        return Config(**options)


def _sign_as_sent(request: t.Any, **_rest: t.Any) -> None:
    request.auth_path = None


def _passing(error: Exception) -> bool:
    """Could the same request succeed in a moment?"""
    if isinstance(error, ClientError):
        return error.response.get('ResponseMetadata', {}).get('HTTPStatusCode') in GATEWAY
    return isinstance(error, (ConnectionError, HTTPClientError)) and not isinstance(error, SSLError)


def _may_have_arrived(error: Exception, code: str | None, status: int | None) -> bool:
    # With a code it is the cloud that speaks; without, something between us and it.
    gateway = status in GATEWAY and code in ('', str(status))
    return gateway or isinstance(error, (HTTPClientError, ResponseParserError))


def _hint(code: str, text: str, status: int | None, origin: str) -> str:
    said = f'{code} {text}'.lower()
    for part, hint in HINTS:
        if part in said:
            return hint
    if code in WRONG_KEYS or status == 401 or 'signature' in said or 'access key id' in said:
        return f'Are access_key and secret_key right? They came from {origin}.'
    if code in ('AccessDenied', 'UnauthorizedOperation', '403') or status == 403:
        return f'The keys from {origin} are not allowed to do this, or the secret key is wrong.'
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
