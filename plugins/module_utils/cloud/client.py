# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to the cloud's EC2 and S3 services.

One configuration for every Eucalyptus from 3.1 to 5: with the oldest API version that has every call needed, botocore
adds no parameter that some version refuses (it injects ClientToken from 2016-11-15 on), and all of them accept
version 2 signatures.
"""

from __future__ import annotations

import traceback
import typing as t
from urllib.parse import urlsplit

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud import retry
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.api_version import ApiVersion
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.credentials import Credentials
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.failures import CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.quick_import import without_collections

if t.TYPE_CHECKING:
    from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.build_list import BuildList

__all__ = ['IMPORT_ERROR', 'Cloud', 'CloudError']

IMPORT_ERROR: str | None = None
try:
    from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud import session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.handlers import decode_console_output
    from botocore.parsers import ResponseParserError
except ImportError:
    IMPORT_ERROR = traceback.format_exc()

# Only signatures contain a region, and Eucalyptus does not check it.
REGION = 'eucalyptus'
LOOPBACK = ('127.0.0.1', '::1', 'localhost')  # addresses that no proxy can reach


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
        self._version = ApiVersion()
        self._build_list: BuildList | None = None

    @property
    def has_tags(self) -> bool:
        """Eucalyptus 3.1 and 3.2 have no tags. Raises CloudError."""
        if not self._version.known:
            self.ec2('describe_regions')
        return not self._version.old

    @property
    def software(self) -> str:
        """Name and version of the cloud, such as Eucalyptus/4.4.2, if its last reply contained them; otherwise empty."""
        return self._version.software

    def for_build(self, name: str) -> None:
        """From now on, the resources that are read or created belong to this build."""
        from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.build_list import BuildList  # few tasks need it

        self._build_list = BuildList(self, name)

    @property
    def build_list(self) -> BuildList | None:
        """The list that replaces the tags of a build's resources; None if there are tags, and without a build."""
        return None if self._build_list is None or self.has_tags else self._build_list

    def notes(self, untraceable: bool) -> BuildList | None:
        """The list with notes about the creation of resources of a kind; None without a build. Where there are tags, only
        ``untraceable`` kinds need them, and the cloud may lack the storage for them."""
        if self._build_list is None or not self.has_tags:
            return self._build_list
        return self._build_list if untraceable and self.credentials.s3_url and self.credentials.account_id else None

    def ec2(self, operation: str, about: str = '', policy: retry.Policy | None = None, **parameters: t.Any) -> dict[str, t.Any]:
        """Send an EC2 request and return botocore's reply.

        ``operation`` is botocore's name for it ('create_volume'), ``about`` the resource for messages ('volume vol-1').
        ``policy`` replaces the default one, which repeats reads. Raises CloudError.
        """
        if not self._version.known and not retry.is_read(operation):
            self.ec2('describe_regions')  # a change is sent once, so the version of its reply must be known before
        was_old = self._version.old
        reply = self._send('ec2', operation, about, policy, parameters)
        return reply if self._version.old == was_old else self._send('ec2', operation, about, policy, parameters)

    def s3(self, operation: str, about: str = '', policy: retry.Policy | None = None, **parameters: t.Any) -> dict[str, t.Any]:
        """The same for object storage ('put_object')."""
        return self._send('s3', operation, about, policy, parameters)

    def client(self, service: str, url: str | None = None) -> t.Any:
        """botocore's client for ``ec2`` or ``s3``; ``url`` replaces the service's endpoint, for example by one that
        guests can reach."""
        endpoint = url or self.endpoint(service)
        key = f'{service} {endpoint}'
        if key not in self._clients:
            with without_collections():
                self._clients[key] = self._make_client(service, endpoint)
        return self._clients[key]

    def endpoint(self, service: str) -> str:
        """The service's URL. Raises CloudError when the credentials lack it."""
        url = self.credentials.ec2_url if service == 'ec2' else self.credentials.s3_url
        if not url:
            raise CloudError(
                f'There is no s3_url, because {self.credentials.origin} did not contain S3_URL. Set the option s3_url, '
                'for example to http://cloud.example.com:8773/services/objectstorage.',
                'connect',
            )
        # Up to Eucalyptus 3.4 client and cloud sign a path with a trailing slash differently.
        return url.rstrip('/')

    def presigned_get(self, bucket: str, key: str, expires_in: int, url: str | None = None) -> str:
        """A version 2 presigned URL, which every Eucalyptus accepts. No request is sent. ``expires_in`` is in
        seconds."""
        client = self.client('s3', url.rstrip('/') if url else None)
        which = {'Bucket': bucket, 'Key': key}
        return str(client.generate_presigned_url('get_object', Params=which, ExpiresIn=expires_in))

    def _make_client(self, service: str, endpoint: str) -> t.Any:
        if self._session is None:
            self._session = session.make()
        try:
            client = self._session.create_client(
                service,
                region_name=REGION,
                endpoint_url=endpoint,
                verify=self._verify,
                api_version=session.EC2_API_VERSION if service == 'ec2' else None,
                config=_config(service, endpoint, self._connect_timeout),
                aws_access_key_id=self.credentials.access_key,
                aws_secret_access_key=self.credentials.secret_key,
                aws_session_token=self.credentials.security_token,
            )
        except ValueError as error:
            raise CloudError(
                f'{endpoint} is not a usable {service}_url ({error}). It is from {self.credentials.origin}.',
                'connect',
            ) from error
        # botocore would decode the console as text, although its output begins and ends in the middle of characters.
        client.meta.events.unregister('after-call.ec2.GetConsoleOutput', decode_console_output)
        # botocore signs requests for a bucket as /BUCKET/ but sends them to …/BUCKET, and Eucalyptus checks the latter.
        client.meta.events.register('before-sign.s3', _sign_as_sent)
        self._version.watch(client)
        return client

    def _send(
        self, service: str, operation: str, about: str, policy: retry.Policy | None, parameters: dict[str, t.Any]
    ) -> dict[str, t.Any]:
        client = self.client(service)

        def once() -> dict[str, t.Any]:
            try:
                reply: dict[str, t.Any] = getattr(client, operation)(**parameters)
                return reply
            except (BotoCoreError, ClientError, ResponseParserError) as error:
                from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.explanations import explain

                raise explain(self.credentials, service, self.endpoint(service), operation, about, error) from error

        return retry.repeat(once, policy or retry.default_policy(operation))


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
        # Eucalyptus does not support checksum trailers; its integrity check is Content-MD5.
        return Config(request_checksum_calculation='when_required', response_checksum_validation='when_required', **options)
    except TypeError:  # botocore < 1.36 has neither these options nor the trailers
        return Config(**options)


def _sign_as_sent(request: t.Any, **_rest: t.Any) -> None:
    request.auth_path = None
