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
  - Makes a kernel, ramdisk or machine image out of a file, which it bundles, encrypts and uploads, or a machine image
    out of a snapshot. Shares images, tags them and takes them back.
  - Goes by content. When the image with this name was made from the same bytes in the same way nothing happens, on
    every version of Eucalyptus; when the bytes are others, O(state) decides.
  - An upload that was interrupted is continued by the next run, which sends only the parts that are missing.
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  state:
    description:
      - With V(present) the image is to be there. When one with this name is there and was made from something else the
        task fails.
      - With V(replaced) such an image gives way. The new one is uploaded first; if the cloud then refuses it, the
        former is registered again. Who may launch the former and its tags are not taken over.
      - With V(absent) it is deregistered.
    type: str
    choices: [present, absent, replaced]
    default: present
  name:
    description:
      - The name to register the image with, by which it is found again among the account's images.
      - Three to 128 letters, digits and C(( ) . / _ -), no dot on Eucalyptus 3.4. One of O(name) and O(image_id) is
        required.
    type: str
  image_id:
    description: Id of an existing image, to change who may launch it, its description and tags, or to deregister it.
    type: str
  type:
    description:
      - What the image is. Kernels and ramdisks are registered by the cloud's administrator (account C(eucalyptus)).
    type: str
    choices: [kernel, ramdisk, machine]
    default: machine
  src:
    description:
      - The image, a file on the machine that the module runs on or an C(http) or C(https) URL.
      - A machine image may be compressed with gzip or xz, or be a qcow2 image (that needs C(qemu-img)), or both; it is
        recognised by its first bytes and unpacked in E(TMPDIR) (otherwise C(/var/tmp)). Kernels and ramdisks are taken
        as they are.
      - A URL is fetched at every run, since the content decides; keep a copy with M(ansible.builtin.get_url) if that
        takes too long. The certificate of an C(https) server may be of the system's authorities or of those in
        O(ca_path); O(validate_certs) applies.
    type: str
  checksum:
    description: Checksum of O(src) as it is given, C(ALGORITHM:HEX), for example V(sha256:9f86d0…). Required with a URL.
    type: str
  snapshot_id:
    description: A completed snapshot of a system's root volume, to register as a machine image.
    type: str
  bucket:
    description:
      - Bucket for the bundle. It is created when it is missing, and refused when it is someone else's.
      - The default is C(images-) and the account's number.
    type: str
  architecture:
    description: The image's architecture.
    type: str
    choices: [i386, x86_64]
    default: x86_64
  kernel_id:
    description: Kernel that a paravirtual machine image from O(src) is started with.
    type: str
  ramdisk_id:
    description: Ramdisk that a paravirtual machine image from O(src) is started with.
    type: str
  virtualization_type:
    description:
      - How a machine image from a file is started. V(paravirtual), the cloud's default, needs O(kernel_id) and
        O(ramdisk_id); V(hvm) boots from the image's own boot loader. Eucalyptus 3.1 does not know this option.
      - A machine image from a snapshot is always V(hvm).
    type: str
    choices: [paravirtual, hvm]
  root_device_name:
    description:
      - Device of the image's root, for example V(/dev/sda1). With O(snapshot_id) the default is V(/dev/sda).
    type: str
  block_devices:
    description:
      - Further block devices that a machine image from O(src) asks for in its manifest, C(ephemeral0) or C(swap) for
        example, each with the guest's name for it. C(ami) and C(root) follow from O(root_device_name).
    type: dict
  description:
    description: What the image is, up to 255 characters.
    type: str
  launch_permissions:
    description: Who may launch the image besides its owner. What is not said is left as it is.
    type: dict
    suboptions:
      public:
        description: Whether everybody may.
        type: bool
      accounts:
        description: The account numbers that may, exactly these.
        type: list
        elements: str
  delete_bundle:
    description:
      - Whether to delete the bundle of an image that is deregistered too, by V(absent) or V(replaced).
      - Bundles that interrupted runs have made for this O(name) in the bucket and that no image of the account is
        registered from are deleted with it, so do not use it while another task uploads an image of that name.
    type: bool
    default: false
  delete_snapshot:
    description:
      - Whether to delete the snapshot of an image that is deregistered too, by V(absent) or V(replaced).
      - One that another image is registered from stays, with a warning.
    type: bool
    default: false
  cloud_cert:
    description:
      - The cloud's certificate, which bundles are encrypted to.
      - Otherwise E(EUCALYPTUS_CERT) of O(eucarc) or the environment, or C(certificate) of the region; otherwise the
        cloud is asked for it (DescribeServiceCertificates, Eucalyptus 4.2 and newer).
    type: path
  user_cert:
    description:
      - The user's certificate. With it the user can open the bundle again, too.
      - Otherwise E(EC2_CERT) of O(eucarc) or the environment, or C(certificate) of the region's user.
    type: path
  user_private_key:
    description:
      - The user's private key, which signs the bundle. Up to Eucalyptus 4.1 an unsigned one is refused.
      - Otherwise E(EC2_PRIVATE_KEY) of O(eucarc) or the environment, or C(private-key) of the region's user.
    type: path
  connections:
    description: Number of parts that are uploaded at the same time, from 1 to 32. Each takes a part's size of memory.
    type: int
    default: 4
  part_size:
    description: Size of the bundle's parts in MiB, from 1 to 11. Node controllers of Eucalyptus 4 keep up to 11 MiB.
    type: int
    default: 10
  progress_file:
    description: Set by the task itself, which follows this file to show how far bundling and uploading are.
    type: path
  wait_timeout:
    default: 600
