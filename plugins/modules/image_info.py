#!/usr/bin/python
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: eucalyptus.cloud contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: image_info
short_description: List images
version_added: 0.1.0
description: Lists kernels, ramdisks and machine images.
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  image_ids:
    description: Return only the images with these IDs, whoever owns them. Unknown IDs are left out.
    type: list
    elements: str
  name:
    description: Return only images registered with this name.
    type: str
  owners:
    description: Return only images of these account numbers; V(self) is the account of the keys. An empty list returns
      those of all owners. Ignored with O(image_ids).
    type: list
    elements: str
    default: [self]
  manifest:
    description: Whether to read the manifests of bundled images, where permitted.
    type: bool
    default: false
extends_documentation_fragment:
  - eucalyptus.cloud.connection
  - eucalyptus.cloud.attributes.read
  - eucalyptus.cloud.attributes.actiongroup
requirements:
  - lxml, for O(manifest)
seealso:
  - module: eucalyptus.cloud.image
"""

EXAMPLES = r"""
- name: Read the account's images
  eucalyptus.cloud.image_info:
    eucarc: ~/.euca/eucarc
  register: mine

- name: Show which are machine images
  ansible.builtin.debug:
    msg: "{{ mine.images | selectattr('type', 'eq', 'machine') | map(attribute='name') }}"
"""

RETURN = r"""
images:
  description: The images, ordered by ID, each as M(eucalyptus.cloud.image) returns it.
  returned: always
  type: list
  elements: dict
  contains:
    manifest:
      description: The contents of the manifest. Null for an image from a snapshot and for a manifest that cannot be read.
      returned: when O(manifest) is set
      type: dict
      contains:
        size: {type: int, description: Bytes of the image.}
        bundled_size: {type: int, description: Bytes of all parts.}
        digest: {type: str, description: SHA1 of the tar archive inside the bundle.}
        parts: {type: int, description: Number of parts.}
        signed: {type: bool, description: "Whether it has a signature, valid or not."}
"""

import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.module import CloudModule
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import Resource, look
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.manifest import IMPORT_ERRORS, UNSIGNED
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.publication import read_manifest
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.registration import IMAGE, with_permissions


class ImageInfo(CloudModule):
    key = 'images'
    options = {
        'image_ids': {'type': 'list', 'elements': 'str'},
        'name': {'type': 'str'},
        'owners': {'type': 'list', 'elements': 'str', 'default': ['self']},
        'manifest': {'type': 'bool', 'default': False},
    }
    libraries = IMPORT_ERRORS

    def find(self) -> list[Resource]:
        found = [image for image in self._listed() if self.params['name'] in (None, image['name'])]
        found = [t.cast(Resource, with_permissions(self.cloud, image)) for image in found]
        if self.params['manifest']:
            found = [{**image, 'manifest': self._manifest(image['location'])} for image in found]
        return sorted(found, key=lambda image: image['image_id'])

    def _listed(self) -> list[Resource]:
        if self.params['image_ids'] is not None:
            looked = (look(self.cloud, IMAGE, image_id) for image_id in self.params['image_ids'])
            return [image for image in looked if image]
        owners = {'Owners': self.params['owners']} if self.params['owners'] else {}
        everything = IMAGE.read(self.cloud.ec2('describe_images', 'the images', **owners))
        return [image for image in everything if image['state'] not in IMAGE.gone]

    def _manifest(self, location: str | None) -> dict[str, t.Any] | None:
        if not location:
            return None
        try:
            manifest = read_manifest(self.cloud, location)
        except CollectionError as error:
            self.module.warn(f'The manifest {location} cannot be read: {error}')
            return None
        return (
            None
            if manifest is None
            else {
                'size': manifest.size,
                'bundled_size': manifest.bundled_size,
                'digest': manifest.digest,
                'parts': len(manifest.parts),
                'signed': manifest.signature != UNSIGNED,
            }
        )


def main() -> None:
    ImageInfo.main()


if __name__ == '__main__':
    main()
