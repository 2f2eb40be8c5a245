#!/usr/bin/python
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: eucalyptus.cloud contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: image
short_description: Bundle, upload and register an image
version_added: 0.1.0
description:
  - Makes a kernel, ramdisk or machine image from a file, which it bundles, encrypts and uploads, or a machine image from
    a snapshot. Shares, tags and deregisters images.
  - Images are compared by content. If the image with this name was made from the same bytes in the same way, nothing
    happens, on every version of Eucalyptus; if the bytes differ, O(state) decides.
  - After an interrupted upload, the next run sends only the missing parts.
author: The eucalyptus.cloud contributors (@eucalyptus)
options:
  state:
    description:
      - With V(present) the image should exist. If the existing one differs, the task fails with the reasons.
      - With V(replaced) an existing image that differs is replaced. The new one is uploaded first; if the cloud then
        refuses it, the old one is registered again. Its launch permissions and tags are not copied to the new one.
      - With V(absent) the image is deregistered.
    type: str
    choices: [present, absent, replaced]
    default: present
  name:
    description:
      - Name of the image, which identifies it among the account's images. Required without O(image_id).
      - Three to 128 letters, digits and C(( ) . / _ -), without a dot on Eucalyptus 3.4.
    type: str
  image_id: {type: str, description: "ID of an existing image, to deregister it or change its permissions, description and tags."}
  type:
    description: Type of the image. Only the cloud's administrator (account C(eucalyptus)) can register kernels and ramdisks.
    type: str
    choices: [kernel, ramdisk, machine]
    default: machine
  src:
    description:
      - The image, a file on the machine that the module runs on or an C(http) or C(https) URL.
      - A machine image is a raw disk or qcow2 (that needs C(qemu-img)), and may be compressed with gzip or xz; the first
        bytes decide. It is unpacked in E(TMPDIR) (default C(/var/tmp)). Other formats are refused with a way to convert
        them. A file with neither partition table, boot sector nor file system causes a warning.
      - Kernels and ramdisks are uploaded unchanged.
      - A URL is downloaded at every run, because images are compared by content. To avoid that, keep a copy with
        M(ansible.builtin.get_url). The system's authorities and those in O(ca_path) are trusted; O(validate_certs)
        applies.
    type: str
  checksum:
    description: Checksum of O(src) as given, for example V(sha256:9f86d0…). Required for a URL.
    type: str
  snapshot_id: {type: str, description: "Completed snapshot of a system's root volume, to register as a machine image."}
  bucket:
    description:
      - Bucket for the bundle. It is created if missing, and refused if it belongs to another account.
      - The default is C(images-) and the account's number.
    type: str
  architecture: {type: str, choices: [i386, x86_64], default: x86_64, description: Architecture of the image.}
  kernel_id: {type: str, description: Kernel of a paravirtual machine image from O(src).}
  ramdisk_id: {type: str, description: Ramdisk of a paravirtual machine image from O(src).}
  virtualization_type:
    description:
      - Virtualization type of a machine image from O(src). V(paravirtual), the cloud's default, needs O(kernel_id) and
        O(ramdisk_id); V(hvm) uses the image's own boot loader. Eucalyptus 3.1 lacks this option.
      - A machine image from a snapshot is always V(hvm).
    type: str
    choices: [paravirtual, hvm]
  root_device_name: {type: str, description: "Root device, such as V(/dev/sda1). Default with O(snapshot_id): V(/dev/sda)."}
  block_devices:
    description: Further block devices in the manifest of a machine image from O(src), for example C({ephemeral0, sdb}) or
      C({swap, sda3}). C(ami) and C(root) follow from O(root_device_name). V(sdb) and V(/dev/sdb) are the same device.
    type: dict
  description: {type: str, description: "Description of the image, up to 255 characters."}
  launch_permissions:
    description: Launch permissions in addition to the owner's. Omitted keys are left unchanged.
    type: dict
    suboptions:
      public: {type: bool, description: Whether everybody may launch the image.}
      accounts: {type: list, elements: str, description: Complete list of the account numbers that may launch it.}
  delete_bundle:
    description:
      - Whether V(absent) and V(replaced) also delete the bundle of the image that they deregister.
      - This includes bundles that interrupted runs left in the bucket for this O(name), unless an image of the account is
        registered from them. Do not use it while another task uploads an image of that name.
    type: bool
    default: false
  delete_snapshot:
    description: Whether V(absent) and V(replaced) also delete the snapshot of the image that they deregister. If another
      image is registered from it, it is kept with a warning.
    type: bool
    default: false
  cloud_cert:
    description: Certificate of the cloud, for which bundles are encrypted. If unset, taken from E(EUCALYPTUS_CERT) in
      O(eucarc) or the environment, or C(certificate) of the region; otherwise requested from the cloud
      (DescribeServiceCertificates, Eucalyptus 4.2 and newer).
    type: path
  user_cert:
    description: Certificate of the user, who can then open the bundle. If unset, taken from E(EC2_CERT) in
      O(eucarc) or the environment, or C(certificate) of the region's user.
    type: path
  user_private_key:
    description: The user's private key, which signs the bundle. Eucalyptus up to 4.1 refuses an unsigned one. If unset, taken
      from E(EC2_PRIVATE_KEY) in O(eucarc) or the environment, or C(private-key) of the region's user.
    type: path
  connections: {type: int, default: 4, description: "Number of parts uploaded at once, 1 to 32. Each needs the memory of a part."}
  part_size: {type: int, default: 10, description: "MiB of a part, 1 to 11, the buffer of a node controller of Eucalyptus 4."}
  progress_file: {type: path, description: File for progress lines. Set by the action plugin.}
  wait_timeout: {default: 600}
