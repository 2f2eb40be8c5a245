#!/usr/bin/python
# Copyright: eucalyptus.cloud contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: build_plan
short_description: Check the inputs of an image build and look for its finished image
version_added: 0.1.0
description:
  - The first task of role P(eucalyptus.cloud.image_build#role). It takes the role's variables, finds the system in the catalogue
    with verified checksums of its media, renders the answer file on the controller, checks all of them, derives the key of the
    build and looks for the image that an earlier build of the same inputs made.
  - If that image exists, its description, tags and launch permissions are updated. If it does not, the module compares every input
    that names a resource of the cloud with what the cloud lists, and kernel and ramdisk are fetched into the controller's cache.
  - No task that creates anything runs before this one, so wrong inputs are refused before anything has changed, and also in check
    mode.
author:
  - The eucalyptus.cloud contributors (@eucalyptus)
options:
  entry_point:
    description: Entry point of the role. With V(publish_installer), only the inputs of that entry point are checked.
    type: str
    choices: [main, publish_installer]
    default: main
  inputs:
    description: The checked inputs by name. Set by the action plugin.
    type: dict
  here:
    description: Directory in which relative paths start. Set by the action plugin.
    type: str
  answer_file:
    description: Digest of the rendered answer file and what it does. Set by the action plugin.
    type: dict
extends_documentation_fragment:
  - eucalyptus.cloud.connection
  - eucalyptus.cloud.attributes
  - eucalyptus.cloud.attributes.actiongroup
"""

EXAMPLES = r"""
- name: Check the inputs and look for the finished image
  eucalyptus.cloud.build_plan:
  register: plan
"""

RETURN = r"""
build:
  description: The build.
  returned: always
  type: dict
  contains:
    image:
      description: The finished image, as M(eucalyptus.cloud.image) returns it; null if it does not exist yet.
      type: dict
    instance:
      description: The finished instance that installed itself, as M(eucalyptus.cloud.instance) returns it; otherwise null.
      type: dict
    root:
      description:
        - The empty root of an instance that will install itself; otherwise null. C(name) is the name of its image, C(image_id) its
          ID, empty if it is not registered yet, and C(zone) its availability zone.
      type: dict
    key:
      description: Digest of all inputs that decide the content of the image.
      type: str
    inputs:
      description: The inputs that the key was made of.
      type: dict
    image_name:
      description: Name of the image, and of everything that belongs to the build.
      type: str
      sample: debian-12-0a1b2c3d4e
    directory:
      description: Directory for consoles and manifest.
      type: str
    proof_key:
      description: Key that the answer file prints as the proof of success.
      type: str
    success_pattern:
      description: Regular expression of that proof, for M(eucalyptus.cloud.install_wait).
      type: str
    build_tags:
      description: Tags of everything that belongs to the build.
      type: dict
    finished_tags:
      description: Tags of the finished image.
      type: dict
    has_tags:
      description: Whether the cloud has tags, so that instances can be named. Eucalyptus 3.1 and 3.2 have none.
      type: bool
    client_tokens:
      description: Client tokens of the installer's and the test's instance, C(install) and C(test).
      type: dict
    kernel_src:
      description: Path or URL of the installer's kernel; empty when a registered one is used.
      type: str
    ramdisk_src:
      description: Path or URL of the installer's ramdisk; empty when a registered one is used.
      type: str
    remote:
      description:
        - Access to an installer that a person operates; null with an answer file.
        - C(interface) is its name, and C(port) is 0 for the hypervisor's display. The network C(cidr) may connect. C(parameters)
          are words for the kernel command line, and C(notes) are the lines for the person. C(password_length) is the length of
          the password that the role makes. The words C(PASSWORD), C(WHERE-IT-IS), C(ADDRESS), C(INSTANCE-ID) and C(VOLUME-ID) are
          placeholders.
      type: dict
    instance_type:
      description: Instance type of the installer, chosen by its memory unless one was given.
      type: str
    boot_test_instance_type:
      description: Instance type of the boot test.
      type: str
    system:
      description: The catalogue's entry of the system, as the role's defaults use it; without a system, mostly empty.
      type: dict
    boot:
      description:
        - How the installer boots; null if there is nothing to build. C(way) is V(hook), V(disk) or V(self), and C(reason) explains
          the choice.
        - C(answer_file_by) is V(url) or V(user_data), and C(answer_file_url) the URL if it is known yet.
        - C(image_name) is the name of the boot disk's image. If several builds can use the disk, a dash and the first C(digits) of
          the SHA-256 of its content follow the name; otherwise C(digits) is 0, and C(bucket) is the bucket for its bundle.
      type: dict
    media:
      description:
        - For C(kernel) and C(ramdisk), as far as they come from the catalogue, their C(source), their C(checksum), and how far it
          was verified (C(trust)).
      type: dict
    answer_file:
      description: Path of the answer file's template (C(path), empty without one), its digest (C(sha256)), its size in C(bytes),
        and whether it may contain a password (C(secret)), the installed system reports its first boot (C(reports)) and the
        installation proves its success (C(proves)).
      type: dict
software:
  description:
    - Versions of C(cloud), C(collection) and C(ansible).
    - C(cloud) is empty before Eucalyptus 4.2, and if the cloud did not reply.
  returned: always, even after a failure
  type: dict
  sample: {cloud: Eucalyptus/4.4.2, collection: 0.1.0, ansible: 2.19.4}
systems:
  description: The table of the catalogue, line by line.
  returned: with C(image_build_os=help), instead of everything else
  type: list
  elements: str
actions:
  description: Changes made to the finished image, or in check mode those that would be made.
  returned: always
  type: list
  elements: str
  sample: [set tags team]
"""

import hashlib
import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.build import (
    boot,
    finished,
    instance_types,
    offers,
    remote,
    self_install,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.leftovers import BOOT_DISK, DISK_DIGITS
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.recipe import PREFIX, URL_PLACEHOLDER, Recipe, RecipeError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.module import CloudModule
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import Resource
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.secrets import secret_parts
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.checks import NotAdministrator, check_may_register
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.download import is_url
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan


class BuildPlan(CloudModule):
    key = 'build'
    options = {
        'entry_point': {'type': 'str', 'choices': ['main', 'publish_installer'], 'default': 'main'},
        'inputs': {'type': 'dict'},
        'here': {'type': 'str'},
        'answer_file': {'type': 'dict'},
    }

    def find(self) -> Resource | None:
        """The finished image of the same inputs."""
        if self.params['inputs'] is None:
            raise RecipeError('build_plan has no inputs: it must run as a task, so that its action plugin reads the variables.')
        self.recipe = Recipe(self.params['inputs'], self.params['here'])
        contents = {part: self._content(part) for part in ('kernel', 'ramdisk')}
        self.build: dict[str, t.Any] = {'kernel_src': self.recipe.source('kernel'), 'ramdisk_src': self.recipe.source('ramdisk')}
        if self.params['entry_point'] != 'main':
            return None
        self.contents = {**contents, 'answer_file': self.params['answer_file']['sha256']}
        self.build_key = self.recipe.key(self.contents)
        self.build |= self._derived()
        self.cloud.for_build(self.build['image_name'])
        found = finished.find(self.cloud, self.recipe, self.build_key)
        self.build['has_tags'] = self.cloud.has_tags  # after a reply, which may show it
        return found

    def plan(self, found: Resource | None) -> Plan:
        plan = Plan(found)
        self.extra_result['cloud'] = self.cloud.software
        if self.params['entry_point'] != 'main':
            self._refuse(self._unregistrable())
            return plan
        if found is None:
            self._check_with_the_cloud()
            self._check_proof()
            if not self.recipe['answer_file']:
                self.build['remote'] = remote.plan(self.recipe.values, self.cloud.credentials.ec2_url)
                if self.build['remote']['cidr'] == remote.EVERYBODY:
                    self.module.warn('image_build_operator_cidr is anywhere: the whole world may connect to the installer.')
            return plan
        finished.plan_changes(plan, self.cloud, self.recipe, self.build['finished_tags'])
        return plan

    def returned(self, resource: Resource | None) -> Resource:
        return {'image': None, 'instance': None, **({self.recipe['target']: resource} if resource else {}), **self.build}

    def _derived(self) -> dict[str, t.Any]:
        recipe, key = self.recipe, self.build_key
        return {
            'key': key,
            'inputs': recipe.keyed(self.contents),
            'image_name': recipe.image_name(key),
            'directory': recipe.directory(key),
            **recipe.proof(key),
            'build_tags': recipe.build_tags(key),
            'finished_tags': recipe.finished_tags(key),
            'client_tokens': {purpose: recipe.client_token(key, purpose) for purpose in ('install', 'test')},
            'answer_file': self.params['answer_file'],
            'remote': None,  # these three are set for a build that is necessary
            'boot': None,
            'root': None,
            **{name: recipe[name] for name in ('instance_type', 'boot_test_instance_type')},
        }

    def _content(self, part: str) -> str:
        """The digest of an installer's file, which must agree with the checksum that was given; empty without a file."""
        source = self.recipe.source(part)
        checksum: str = self.recipe[f'{part}_checksum'].strip()
        if not source:
            return ''
        if is_url(source):
            return checksum.lower()
        algorithm, _colon, wanted = checksum.partition(':')
        algorithms = ('sha256', algorithm) if algorithm else ('sha256',)
        found = {name: digest_of(source, name, PREFIX + part) for name in algorithms}
        if checksum and found[algorithm] != wanted.lower():
            raise RecipeError(f'{PREFIX}{part}: {source} has the {algorithm} checksum {found[algorithm]}, not {wanted}.')
        return f'sha256:{found["sha256"]}'

    def _check_with_the_cloud(self) -> None:
        """Decide how the installer boots, and refuse what the cloud would refuse later, with the variable's name."""
        recipe = self.recipe
        way, reason = boot.choose(self.cloud, recipe)
        by, problem = boot.answer_way(recipe, self.params['answer_file'], way)
        boot_params = self._boot_params(by)
        problems = recipe.boot_params_problems(boot_params)
        problems += boot.problems(self.cloud, recipe, boot_params) if way == boot.DISK else self._unregistrable()
        self._refuse(([problem] if problem else []) + problems + offers.unmet(self.cloud, recipe))
        name, unknown = instance_types.choose(self.cloud, recipe)
        if unknown:
            self.module.warn(unknown)
        self.build |= {'instance_type': name, 'boot_test_instance_type': recipe['boot_test_instance_type'] or name}
        if way == boot.SELF:
            zone = recipe['zone'] or offers.only_zone(self.cloud)
            self.build['root'] = self_install.root(self.cloud, recipe['volume_size'], recipe['architecture'], zone)
        # Without a secret in it, a boot disk is the same for every build of this installer with these parameters. Then its name
        # contains a digest of its content, and it stays registered.
        own = way == boot.DISK and (by == boot.BY_URL or bool(secret_parts(boot_params)) or boot.sets_password(boot_params))
        self.build['boot'] = {
            'way': way,
            'reason': reason,
            'answer_file_by': by,
            'answer_file_url': boot.USER_DATA_URL if by == boot.BY_USER_DATA else '',
            'image_name': f'{self.build["image_name"] if own else recipe["name"]}{BOOT_DISK}',
            'digits': 0 if own else DISK_DIGITS,
            'bucket': (recipe['bucket'] or self.cloud.credentials.own_bucket('images')) if own else '',
        }

    def _boot_params(self, by: str) -> str:
        """The kernel command line, with a URL of the same length as the later one of the answer file."""
        recipe = self.recipe
        if not self.params['answer_file']['path']:
            return f'{remote.parameters(recipe.values)} {recipe.boot_params}'.strip()
        url = boot.USER_DATA_URL
        if by == boot.BY_URL:
            bucket = recipe['answer_file_bucket'] or self.cloud.credentials.own_bucket('answer-files')
            # Made without a request.
            guest_url = recipe.values.get('guest_s3_url') or None
            url = self.cloud.presigned_get(bucket, self.build['image_name'], recipe['answer_file_expires'], guest_url)
        return recipe.boot_params.replace(URL_PLACEHOLDER, url)

    def _unregistrable(self) -> list[str]:
        """A sentence for each file that only an administrator can register."""
        problems = []
        for part in ('kernel', 'ramdisk'):
            try:
                if self.recipe[part]:
                    check_may_register(self.cloud, part)
            except NotAdministrator as error:
                problems.append(f'{PREFIX}{part} cannot be registered: set {PREFIX}{part}_id instead. {error}')
        return problems

    @staticmethod
    def _refuse(problems: list[str]) -> None:
        if problems:
            raise RecipeError(' '.join(problems))

    def _check_proof(self) -> None:
        unproved = self.recipe.unproved(self.params['answer_file'])
        if unproved and self.recipe['require_proof']:
            raise RecipeError(f'{unproved} {PREFIX}require_proof is set, so the build is refused.')
        if unproved and self.recipe['answer_file']:
            self.module.warn(f'{unproved} {PREFIX}require_proof: true refuses such answer files.')


def digest_of(path: str, algorithm: str, variable: str) -> str:
    digest = hashlib.new(algorithm, usedforsecurity=False)
    try:
        with open(path, 'rb') as file:
            while stretch := file.read(1 << 20):
                digest.update(stretch)
    except OSError as error:
        raise RecipeError(f'{variable}: there is no readable file {path} ({error.strerror}).') from error
    return str(digest.hexdigest())


def main() -> None:
    BuildPlan.main()


if __name__ == '__main__':
    main()
