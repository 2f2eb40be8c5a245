# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""For tests with a running API process: the process, clients for its accounts, and ways to play its nodes."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import hmac
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.config
import botocore.exceptions
import botocore.session
import pytest

LAB = Path(__file__).resolve().parents[2] / 'lab'
sys.path[:0] = [str(LAB), str(LAB.parent / 'tests' / 'bundle')]

from eucalab.cli import READY_SECONDS  # noqa: E402
from eucalab.cloud import cluster_controller  # noqa: E402
from eucalab.cloud.accounts import ADMIN, TENANT, Credentials  # noqa: E402
from eucalab.cloud.context import Cloud  # noqa: E402
from eucalab.cloud.store import Store  # noqa: E402
from eucalab.config import Config  # noqa: E402
from eucalab.versions import PLAYED  # noqa: E402

# One for all clients: it keeps the API models, which take a second to load.
SESSION = botocore.session.Session()


@dataclasses.dataclass
class LabApi:
    """A running API process, and ways to talk to it as its accounts and as its nodes."""

    config: Config
    accounts: dict[str, Credentials]
    process: subprocess.Popen[bytes] | None = None
    log_start: int = 0

    @property
    def ec2_url(self) -> str:
        return f'{self.config.endpoint}/services/compute'

    @property
    def s3_url(self) -> str:
        return f'{self.config.endpoint}/services/objectstorage'

    @property
    def admin(self) -> Credentials:
        return self.accounts[ADMIN]

    @property
    def tenant(self) -> Credentials:
        return self.accounts[TENANT]

    def start(self) -> None:
        environment = {**os.environ, 'PYTHONPATH': str(LAB), 'EUCALAB_STATE': str(self.config.home.parent)}
        with open(self.config.home / 'api.log', 'ab') as log:
            self.log_start = log.tell()
            self.process = subprocess.Popen(
                [sys.executable, '-m', 'eucalab.server', self.config.name], env=environment, stdout=log, stderr=log
            )
        self.wait_for(self._answers, 'the API process answers', READY_SECONDS)

    def _answers(self) -> bool:
        ended = self.process.poll() is not None  # asked first: then the log below has its last words
        log = (self.config.home / 'api.log').read_bytes()[self.log_start :].decode()
        if ended:
            raise AssertionError(log)
        return f'at {self.config.endpoint}\n' in log

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the signal to the process that this fixture started, and return its exit status."""
        self.process.send_signal(number)
        return self.process.wait(20)

    def wait_for(self, condition: Callable[[], Any], what: str, seconds: float = 60) -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            result = condition()
            if result:
                return result
            time.sleep(0.02)
        raise AssertionError(f'{what}: not within {seconds} s')

    def ec2(
        self, account: Credentials | None = None, api_version: str | None = '2014-10-01', signature: str = 'v2', **overrides: Any
    ) -> Any:
        return self._client(
            'ec2',
            account,
            api_version=api_version,
            endpoint_url=self.ec2_url,
            **overrides,
            config=botocore.config.Config(signature_version=signature, retries={'max_attempts': 0}),
        )

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

    def call(self, query: str, account: Credentials | None = None, path: str = '/services/compute') -> tuple[int, str]:
        """Send one EC2 request by hand, signed with version 2; returns status and body."""
        account = account or self.tenant
        parameters = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        parameters = {
            'Version': '2014-10-01',
            'SignatureVersion': '2',
            'SignatureMethod': 'HmacSHA256',
            'Timestamp': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()),
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
        location = self.put_manifest(account, f'{bucket}/{name}.manifest.xml', kind)
        return self.ec2(account).register_image(Name=name, ImageLocation=location, Architecture='x86_64', **options)['ImageId']

    def published_boot(self) -> dict[str, str]:
        """A kernel and a ramdisk that the admin has made public."""
        ids = {
            'KernelId': self.register(self.admin, 'kernel', 'boot-files'),
            'RamdiskId': self.register(self.admin, 'ramdisk', 'boot-files'),
        }
        for image in ids.values():
            self.ec2(self.admin).modify_image_attribute(ImageId=image, LaunchPermission={'Add': [{'Group': 'all'}]})
        return ids

    def report(self, instance: str, node_state: str, path: Path | None = None, reason: str | None = None) -> None:
        """Play the instance's node: report a state of its domain."""
        self._write(
            'UPDATE instances SET node_state = ?, node_reason = ?, instance_path = coalesce(?, instance_path) WHERE id = ?',
            node_state,
            reason,
            path and str(path),
            instance,
        )

    def report_attachment(self, volume: str, node_state: str, reason: str | None = None) -> None:
        self._write('UPDATE attachments SET node_state = ?, node_reason = ? WHERE volume_id = ?', node_state, reason, volume)

    def insert(self, table: str, **columns: object) -> None:
        """Write a row that no request would make."""
        with contextlib.closing(Store(self.config.database)) as store:
            store.insert(table, **columns)

    def _write(self, sql: str, *values: object) -> None:
        store = Store(self.config.database)
        store.execute(sql, *values)
        store.close()

    def row(self, table: str, identifier: str) -> dict[str, Any]:
        """A resource's row, as a node sees it."""
        store = Store(self.config.database)
        row = store.row(f'SELECT * FROM {table} WHERE id = ?', identifier)
        store.close()
        return dict(row)

    def poll(self) -> None:
        """Play the cluster controller: take in now what the nodes have reported."""
        with contextlib.closing(Store(self.config.database)) as store:
            cluster_controller.poll(Cloud(self.config, store, PLAYED[self.config.play]))

    def age(self, table: str, identifier: str, seconds: float) -> None:
        """Let a resource be in its state for so many more of the cloud's seconds."""
        since = 'started' if table == 'snapshots' else 'state_since'
        self._write(f'UPDATE {table} SET {since} = {since} - ? WHERE id = ?', seconds * self.config.pace, identifier)


def sign_path_as_sent(request: Any, **_: Any) -> None:
    """botocore signs /BUCKET/ for a request that it sends to …/BUCKET; Eucalyptus computes over what was sent."""
    request.auth_path = urllib.parse.urlsplit(request.url).path


@contextlib.contextmanager
def refused(code: str, *words: str, status: int = 400) -> Iterator[None]:
    """The call inside must fail with this error code and status, and a message that has these words."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        yield
    error = caught.value.response
    assert (error['Error']['Code'], error['ResponseMetadata']['HTTPStatusCode']) == (code, status), error
    for word in words:
        assert word in error['Error']['Message']
