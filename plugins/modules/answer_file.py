#!/usr/bin/python
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: eucalyptus.cloud contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: answer_file
short_description: Hand an answer file to an installer through object storage
version_added: 0.1.0
description:
  - Puts a kickstart, preseed or autoinstall file into the cloud's object storage as a private object, and returns a
    short-lived URL with which an installer can fetch it without credentials.
  - One with the same content that others may read is put again as a private one.
  - Whoever has the URL can read the file until it expires. Keep passwords out of it, or in it only as hashes.
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  state:
    description: Whether the object is to be there.
    type: str
    choices: [present, absent]
    default: present
  bucket:
    description:
      - The bucket. It is created when it is missing. The default is C(answer-files-) and the account's number.
      - A bucket of another account is an error. Bucket names are the cloud's, not the account's, so choose one that
        nobody else does.
    type: str
  object:
    description: The object's key, for example V(fedora.ks).
    type: str
    required: true
  content:
    description: The answer file. One of O(content) and O(src) is required to have it there.
    type: str
  src:
    description: A file on the machine that the module runs on, to be used as it is.
    type: path
  expires:
    description: For how many seconds the URL is good.
    type: int
    default: 7200
  guest_s3_url:
    description:
      - The object storage's endpoint as instances reach it. The default is O(s3_url).
      - Signatures do not cover the host, so any name or address that leads to it will do.
    type: str
  delete_bucket:
    description: With O(state=absent), whether to delete the bucket, too, when nothing else is in it.
    type: bool
    default: false
extends_documentation_fragment:
  - eucalyptus.cloud.connection
  - eucalyptus.cloud.attributes
  - eucalyptus.cloud.attributes.actiongroup
notes:
  - The URL is a new one at each run, also when the object did not change. C(changed) speaks of the object.
  - Register the result with C(no_log) if the URL is not to be seen in the output.
seealso:
  - module: eucalyptus.cloud.instance
"""

EXAMPLES = r"""
- name: Put the kickstart where the installer can fetch it
  eucalyptus.cloud.answer_file:
    eucarc: ~/.euca/eucarc
    object: fedora.ks
    content: "{{ lookup('ansible.builtin.template', 'fedora.ks.j2') }}"
  register: answer
  no_log: true

- name: Remove it when the installer has ended
  eucalyptus.cloud.answer_file:
    eucarc: ~/.euca/eucarc
    object: fedora.ks
    state: absent
"""

RETURN = r"""
answer_file:
  description: The answer file.
  returned: always
  type: dict
  contains:
    bucket:
      description: Its bucket.
      type: str
    object:
      description: Its key.
      type: str
    state:
      description: V(present) or V(absent).
      type: str
    url:
      description: URL to fetch it with, without credentials; null when it is absent.
      type: str
    sha256:
      description: SHA-256 of the content; null when it is absent.
      type: str
    md5:
      description: MD5 of the content, which is what object storage compares; null when it is absent.
      type: str
    private:
      description: Whether the object is its owner's alone to read; null when the cloud does not say, or it is absent.
      type: bool
    expires_at:
      description: When the URL expires, ISO 8601; null when the file is absent.
      type: str
actions:
  description: What was done, or in check mode would be done, in words.
  returned: always
  type: list
  elements: str
  sample: [create bucket answer-files-123456789012, put object answer-files-123456789012/fedora.ks]