extends_documentation_fragment:
  - eucalyptus.cloud.connection
  - eucalyptus.cloud.wait
  - eucalyptus.cloud.tags
  - eucalyptus.cloud.attributes
  - eucalyptus.cloud.attributes.actiongroup
requirements: [cryptography, lxml, "isal, to compress several times faster", "qemu-img, for qcow2 images"]
seealso: [{module: eucalyptus.cloud.image_info}]
"""

EXAMPLES = r"""
- name: Register an installer's kernel, for everybody
  eucalyptus.cloud.image:
    eucarc: ~/.euca/eucarc
    name: debian-12-kernel
    type: kernel
    src: /srv/installer/vmlinuz
    launch_permissions: {public: true}

- name: Register a published cloud image, and replace it with the next release
  eucalyptus.cloud.image:
    eucarc: ~/.euca/eucarc
    name: debian-12
    src: https://images.example.com/debian-12.qcow2
    checksum: sha256:1f2e3d4c5b6a79880123456789abcdef0123456789abcdef0123456789abcdef
    virtualization_type: hvm
    state: replaced
    delete_bundle: true

- name: Register an installed system
  eucalyptus.cloud.image:
    eucarc: ~/.euca/eucarc
    name: fedora-40
    snapshot_id: snap-1a2b3c4d
    tags: {installed-by: anaconda}

- name: Deregister it and delete its snapshot
  eucalyptus.cloud.image:
    eucarc: ~/.euca/eucarc
    name: fedora-40
    state: absent
    delete_snapshot: true
"""

RETURN = r"""
image:
  description: The image. After deregistration its last known values, with state V(deregistered); null if there was none.
  returned: always
  type: dict
  contains:
    image_id: {type: str, sample: emi-1a2b3c4d, description: Its ID; null in check mode if it would be registered.}
    name: {type: str, description: Its name.}
    type: {type: str, description: "V(kernel), V(ramdisk) or V(machine)."}
    state: {type: str, sample: available, description: V(available) if it can be launched.}
    description: {type: str, description: Its description.}
    location: {type: str, description: Bucket and key of its manifest; null for an image from a snapshot.}
    snapshot_id: {type: str, description: Snapshot of its root volume; null for an image from a bundle.}
    architecture: {type: str, description: Its architecture.}
    kernel_id: {type: str, description: Its kernel.}
    ramdisk_id: {type: str, description: Its ramdisk.}
    virtualization_type: {type: str, description: V(paravirtual) or V(hvm).}
    root_device_type: {type: str, description: V(instance-store) or V(ebs).}
    root_device_name: {type: str, description: Device of its root.}
    owner: {type: str, description: Account number of its owner.}
    launch_permissions: {type: dict, description: "C(public) and C(accounts); accounts are null for another account's image."}
    tags: {type: dict, description: All its tags.}
