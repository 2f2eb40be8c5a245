# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Object storage and bundles of each version. The source files are in eucalab/versions, group ``storage``."""

from __future__ import annotations

import dataclasses
import shutil
import urllib.request
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from eucalab.cloud import keys
from eucalab.node.fetch import ImageCache
from eucalab.node.model import NodeError
from eucalab.node.storage import ObjectReader
from tests.kit.lab import Lab
from tests.lab.node_support import ACCESS, SECRET, ScratchLab, make_bundle, scratch_lab, signed

OLD = ('3.1', '3.4')


@pytest.fixture
def bucket(cloud: Lab) -> str:
    name = 'versions'
    if name not in [one['Name'] for one in cloud.s3().list_buckets()['Buckets']]:
        cloud.s3().create_bucket(Bucket=name)
        cloud.s3().put_object(Bucket=name, Key='key', Body=b'content')
    return name


def test_version_2_signatures_and_urls_work_everywhere(cloud: Lab, bucket: str) -> None:
    assert cloud.s3().get_object(Bucket=bucket, Key='key')['Body'].read() == b'content'
    url = cloud.s3().generate_presigned_url('get_object', {'Bucket': bucket, 'Key': 'key'})
    assert cloud.fetch(url) == (200, 'content')


def test_version_4_signatures_work_from_4_4_on(cloud: Lab, bucket: str) -> None:
    if cloud.played.name not in OLD:
        assert cloud.s3(signature='s3v4').get_object(Bucket=bucket, Key='key')['Body'].read() == b'content'
        return
    with pytest.raises(ClientError, match='403|AccessDenied|Forbidden|Unknown|\\(\\)'):
        cloud.s3(signature='s3v4').get_object(Bucket=bucket, Key='key')
    request = urllib.request.Request(
        f'{cloud.s3_url}/{bucket}/key',
        headers={'Authorization': 'AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=h, Signature=s'},
    )
    status, body = cloud.fetch(request)
    words = {'3.1': '<Message>Unable to parse date.</Message>', '3.4': '<Entity>Invalid authorization header</Entity>'}
    assert (status, words[cloud.played.name] in body) == (403, True), body


def test_a_version_4_url_is_anonymous_before_4_4(cloud: Lab, bucket: str) -> None:
    url = cloud.s3(signature='s3v4').generate_presigned_url('get_object', {'Bucket': bucket, 'Key': 'key'})
    assert cloud.fetch(url)[0] == (403 if cloud.played.name in OLD else 200)
    cloud.s3().put_object(Bucket=bucket, Key='public', Body=b'for all', ACL='public-read')
    url = cloud.s3(signature='s3v4').generate_presigned_url('get_object', {'Bucket': bucket, 'Key': 'public'})
    assert cloud.fetch(url) == (200, 'for all')


def test_a_wrong_secret_has_the_versions_form(cloud: Lab, bucket: str) -> None:
    url = cloud.s3(aws_secret_access_key='wrong').generate_presigned_url('get_object', {'Bucket': bucket, 'Key': 'key'})
    status, body = cloud.fetch(url)
    form = {'3.1': '<Code>403 Forbidden</Code>', '3.4': '<Error><Code>AccessDenied</Code><Message>Access Denied</Message>'}
    assert (status, form.get(cloud.played.name, '<Error><Code>SignatureDoesNotMatch</Code>') in body) == (403, True), body


def test_uploads_in_parts_do_not_exist_before_4_0(cloud: Lab, bucket: str) -> None:
    if cloud.played.name in OLD:
        with pytest.raises(ClientError, match='NotImplemented.*uploads is not implemented'):
            cloud.s3().create_multipart_upload(Bucket=bucket, Key='large')


IMAGE = b'image' * 1000


@pytest.fixture(params=['3.1', '3.4', '4.4', '5'])
def lab(request: pytest.FixtureRequest) -> Iterator[ScratchLab]:
    with scratch_lab() as scratch:
        yield dataclasses.replace(scratch, config=dataclasses.replace(scratch.config, play=request.param))


def fetch(lab: ScratchLab, objects: dict[str, bytes], manifest: str, signers: list[bytes] | None = None) -> bytes:
    lab.objects.contents.update(objects)
    reader = ObjectReader(lab.objects.endpoint, ACCESS, SECRET, lambda _seconds: None)
    with ImageCache(lab.settings).open(reader, manifest, None, signers) as image:
        return image.read()


def test_parts_are_looked_up_in_the_root_of_the_bucket_on_3_x(lab: ScratchLab) -> None:
    objects = make_bundle('images/folder/disk', IMAGE, lab.key)
    manifest = 'images/folder/disk.manifest.xml'
    moved = {manifest: objects[manifest]}
    moved.update({f'images/{key.rsplit("/", 1)[1]}': body for key, body in objects.items() if key != manifest})
    for contents, is_root in ((objects, False), (moved, True)):
        lab.objects.contents.clear()
        shutil.rmtree(lab.settings.cache, ignore_errors=True)
        if is_root == (lab.config.play in OLD):
            assert fetch(lab, contents, manifest) == IMAGE
        else:
            with pytest.raises(NodeError, match='part.00'):
                fetch(lab, contents, manifest)


def test_a_node_of_3_x_needs_a_manifest_that_its_owner_signed(lab: ScratchLab) -> None:
    assert lab.settings.played.storage.checks_signature == (lab.config.play in OLD)
    keys.create_user_keys(lab.config, 'tenant')
    certificate = keys.user_certificate(lab.config, 'tenant').read_bytes()
    key = serialization.load_pem_private_key(keys.user_key(lab.config, 'tenant').read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    objects = make_bundle('images/disk', IMAGE, lab.key)
    name = 'images/disk.manifest.xml'
    with pytest.raises(NodeError, match='no valid signature'):
        fetch(lab, objects, name, [certificate])
    assert fetch(lab, {**objects, name: signed(objects[name], key)}, name, [certificate]) == IMAGE
    with pytest.raises(NodeError, match='no valid signature'):
        fetch(lab, {**objects, name: signed(objects[name], key).replace(b'<size>', b'<size>1')}, name, [certificate])