"""

import base64
import hashlib
import typing as t
from datetime import datetime, timezone
from urllib.parse import parse_qs, urlsplit

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.module import CloudModule, ModuleError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import Resource
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.upload import Bucket, UploadError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan


class AnswerFile(CloudModule):
    key = 'answer_file'
    revealing = ('content',)
    options = {
        'state': {'type': 'str', 'choices': ['present', 'absent'], 'default': 'present'},
        'bucket': {'type': 'str'},
        'object': {'type': 'str', 'required': True},
        'content': {'type': 'str', 'no_log': True},
        'src': {'type': 'path'},
        'expires': {'type': 'int', 'default': 7200},
        'guest_s3_url': {'type': 'str'},
        'delete_bucket': {'type': 'bool', 'default': False},
    }
    rules = {
        'mutually_exclusive': [('content', 'src')],
        'required_if': [('state', 'present', ('content', 'src'), True)],
    }

    def find(self) -> Resource | None:
        """What is there: its MD5, which is what object storage tells of a content; None without object."""
        self.bucket = self.params['bucket'] or self.cloud.credentials.own_bucket('answer-files')
        self.object = self.params['object']
        self.path = f'{self.bucket}/{self.object}'
        self.has_bucket = self._owns_bucket()
        if not self.has_bucket:
            return None
        try:
            reply = self._object('head_object')
        except CloudError as error:
            if error.not_found:
                return None
            raise
        return {
            'bucket': self.bucket,
            'object': self.object,
            'state': 'present',
            'md5': (reply.get('ETag') or '').strip('"'),
            'private': self._is_private(),
        }

    def _is_private(self) -> bool | None:
        """Whether nobody but its owner has a grant; None when the cloud refuses to say."""
        try:
            acl = self._object('get_object_acl')
        except CloudError as error:
            if error.status is None:
                raise
            return None
        owner = acl.get('Owner', {}).get('ID')
        return all(grant['Grantee'].get('ID') == owner for grant in acl.get('Grants', []))

    def _owns_bucket(self) -> bool:
        if self._is_listed():
            return True
        try:
            self.cloud.s3('head_bucket', f'bucket {self.bucket}', Bucket=self.bucket)
        except CloudError as error:
            if error.not_found:
                return False
            if error.status != 403:
                raise
        if self._is_listed():  # another host has created it since the first look
            return True
        raise ModuleError(f'Bucket {self.bucket} belongs to another account, who could read what is in it: choose another name.')

    def _is_listed(self) -> bool:
        mine = self.cloud.s3('list_buckets', 'the buckets').get('Buckets') or []
        return any(bucket['Name'] == self.bucket for bucket in mine)

    def plan(self, found: Resource | None) -> Plan:
        plan = Plan(found)
        if self.params['state'] == 'present':
            self._plan_present(plan, found)
        else:
            self._plan_absent(plan, found)
        return plan

    def _plan_present(self, plan: Plan, found: Resource | None) -> None:
        content = self._content()
        md5 = hashlib.md5(content, usedforsecurity=False)
        self.sha256 = hashlib.sha256(content).hexdigest()
        if not self.has_bucket:
            plan.step(f'create bucket {self.bucket}', self._create_bucket)
        if found is None or found['md5'] != md5.hexdigest() or found['private'] is False:
            request = {'Body': content, 'ACL': 'private', 'ContentType': 'text/plain'}
            request['ContentMD5'] = base64.b64encode(md5.digest()).decode()
            plan.step(
                f'put object {self.path}',
                lambda: self._object('put_object', **request),
                bucket=self.bucket,
                object=self.object,
                state='present',
                md5=md5.hexdigest(),
                private=True,
            )

    def _plan_absent(self, plan: Plan, found: Resource | None) -> None:
        if found:
            plan.remove(f'delete object {self.path}', lambda: self._object('delete_object'))
        if self.has_bucket and self.params['delete_bucket'] and self._is_last():
            plan.remove(
                f'delete bucket {self.bucket}',
                lambda: self.cloud.s3('delete_bucket', f'bucket {self.bucket}', Bucket=self.bucket),
            )

    def returned(self, resource: Resource | None) -> Resource:
        """The URL is made here, after all is done, so that it is good for its whole time and never part of a diff."""
        result = {
            'bucket': self.bucket,
            'object': self.object,
            'state': self.params['state'],
            'url': None,
            'sha256': None,
            'md5': None,
            'private': None,
            'expires_at': None,
            **(resource or {}),
        }
        if resource:
            seconds = self.params['expires']
            url = self.cloud.presigned_get(self.bucket, self.object, seconds, self.params['guest_s3_url'])
            until = datetime.fromtimestamp(int(parse_qs(urlsplit(url).query)['Expires'][0]), timezone.utc)
            result.update(url=url, sha256=self.sha256, expires_at=until.isoformat())
        return result

    def _content(self) -> bytes:
        if self.params['src'] is None:
            return self.params['content'].encode('utf-8', 'surrogateescape')
        try:
            with open(self.params['src'], 'rb') as file:
                return file.read()
        except OSError as error:
            raise ModuleError(f'Cannot read the answer file {self.params["src"]}: {error.strerror}.') from error

    def _create_bucket(self) -> None:
        try:
            Bucket(self.cloud, self.bucket).ensure()
        except UploadError as error:
            raise ModuleError(str(error)) from error

    def _object(self, operation: str, **parameters: t.Any) -> Resource:
        return self.cloud.s3(operation, f'object {self.path}', Bucket=self.bucket, Key=self.object, **parameters)

    def _is_last(self) -> bool:
        listed = self.cloud.s3('list_objects', f'bucket {self.bucket}', Bucket=self.bucket, MaxKeys=2).get('Contents') or []
        return all(one['Key'] == self.object for one in listed)


def main() -> None:
    AnswerFile.main()


if __name__ == '__main__':
    main()