upload:
  description: Figures of the upload.
  returned: if something was bundled
  type: dict
  contains:
    parts_sent: {type: int, description: Number of parts sent.}
    parts_present: {type: int, description: "Number of parts that an earlier, interrupted run had sent."}
    retries: {type: int, description: Number of requests that were repeated.}
    compressor: {type: str, description: "V(isal), or V(zlib), which is several times slower."}
    seconds: {type: float, description: Duration of bundling and uploading.}
actions:
  description: Descriptions of the steps that were done, or in check mode would be done.
  returned: always
  type: list
  elements: str
  sample: [bundle and upload /srv/vmlinuz, register kernel image debian-12-kernel]
"""

import contextlib
import functools
import typing as t

from ansible.module_utils.urls import open_url
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.module import TAGS, CloudModule, ModuleError, wait_options
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import Resource
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.secrets import shown
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.tags import plan_tags
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.manifest import IMPORT_ERRORS
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.publication import Publication
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.registration import IMAGE, plan_permissions, with_permissions
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.wanted import Wanted
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan


class Image(CloudModule):
    key = 'image'
    options = {
        'state': {'type': 'str', 'choices': ['present', 'absent', 'replaced'], 'default': 'present'},
        'name': {'type': 'str'},
        'image_id': {'type': 'str'},
        'type': {'type': 'str', 'choices': ['kernel', 'ramdisk', 'machine'], 'default': 'machine'},
        'src': {'type': 'str', 'no_log': True},
        'checksum': {'type': 'str'},
        'snapshot_id': {'type': 'str'},
        'bucket': {'type': 'str'},
        'architecture': {'type': 'str', 'choices': ['i386', 'x86_64'], 'default': 'x86_64'},
        'kernel_id': {'type': 'str'},
        'ramdisk_id': {'type': 'str'},
        'virtualization_type': {'type': 'str', 'choices': ['paravirtual', 'hvm']},
        'root_device_name': {'type': 'str'},
        'block_devices': {'type': 'dict'},
        'description': {'type': 'str'},
        'launch_permissions': {
            'type': 'dict',
            'options': {'public': {'type': 'bool'}, 'accounts': {'type': 'list', 'elements': 'str'}},
        },
        'delete_bundle': {'type': 'bool', 'default': False},
        'delete_snapshot': {'type': 'bool', 'default': False},
        'cloud_cert': {'type': 'path'},
        'user_cert': {'type': 'path'},
        'user_private_key': {'type': 'path', 'no_log': False},
        'connections': {'type': 'int', 'default': 4},
        'part_size': {'type': 'int', 'default': 10},
        'progress_file': {'type': 'path'},
        **TAGS,
        **wait_options(600),
    }
    identifying = ('image_id', 'name')
    rules = {
        'required_one_of': [identifying],
        'mutually_exclusive': [
            ('src', 'snapshot_id'),
            ('src', 'image_id'),
            ('snapshot_id', 'image_id'),
            ('snapshot_id', 'block_devices'),
        ],
        'required_by': {'checksum': 'src', 'src': 'name', 'snapshot_id': 'name'},
    }
    libraries = IMPORT_ERRORS
    revealing = ('src',)

    def run(self) -> None:
        self.wanted = Wanted.of(self.params)
        with contextlib.ExitStack() as self.stack:
            super().run()

    def find(self) -> Resource | None:
        self.publication = Publication(self.cloud, self.wanted, self.stack)
        return self.publication.find(self.params['image_id'])

    def plan(self, found: Resource | None) -> Plan:
        plan, image, params = Plan(found), self.publication, self.params
        if params['state'] == 'absent':
            self._plan_absent(plan, found)
            return plan
        self.wanted.check(params['launch_permissions'])
        if not found and not self.wanted.has_source:
            which = params['image_id'] or f'named {params["name"]}'
            raise ModuleError(f'There is no image {which}. To register one, set name, and src or snapshot_id.')
        former = None
        if self.wanted.has_source:
            # The server of an image is not the cloud: verify-ssl of the region does not apply to it.
            opener = functools.partial(open_url, validate_certs=params['validate_certs'] is not False, timeout=60, decompress=False)
            image.prepare(opener, params['ca_path'], self.module.warn)
            former = found if found and not image.is_made_from_it(found) else None
        if former or not found:
            self._plan_register(plan, former)
        elif params['description'] and params['description'] != found['description']:
            plan.step('set the description', image.describe, description=params['description'])
        if self.wanted.has_source and params['state'] == 'replaced':
            self._plan_cleanup(plan.step, former, keep=image.source)
        plan_permissions(plan, self.cloud, lambda: image.image_id, params['launch_permissions'])
        plan_tags(plan, self.cloud, lambda: image.image_id, {**params, 'name': None})
        plan.result_from(self._settled)
        return plan

    def _settled(self) -> Resource | None:
        found = self.wait(
            self.publication.look,
            lambda image: image is not None and image['state'] == 'available',
            f'image {self.publication.image_id} to become available',
            lambda image: image['state'] in ('failed', 'error', *IMAGE.gone),
        )
        return with_permissions(self.cloud, found)

    def _plan_register(self, plan: Plan, former: Resource | None) -> None:
        image, params = self.publication, self.params
        if former and params['state'] != 'replaced':
            raise ModuleError(
                f'The image {params["name"]} ({former["image_id"]}) differs from the requested image: {image.differences(former)}. '
                'Use another name, or state: replaced to replace it.'
            )
        image.seal(self.cloud.credentials.verify(params['validate_certs'], params['ca_path']))
        if self.wanted.src:
            plan.step(f'bundle and upload {shown(self.wanted.src)}', self._upload)
        if former:
            plan.step(f'deregister image {former["image_id"]}', lambda: image.deregister_to_replace(former))
        # The cloud's settings decide whether a new image is public, so private is always requested.
        public = (params['launch_permissions'] or {}).get('public') is False
        predicted = image.prediction({'public': public, 'accounts': []})
        plan.step(f'register {params["type"]} image {params["name"]}', lambda: image.register(former), **predicted)

    def _upload(self) -> None:
        self.extra_result['upload'] = self.publication.upload(self.params['progress_file'])

    def _plan_absent(self, plan: Plan, found: Resource | None) -> None:
        gone = found and {**found, 'state': 'deregistered'}
        if found:
            plan.remove(f'deregister image {found["image_id"]}', lambda: self.publication.deregister(found), after=gone)
        self._plan_cleanup(lambda action, call: plan.remove(action, call, after=gone), found)

    def _plan_cleanup(
        self, step: t.Callable[[str, t.Callable[[], t.Any]], None], former: Resource | None, keep: str | None = None
    ) -> None:
        """Add the steps that delete what the deregistered image was made of, if requested."""
        image = self.publication
        if self.params['delete_bundle']:
            for location in image.unused_bundles(former, keep):
                step(f'delete bundle {location}', functools.partial(image.delete_bundle, location, former))
        snapshot = former and former['snapshot_id']
        if former and self.params['delete_snapshot'] and snapshot and snapshot != keep:
            if users := image.snapshot_users(former):
                self.module.warn(f'The snapshot {snapshot} is kept, because {", ".join(users)} was also registered from it.')
            else:
                step(f'delete snapshot {snapshot}', lambda: image.delete_snapshot(snapshot))


def main() -> None:
    Image.main()


if __name__ == '__main__':
    main()