extends_documentation_fragment:
  - eucalyptus.cloud.connection
  - eucalyptus.cloud.wait
  - eucalyptus.cloud.tags
  - eucalyptus.cloud.attributes
  - eucalyptus.cloud.attributes.actiongroup
requirements:
  - cryptography
  - lxml
  - isal, to compress several times faster
  - qemu-img, for qcow2 images
seealso:
  - module: eucalyptus.cloud.image_info
"""

EXAMPLES = r"""
- name: Register an installer's kernel, for everybody
  eucalyptus.cloud.image:
    eucarc: ~/.euca/eucarc
    name: debian-12-kernel
    type: kernel
    src: /srv/installer/vmlinuz
    launch_permissions:
      public: true
  register: kernel

- name: Register a published cloud image, and let the next release take its place
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
    tags:
      installed-by: anaconda

- name: Take it back, with its snapshot
  eucalyptus.cloud.image:
    eucarc: ~/.euca/eucarc
    name: fedora-40
    state: absent
    delete_snapshot: true
"""

RETURN = r"""
image:
  description: The image. After it was deregistered what was last known of it, with state V(deregistered); null when
    there was none.
  returned: always
  type: dict
  contains:
    image_id:
      description: Its id; null in check mode, if it would be registered.
      type: str
      sample: emi-1a2b3c4d
    name:
      description: The name that it was registered with.
      type: str
    type:
      description: One of V(kernel), V(ramdisk), V(machine).
      type: str
    state:
      description: V(available) when it can be launched.
      type: str
      sample: available
    description:
      description: Its description.
      type: str
    location:
      description: Bucket and key of its manifest; null for an image from a snapshot.
      type: str
      sample: images-123456789012/debian-12-kernel-0f1e2d3c4b5a69788796a5b4.1a2b3c4d.manifest.xml
    snapshot_id:
      description: Snapshot of its root volume; null for an image from a bundle.
      type: str
    architecture:
      description: Its architecture.
      type: str
    kernel_id:
      description: Kernel that it is started with.
      type: str
    ramdisk_id:
      description: Ramdisk that it is started with.
      type: str
    virtualization_type:
      description: V(paravirtual) or V(hvm).
      type: str
    root_device_type:
      description: V(instance-store) or V(ebs).
      type: str
    root_device_name:
      description: Device of its root.
      type: str
    owner:
      description: Account number of its owner.
      type: str
    launch_permissions:
      description: Who may launch it, C(public) and C(accounts); the accounts are null for an image of another account.
      type: dict
    tags:
      description: All its tags.
      type: dict
