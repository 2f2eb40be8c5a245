# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients of a lab's API, for each of its accounts."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import hmac
import secrets
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import botocore.config
import botocore.session

from eucalab.cloud.accounts import ADMIN, TENANT, Credentials
from eucalab.cloud.keys import cloud_certificate
from eucalab.config import Config
from eucalab.versions import PLAYED, Played

# One for all clients: it keeps the API models, which take a second to load.
SESSION = botocore.session.Session()


@dataclasses.dataclass
class Clients:
    """Ways to send requests to the API as one of the lab's accounts; the tenant unless another is given."""

    config: Config
    accounts: dict[str, Credentials]

    @property
    def home(self) -> Path:
        return self.config.home

    @property
    def port(self) -> int:
        return self.config.port

    @property
    def ec2_url(self) -> str:
        return self.config.endpoint + self.played.requests.paths[0]

    @property
    def s3_url(self) -> str:
        return self.config.endpoint + self.played.storage.paths[0]

    @property
    def played(self) -> Played:
        return PLAYED[self.config.play]

    @property
    def admin(self) -> Credentials:
        return self.accounts[ADMIN]

    @property
    def tenant(self) -> Credentials:
        return self.accounts[TENANT]

    def options(self, port: int | None = None, account: str = ADMIN) -> dict[str, str]:
        """Connection options for the collection's modules. A proxy in between has another ``port``."""
        user = self.accounts[account]
        url = f'http://127.0.0.1:{port or self.config.port}'
        return {
            'ec2_url': url + self.played.requests.paths[0],
            's3_url': url + self.played.storage.paths[0],
            'access_key': user.access_key,
            'secret_key': user.secret_key,
            'account_id': user.number,
            'user_cert': str(user.certificate),
            'user_private_key': str(user.private_key),
            'cloud_cert': str(cloud_certificate(self.config)),
        }

    def ec2(
        self, account: Credentials | None = None, api_version: str | None = '2014-10-01', signature: str = 'v2', **overrides: Any
    ) -> Any:
        client = self._client(
            'ec2',
            account,
            api_version=api_version,
            endpoint_url=self.ec2_url,
            **overrides,
            config=botocore.config.Config(signature_version=signature, retries={'max_attempts': 0}),
        )
        if self.played.replies.internal_form:
            client.meta.events.register('before-call.ec2', self._ask_in_a_known_version)
        if self.played.requests.refuses_replays:
            client.meta.events.register('before-call.ec2', _wait_for_another_second)
        return client

    def _ask_in_a_known_version(self, params: dict[str, Any], **_: Any) -> None:
        """botocore has no model that is as old as this cloud, which answers other versions in its internal form."""
        params['body']['Version'] = self.played.requests.newest_api

    def s3(self, account: Credentials | None = None, signature: str = 's3', **overrides: Any) -> Any:
        config = botocore.config.Config(
            signature_version=signature,
            retries={'max_attempts': 0},
            s3={'addressing_style': 'path'},
            request_checksum_calculation='when_required',
            response_checksum_validation='when_required',
        )
        client = self._client('s3', account, **{'endpoint_url': self.s3_url, 'config': config, **overrides})
        if signature == 's3':
            client.meta.events.register('before-sign.s3', sign_path_as_sent)
        return client

    def _client(self, service: str, account: Credentials | None, **options: Any) -> Any:
        account = account or self.tenant
        return SESSION.create_client(
            service,
            region_name='eucalyptus',
            **{'aws_access_key_id': account.access_key, 'aws_secret_access_key': account.secret_key, **options},
        )

    def call(self, query: str, account: Credentials | None = None, path: str | None = None) -> tuple[int, str]:
        """Send one EC2 request by hand, signed with version 2; returns status and body."""
        account, path = account or self.tenant, path or self.played.requests.paths[0]
        parameters = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        parameters = {
            'Version': self.played.requests.newest_api if self.played.replies.internal_form else '2014-10-01',
            'SignatureVersion': '2',
            'SignatureMethod': 'HmacSHA256',
            'Timestamp': f'{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%dT%H:%M:%S.%fZ}',
            'AWSAccessKeyId': account.access_key,
            **parameters,
        }
        text = urllib.parse.urlencode(sorted(parameters.items()), quote_via=urllib.parse.quote, safe='-_.~')
        subject = f'POST\n127.0.0.1:{self.config.port}\n{path}\n{text}'
        digest = hmac.new(account.secret_key.encode(), subject.encode(), 'sha256').digest()
        text += '&Signature=' + urllib.parse.quote(base64.b64encode(digest), safe='')
        return self.fetch(urllib.request.Request(self.config.endpoint + path, text.encode(), method='POST'))

    @staticmethod
    def fetch(request: str | urllib.request.Request) -> tuple[int, str]:
        """Status and body of a URL, whatever the status."""
        try:
            with urllib.request.urlopen(request, timeout=20) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def put_manifest(
        self,
        account: Credentials,
        location: str,
        kind: str = 'machine',
        user: str | None = None,
        configuration: str = '',
        size: int = 1 << 20,
        acl: str = 'aws-exec-read',
    ) -> str:
        """Store a manifest such as RegisterImage reads (its parts are not read by the API); returns its location."""
        bucket, _, key = location.partition('/')
        s3 = self.s3(account)
        if bucket not in [one['Name'] for one in s3.list_buckets()['Buckets']]:
            s3.create_bucket(Bucket=bucket)
        text = (
            f'<manifest><version>2007-10-10</version><machine_configuration><architecture>x86_64</architecture>'
            f'{configuration}</machine_configuration><image><name>{key}</name><user>{user or account.number}</user>'
            f'<type>{kind}</type><size>{size}</size></image><signature>UNSIGNED</signature></manifest>'
        )
        s3.put_object(Bucket=bucket, Key=key, Body=text.encode(), ACL=acl)
        return location

    def register(self, account: Credentials, kind: str, bucket: str, **options: Any) -> str:
        """Register a kernel, ramdisk or machine image of a new name; returns its id."""
        name = f'{kind}-{secrets.token_hex(4)}'
        configuration = '' if kind == 'machine' else f'<{kind}_id>true</{kind}_id>'
        location = self.put_manifest(account, f'{bucket}/{name}.manifest.xml', kind, configuration=configuration)
        reply = self.ec2(account).register_image(Name=name, ImageLocation=location, Architecture='x86_64', **options)
        return str(reply['ImageId'])

    def published_boot(self) -> dict[str, str]:
        """A kernel and a ramdisk that the admin has made public."""
        ids = {
            'KernelId': self.register(self.admin, 'kernel', 'boot-files'),
            'RamdiskId': self.register(self.admin, 'ramdisk', 'boot-files'),
        }
        for image in ids.values():
            # The form of before 2010 is the only one that every version has.
            self.ec2(self.admin).modify_image_attribute(
                ImageId=image, Attribute='launchPermission', OperationType='add', UserGroups=['all']
            )
        return ids


_LAST_SENT: dict[str, float] = {}


def _wait_for_another_second(params: dict[str, Any], **_: Any) -> None:
    """Signatures of version 2 have whole seconds, so an equal request in the same second is a replay."""
    body = repr(sorted(params['body'].items()))
    time.sleep(max(0.0, _LAST_SENT.get(body, 0) + 1.05 - time.time()))
    _LAST_SENT[body] = time.time()


def sign_path_as_sent(request: Any, **_: Any) -> None:
    """botocore signs /BUCKET/ for a request that it sends to …/BUCKET; Eucalyptus computes over what was sent."""
    request.auth_path = urllib.parse.urlsplit(request.url).path
