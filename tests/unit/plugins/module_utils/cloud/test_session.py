# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import botocore.session
import pytest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud import session
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import Cloud
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.credentials import Credentials

EC2 = 'http://cloud.test:8773/services/compute'
S3 = 'http://cloud.test:8773/services/objectstorage'
BUCKET, OBJECT = {'Bucket': 'b'}, {'Bucket': 'b', 'Key': 'a b/ü'}
BUCKET_PATH, OBJECT_PATH = '/services/objectstorage/b', '/services/objectstorage/b/a%20b/%C3%BC'
PARTS = {'Parts': [{'ETag': 'e', 'PartNumber': 1}]}
# Part of each request or of its reply is made by a handler of botocore: (operation, parameters, action of FakeCloud, reply).
REQUESTS = [
    ('run_instances', {'ImageId': 'emi-1', 'MinCount': 1, 'MaxCount': 1, 'UserData': 'ü'}, 'RunInstances', '<R/>'),
    ('describe_volumes', {'Filters': [{'Name': 'size', 'Values': ['1']}]}, 'DescribeVolumes', '<R><nextToken>n</nextToken></R>'),
    ('put_object', {**OBJECT, 'Body': 'text', 'Metadata': {'x': 'y'}}, f'PUT {OBJECT_PATH}', ''),
    ('put_object', {**OBJECT, 'Metadata': {'x': 'ü'}}, f'PUT {OBJECT_PATH}', ''),
    ('put_object', {'Bucket': 'no bucket', 'Key': 'k'}, '', ''),
    ('upload_part', {**OBJECT, 'Body': 'part', 'UploadId': 'u', 'PartNumber': 2}, f'PUT {OBJECT_PATH}', ''),
    ('complete_multipart_upload', {**OBJECT, 'UploadId': 'u', 'MultipartUpload': PARTS}, f'POST {OBJECT_PATH}', '<Error/>'),
    ('head_object', {**OBJECT, 'SSECustomerKey': 'k' * 32, 'SSECustomerAlgorithm': 'AES256'}, f'HEAD {OBJECT_PATH}', ''),
    ('copy_object', {**OBJECT, 'CopySource': 'b/ä'}, f'PUT {OBJECT_PATH}', '<R/>'),
    ('list_objects', BUCKET, f'GET {BUCKET_PATH}', '<R><EncodingType>url</EncodingType><Prefix>a%20b</Prefix></R>'),
    ('delete_objects', {**BUCKET, 'Delete': {'Objects': [{'Key': 'a\r'}]}}, f'POST {BUCKET_PATH}', '<R/>'),
    ('get_bucket_location', BUCKET, f'GET {BUCKET_PATH}', '<LocationConstraint>here</LocationConstraint>'),
]


# Headers and parameters that depend on the time, or on a signature that does.
VARYING = {'Date', 'Authorization', 'Content-Length', 'amz-sdk-invocation-id', 'Timestamp', 'Signature'}


def outcome(cloud, operation, parameters):
    """Send a request with a new client. Return the result or the error, and the requests as they were sent."""
    del cloud.sent[:], cloud.bodies[:], cloud.requests[:]
    client = Cloud(Credentials(EC2, 'AKITEST', 'very-secret', s3_url=S3)).client('s3' if 'Bucket' in parameters else 'ec2')
    try:
        result = getattr(client, operation)(**parameters)
    except Exception as error:
        result = str(error)
    sent = []
    for request, body, (action, asked) in zip(cloud.sent, cloud.bodies, cloud.requests, strict=True):
        values = {name: str(value) for name, value in [*request.headers.items(), *asked.items()] if name not in VARYING}
        sent.append((request.url, action, values, body if 'Bucket' in parameters else ''))
    return result, sent


@pytest.mark.parametrize(('operation', 'parameters', 'action', 'reply'), REQUESTS)
def test_requests_and_results_are_those_of_botocores_own_session(cloud, monkeypatch, operation, parameters, action, reply):
    cloud.on(action, (200, reply))
    ours = outcome(cloud, operation, parameters)
    monkeypatch.setattr(session, 'make', botocore.session.Session)
    assert ours == outcome(cloud, operation, parameters)