upload:
  description: How the upload went.
  returned: when something was bundled
  type: dict
  contains:
    parts_sent:
      description: Number of parts that were sent.
      type: int
    parts_present:
      description: Number of parts that an earlier, interrupted run had sent.
      type: int
    retries:
      description: How often something had to be sent again.
      type: int
    seconds:
      description: How long bundling and uploading took.
      type: float
actions:
  description: What was done, or in check mode would be done, in words.
  returned: always
  type: list
  elements: str
  sample: [bundle and upload /srv/vmlinuz, register kernel image debian-12-kernel]
"""

import contextlib
import functools
import re
import time
import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.module import (
    TAGS,
    CloudModule,
    ModuleError,
    interrupts_held,
    wait_options,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import Resource, find_one, look
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.secrets import shown
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.tags import plan_tags
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image import registration
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.bundle import PART_SIZE, PART_SIZE_MAX, BundleError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.certificates import CertificateError, find_certificates
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.manifest import IMPORT_ERRORS, ManifestError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.registration import IMAGE
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.sealing import ImageBundle, Spec, stem_prefix
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.source import (
    SourceError,
    raw_image,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.upload import CONNECTIONS, Bucket, UploadError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan
from ansible_collections.eucalyptus.cloud.plugins.module_utils.progress import report

NAME = re.compile(r'[A-Za-z0-9()./_-]{3,128}')
DESCRIPTION = 255  # characters


@contextlib.contextmanager
def worded() -> t.Iterator[None]:
    """The errors of those who know nothing of Ansible, as the base reports them."""
    try:
        yield
    except (BundleError, CertificateError, ManifestError, SourceError, UploadError, registration.Unknown) as error:
        text = str(error)
        # A sentence; but a URL, a path or an object's key that begins it stays as it is.
        text = re.sub(r'^[a-z]+(?= )', lambda word: word[0].capitalize(), text)
        raise ModuleError(text + ('' if text.endswith('.') else '.')) from error


class Image(CloudModule):
    key = 'image'
    options = {
        'state': {'type': 'str', 'choices': ['present', 'absent', 'replaced'], 'default': 'present'},
        'name': {'type': 'str'},
        'image_id': {'type': 'str'},
        'type': {'type': 'str', 'choices': ['kernel', 'ramdisk', 'machine'], 'default': 'machine'},
        'src': {'type': 'str'},
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
        'connections': {'type': 'int', 'default': CONNECTIONS},
        'part_size': {'type': 'int', 'default': PART_SIZE >> 20},
        'progress_file': {'type': 'path'},
        **TAGS,
        **wait_options(600),
    }
    rules = {
        'required_one_of': [('image_id', 'name')],
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
        with contextlib.ExitStack() as self.open:
            self.held = self.open.enter_context(contextlib.ExitStack())
            super().run()

    def find(self) -> Resource | None:
        found = find_one(self.cloud, IMAGE, self.params['image_id'], self.params['name'])
        if found and found['state'] in IMAGE.gone:
            found = None
        self.id: str | None = found and found['image_id']
        return registration.with_permissions(self.cloud, found)

    def plan(self, found: Resource | None) -> Plan:
        plan = Plan(found)
        if self.params['state'] == 'absent':
            self._plan_absent(plan, found)
            return plan
        self._check_told()
        with worded():
            request = self._request()
        if request is None and found is None:
            wanted = self.params['image_id'] or f'named {self.params["name"]}'
            raise ModuleError(f'There is no image {wanted}. To register one, give a name and src or snapshot_id.')
        former = found if request and found and not registration.is_of(found, request) else None
        if request and (former or not found):
            self._plan_register(plan, former, request)
        elif self.params['description'] and self.params['description'] != found['description']:
            plan.step('set the description', self._describe, description=self.params['description'])
        if request and self.params['state'] == 'replaced':
            self._plan_cleanup(plan.step, former, keep=request.get('ImageLocation') or self.params['snapshot_id'])
        registration.plan_permissions(plan, self.cloud, self._id, self.params['launch_permissions'])
        plan_tags(plan, self.cloud, self._id, {**self.params, 'name': None})
        plan.result_from(self._settled)
        return plan

    def _id(self) -> str:
        return t.cast(str, self.id)

    def _settled(self) -> Resource | None:
        image = self.wait(
            lambda: look(self.cloud, IMAGE, self._id()),
            lambda image: bool(image) and image['state'] == 'available',
            f'image {self.id} to become available',
            lambda image: image['state'] in ('failed', 'error', *IMAGE.gone),
        )
        return registration.with_permissions(self.cloud, image)

    # --- what to register

    def _check_told(self) -> None:
        """Refuse what the cloud would refuse too, but only when everything is uploaded, or the image is registered."""
        params = self.params
        if len(params['description'] or '') > DESCRIPTION:
            raise ModuleError(f'The description has {len(params["description"])} characters; {DESCRIPTION} are allowed.')
        for account in (params['launch_permissions'] or {}).get('accounts') or []:
            if not re.fullmatch('[0-9]{12}', account.replace('-', '')):
                raise ModuleError(
                    f"launch_permissions: {account!r} is not an account's number, 12 digits (in quotes, "
                    'otherwise YAML drops the zeros it begins with).'
                )
        for option in ('kernel', 'ramdisk'):
            given = params[f'{option}_id']
            known = registration.ID_PREFIX[option] + '[0-9A-Fa-f]+' + ('|windows' if option == 'kernel' else '')  # makes it hvm
            if given and not re.fullmatch(known, given):
                raise ModuleError(
                    f'{option}_id: {given!r} is not the id of a {option} image ({registration.ID_PREFIX[option]}1a2b3c4d).'
                )

    def _request(self) -> dict[str, t.Any] | None:
        """The request that registers the image as wanted; None when the options name nothing to make it of."""
        params = self.params
        if not params['src'] and not params['snapshot_id']:
            return None
        if not NAME.fullmatch(params['name']):
            raise ModuleError(f'An image cannot be named {params["name"]!r}: 3 to 128 letters, digits and ( ) . / _ - are allowed.')
        foreign = [option for option in ('kernel_id', 'ramdisk_id', 'snapshot_id', 'block_devices') if params[option]]
        if params['type'] != 'machine' and foreign:
            raise ModuleError(f'A {params["type"]} image has no {" and no ".join(foreign)}.')
        unheard = [option for option in ('kernel_id', 'ramdisk_id') if params[option]]
        unheard += ['virtualization_type: paravirtual'] if params['virtualization_type'] == 'paravirtual' else []
        if params['snapshot_id'] and unheard:
            raise ModuleError(
                f'An image from a snapshot has no {" and no ".join(unheard)}: the cloud boots it from its own boot loader.'
            )
        for option, most in (('connections', 32), ('part_size', PART_SIZE_MAX >> 20)):
            if not 1 <= params[option] <= most:
                raise ModuleError(f'{option} is a number from 1 to {most}, not {params[option]}.')
        if params['snapshot_id']:
            what = registration.snapshot_request(params['snapshot_id'], params['root_device_name'])
        else:
            what = self._bundle_request()
        request = {'Name': params['name'], 'Architecture': params['architecture'], 'Description': params['description'], **what}
        return {key: value for key, value in request.items() if value}

    def _bundle_request(self) -> dict[str, t.Any]:
        params = self.params
        account = self.cloud.credentials.account()
        self.image = self.open.enter_context(
            # The server of an image is not the cloud: verify-ssl of the region does not apply to it.
            raw_image(params['src'], params['type'], params['checksum'], params['validate_certs'] is not False, params['ca_path'])
        )
        machine = params['type'] == 'machine'
        virtualization = params['virtualization_type'] or 'paravirtual'
        self.bundle = ImageBundle(
            self._bucket(),
            self.image,
            Spec(
                params['name'],
                params['type'],
                params['architecture'],
                account,
                params['kernel_id'] or None,
                params['ramdisk_id'] or None,
                virtualization if machine else None,
                params['root_device_name'] or None,
                {str(key): str(value) for key, value in (params['block_devices'] or {}).items()} or None,
            ),
        )
        request = {'ImageLocation': self.bundle.location}
        if machine:
            request.update(
                KernelId=params['kernel_id'],
                RamdiskId=params['ramdisk_id'],
                VirtualizationType=params['virtualization_type'],
                RootDeviceName=params['root_device_name'],
            )
        return request

    # --- registering

    def _plan_register(self, plan: Plan, former: Resource | None, request: dict[str, t.Any]) -> None:
        params, name = self.params, self.params['name']
        # Whether everybody may launch a new image is the cloud's setting, so private is always asked for.
        maybe_public = (params['launch_permissions'] or {}).get('public') is False
        if former and params['state'] != 'replaced':
            made_of = former['location'] or former['snapshot_id']
            raise ModuleError(
                f'The image {name} ({self.id}) was made from something else ({made_of}). '
                'Use another name, or state: replaced to let the new one take its place.'
            )
        if params['src']:
            with worded():
                verify = self.cloud.credentials.verify(params['validate_certs'], params['ca_path'])
                certificates = find_certificates(self.cloud.credentials, verify)
                self.bundle.seal(self.cloud.credentials.secret_key, certificates, params['part_size'] << 20)
            request['ImageLocation'] = self.bundle.location
            plan.step(f'bundle and upload {shown(params["src"])}', self._upload)
        if former:
            plan.step(f'deregister image {self.id}', lambda: self._deregister_to_replace(former))
        plan.step(
            f'register {params["type"]} image {name}',
            lambda: self._register(request, former),
            image_id=None,
            name=name,
            type=params['type'],
            state='available',
            description=params['description'],
            location=request.get('ImageLocation'),
            snapshot_id=params['snapshot_id'],
            architecture=params['architecture'],
            kernel_id=params['kernel_id'] or None,
            ramdisk_id=params['ramdisk_id'] or None,
            virtualization_type='hvm' if params['snapshot_id'] else params['virtualization_type'],
            # The cloud makes the whole disk of a root that is named like its first partition.
            root_device_name=re.sub(r'^/dev/sda1$', '/dev/sda', request['RootDeviceName'])
            if params['snapshot_id']
            else params['root_device_name'],
            root_device_type='ebs' if params['snapshot_id'] else 'instance-store',
            owner=self.cloud.credentials.account_id,
            launch_permissions={'public': maybe_public, 'accounts': []},
            tags={},
        )

    def _bucket(self) -> Bucket:
        name = self.params['bucket'] or self.cloud.credentials.own_bucket('images')
        return Bucket(self.cloud, name, self.params['connections'])

    def _upload(self) -> None:
        what = f'{self.params["name"]}: bundling and uploading'
        reporting = report.Progress(report.Live(self.params['progress_file']), what, self.image.size)
        start = time.monotonic()
        with worded():
            sent = self.bundle.send(reporting.reached)
        self.extra_result['upload'] = {
            'parts_sent': sent.parts,
            'parts_present': sent.present,
            'retries': sent.retries,
            'seconds': round(time.monotonic() - start, 1),
        }

    def _deregister_to_replace(self, former: Resource) -> None:
        # Until the new one is registered, or the former again, there is no image: an interrupt counts only then.
        self.held.enter_context(interrupts_held())
        registration.deregister(self.cloud, former['image_id'])

    def _register(self, request: dict[str, t.Any], former: Resource | None) -> None:
        with worded():
            self.id = registration.register_instead(self.cloud, request, self.params['type'], former, self._take_back)
        self.held.close()  # after a failure only `run` does, so that what became of the former image is told

    def _take_back(self) -> None:
        if self.params['src'] and not self._is_registered(self.bundle.location):
            self.bundle.take_back()

    def _describe(self) -> None:
        self.cloud.ec2(
            'modify_image_attribute', f'image {self.id}', ImageId=self._id(), Description={'Value': self.params['description']}
        )

    # --- taking back

    def _plan_absent(self, plan: Plan, found: Resource | None) -> None:
        gone = found and {**found, 'state': 'deregistered'}
        if found:
            plan.remove(f'deregister image {self.id}', lambda: registration.deregister(self.cloud, found['image_id']), after=gone)
        self._plan_cleanup(lambda words, call: plan.remove(words, call, after=gone), found)

    def _plan_cleanup(
        self, step: t.Callable[[str, t.Callable[[], t.Any]], None], image: Resource | None, keep: str | None = None
    ) -> None:
        """The steps that delete what the deregistered image was made of, as far as that is asked for."""
        if self.params['delete_bundle']:
            with worded():
                locations = self._unused_bundles(image, keep)
            for location in locations:
                step(f'delete bundle {location}', functools.partial(self._delete_bundle, location, image))
        snapshot = image and image['snapshot_id']
        if self.params['delete_snapshot'] and snapshot and snapshot != keep:
            users = [one['image_id'] for one in self._others(image) if one['snapshot_id'] == snapshot]
            if users:
                self.module.warn(f'The snapshot {snapshot} stays: {", ".join(users)} was registered from it, too.')
            else:
                step(f'delete snapshot {snapshot}', lambda: self._delete_snapshot(snapshot))

    def _delete_snapshot(self, snapshot: str) -> None:
        try:
            self.gone('delete_snapshot', f'snapshot {snapshot}', SnapshotId=snapshot)
        except CloudError as error:
            # The next run does not find the image any more, and with it the snapshot.
            text = (
                f'{error} The image is deregistered already, so another run does not delete the snapshot {snapshot}: '
                'delete it with the module snapshot (state: absent).'
            )
            raise CloudError(text, error.request, error.code, error.text, error.status, error.lost) from error

    def _unused_bundles(self, image: Resource | None, keep: str | None) -> list[str]:
        """Where the deregistered image's bundle lies, and those that interrupted runs for the same name have left."""
        used = {keep, *(one['location'] for one in self._others(image))}
        found = [image['location']] if image and image['location'] else []
        name = image['name'] if image else self.params['name']
        credentials = self.cloud.credentials
        if name and credentials.s3_url and (self.params['bucket'] or credentials.account_id):
            bucket = self._bucket()
            keys = bucket.bundles(stem_prefix(name, image['type'] if image else self.params['type']))
            found += [f'{bucket.name}/{key}' for key in keys]
        return [location for location in dict.fromkeys(found) if location not in used]

    def _delete_bundle(self, location: str, deregistered: Resource | None) -> None:
        if not self._is_registered(location, deregistered):
            bucket, _slash, key = location.partition('/')
            with worded():
                Bucket(self.cloud, bucket).remove_bundle(key)

    def _is_registered(self, location: str, deregistered: Resource | None = None) -> bool:
        """Asked before anything is deleted: another host with the same task may have registered it meanwhile."""
        return any(one['location'] == location for one in self._others(deregistered))

    def _others(self, image: Resource | None) -> list[Resource]:
        """The account's images but this, which a cloud may still list for a moment, and those of this one's owner: an
        administrator takes back other accounts' images too."""
        owner = [image['owner']] if image and image['owner'] else []
        return [one for one in registration.registered(self.cloud, *owner) if not image or one['image_id'] != image['image_id']]


def main() -> None:
    Image.main()


if __name__ == '__main__':
    main()
