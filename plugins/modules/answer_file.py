#!/usr/bin/python
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: eucalyptus.cloud contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: answer_file
short_description: Give an answer file to an installer through object storage
version_added: 0.1.0
description:
  - Stores a kickstart, preseed, autoinstall or similar file as a private object in the object storage of the cloud, and
    returns a short-lived URL with which an installer can fetch it without credentials.
  - An object with the same content that others can read is stored again as a private one.
  - Anyone who has the URL can read the file until the URL expires. Put no passwords into it except as hashes.
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  state:
    description: Whether the object should exist.
    type: str
    choices: [present, absent]
    default: present
  bucket:
    description:
      - Bucket of the object. It is created if it does not exist. The default is C(answer-files-) and the account number.
      - A bucket of another account is an error. Bucket names are unique in the whole cloud, so choose one that nobody
        else uses.
    type: str
  object:
    description: Key of the object, for example V(fedora.ks).
    type: str
    required: true
  content:
    description:
      - The answer file. With O(state=present) one of O(content), O(template) and O(src) is required.
      - A dictionary or list is stored as JSON. ansible-core up to 2.18 turns templated JSON text into data, so it is
        stored as JSON again, possibly with other spacing.
    type: raw
  src:
    description: Path of the answer file on the machine that runs the module. It is stored unchanged.
    type: path
  template:
    description:
      - Path of a Jinja template on the controller, found as by M(ansible.builtin.template). Its text is stored exactly as
        rendered, JSON included.
      - An error message contains the file, the line and the variable, but no content.
    type: str
  expires:
    description: Number of seconds for which the URL is valid, from 1 to 604800 (7 days, the limit of S3 for such URLs).
    type: int
    default: 7200
  guest_s3_url:
    description:
      - Endpoint of the object storage as instances reach it. The default is O(s3_url).
      - Signatures do not cover the host, so every name or address of the service works.
    type: str
  delete_bucket:
    description: With O(state=absent), whether to delete the bucket as well if it contains nothing else.
    type: bool
    default: false
extends_documentation_fragment:
  - eucalyptus.cloud.connection
  - eucalyptus.cloud.attributes
  - eucalyptus.cloud.attributes.actiongroup
notes:
  - Each run returns a new URL, even if the object did not change. C(changed) refers to the object.
  - Set C(no_log) on the task if its output must not contain the URL.
seealso:
  - module: eucalyptus.cloud.instance
"""

EXAMPLES = r"""
- name: Put the kickstart where the installer can fetch it
  eucalyptus.cloud.answer_file:
    eucarc: ~/.euca/eucarc
    object: fedora.ks
    template: fedora.ks.j2
  register: answer
  no_log: true

- name: Remove it after the installation
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
      description: Bucket of the object.
      type: str
    object:
      description: Key of the object.
      type: str
    state:
      description: V(present) or V(absent).
      type: str
    url:
      description: URL for fetching it without credentials; null when the object is absent.
      type: str
    sha256:
      description: SHA-256 of the content; null when the object is absent.
      type: str
    md5:
      description: MD5 of the content, which object storage uses for comparison; null when the object is absent.
      type: str
    private:
      description: Whether only its owner can read the object; null when the cloud does not report it or the object is absent.
      type: bool
    expires_at:
      description: Time at which the URL expires, ISO 8601; null when the object is absent.
      type: str
actions:
  description: The steps that were taken, or in check mode would be taken.
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

from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.checks import MOST_EXPIRES
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.module import CloudModule, ModuleError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import Resource
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.upload import Bucket, UploadError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan


class AnswerFile(CloudModule):
    key = 'answer_file'
    texts = revealing = ('content',)
    options = {
        'state': {'type': 'str', 'choices': ['present', 'absent'], 'default': 'present'},
        'bucket': {'type': 'str'},
        'object': {'type': 'str', 'required': True},
        'content': {'type': 'raw', 'no_log': True},
        'src': {'type': 'path'},
        'template': {'type': 'str'},
        'expires': {'type': 'int', 'default': 7200},
        'guest_s3_url': {'type': 'str'},
        'delete_bucket': {'type': 'bool', 'default': False},
    }
    rules = {
        'mutually_exclusive': [('content', 'src', 'template')],
        'required_if': [('state', 'present', ('content', 'src', 'template'), True)],
    }

    def find(self) -> Resource | None:
        """The object as the cloud reports it, with its MD5; None when it does not exist."""
        if self.params['expires'] > MOST_EXPIRES:
            raise ModuleError(f'expires must be at most {MOST_EXPIRES} seconds (7 days), not {self.params["expires"]}.')
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
        """Whether only the owner has a grant; None when the cloud does not report the grants."""
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
        raise ModuleError(f'Bucket {self.bucket} belongs to another account, which could read its objects. Choose another name.')

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
        """The URL is made after all steps, so that it is valid for the full time and never part of a diff."""
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
        if self.params['template']:
            raise ModuleError('template works only in a task: the action plugin renders it on the controller.')
        if self.params['src'] is None:
            content: str = self.params['content']
            return content.encode('utf-8', 'surrogateescape')
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
