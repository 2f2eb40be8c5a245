# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All inputs of a build, their checks, and what is derived from them: the build's key, names, tags and paths."""

from __future__ import annotations

import enum
import hashlib
import json
import os
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.eucalyptus.cloud.plugins.module_utils.build import answers, checks, remote, self_install
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.leftovers import TOKEN_LENGTH
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.tags import BUILD_TAG
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.user_data import UserDataError, compose
from ansible_collections.eucalyptus.cloud.plugins.module_utils.console import proof
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.download import is_url

PREFIX = 'image_build_'
# A new number makes all images again: raise it when a change of the steps changes the finished image.
RECIPE = 2
# Facts that the role sets; they have the prefix of its inputs.
OUTPUTS = ('result', 'failure', 'installer')
# Only a finished image carries it. build_leftovers relies on the name.
KEY_TAG = f'{BUILD_TAG}-key'
# The answer file's URL and the volume differ in each run, so the key is made with these.
URL_PLACEHOLDER = 'ANSWER-FILE-URL'
VOLUME_PLACEHOLDER = 'vol-00000000'
KEY_DIGITS = 10  # of the key, in names and in the proof
IMAGE, INSTANCE = 'image', 'instance'  # the targets: what a build makes
# Inputs that have no effect with a target, so that one file of variables serves both.
UNUSED = {
    IMAGE: ('node_installer', 'also_image'),
    INSTANCE: ('kernel', 'kernel_checksum', 'kernel_id', 'ramdisk', 'ramdisk_checksum', 'ramdisk_id', 'image_id'),
}
PROOF_KEY_PLACEHOLDER = '0' * KEY_DIGITS


class RecipeError(CollectionError):
    """Inputs that do not make a build. The message names each wrong variable."""


class Effect(enum.Enum):
    """The influence of an input on the content of the finished image."""

    KEYED = 'its value is part of the key'
    CONTENT = 'the content of the file that it names is part of the key'
    ANSWER_FILE = 'it is part of the key as far as the answer file contains it'
    NOT_KEYED = 'it is not part of the key: a change is applied to the finished image or concerns only the build'


KEYED, CONTENT, ANSWER_FILE, NOT_KEYED = Effect


@dataclass(frozen=True)
class Input:
    """One input: its name without the prefix, its type in the words of argument_specs.yml, and its check."""

    name: str
    kind: str
    effect: Effect
    check: checks.Check = lambda _value: ''
    needed: bool = False  # an empty value is an error
    published: bool = False  # also an input of the entry point publish_installer
    private: bool = False  # may contain a secret, so it stays on the controller
    elements: str = 'str'  # of a list

    @property
    def variable(self) -> str:
        return PREFIX + self.name


SECONDS = checks.positive('seconds')
INPUTS = (
    Input('os', 'str', ANSWER_FILE, published=True),
    Input('mirror', 'str', NOT_KEYED, checks.mirror, published=True),
    Input('keyring', 'str', NOT_KEYED, checks.path, published=True),
    Input('catalogue', 'dict', NOT_KEYED, published=True),
    Input('media_cache', 'path', NOT_KEYED, checks.path, needed=True, published=True),
    Input('name', 'str', KEYED, checks.build_name, needed=True, published=True),
    Input('connection', 'dict', NOT_KEYED, published=True, private=True),
    Input('architecture', 'str', KEYED, checks.among(*checks.ARCHITECTURES), needed=True, published=True),
    Input('description', 'str', NOT_KEYED, checks.description),
    Input('tags', 'dict', NOT_KEYED, checks.tags),
    Input('launch_permissions', 'dict', NOT_KEYED, checks.permissions),
    Input('kernel', 'str', CONTENT, checks.location, published=True),
    Input('kernel_checksum', 'str', CONTENT, checks.checksum, published=True),
    Input('kernel_id', 'str', KEYED, checks.image_id('eki')),
    Input('ramdisk', 'str', CONTENT, checks.location, published=True),
    Input('ramdisk_checksum', 'str', CONTENT, checks.checksum, published=True),
    Input('ramdisk_id', 'str', KEYED, checks.image_id('eri')),
    Input('image_id', 'str', NOT_KEYED, checks.image_id('emi')),
    Input('installer_permissions', 'dict', NOT_KEYED, checks.permissions, published=True),
    Input('bucket', 'str', NOT_KEYED, checks.bucket, published=True),
    Input('target', 'str', KEYED, checks.among(IMAGE, INSTANCE), needed=True),
    Input('node_installer', 'str', KEYED, checks.node_installer),
    Input('also_image', 'bool', NOT_KEYED, needed=True),
    Input('boot', 'str', NOT_KEYED, checks.among('auto', 'hook', 'disk'), needed=True),
    Input('answer_file', 'str', CONTENT, checks.path),
    Input('answer_file_by', 'str', NOT_KEYED, checks.among('auto', 'url', 'user_data'), needed=True),
    Input('answer_file_schema', 'path', NOT_KEYED, checks.path),
    Input('answer_file_bucket', 'str', NOT_KEYED, checks.bucket),
    Input('answer_file_expires', 'int', NOT_KEYED, checks.positive('seconds', checks.MOST_EXPIRES), needed=True),
    Input('guest_s3_url', 'str', ANSWER_FILE, checks.url),
    Input('boot_params', 'str', KEYED),
    Input('answer_file_url', 'str', NOT_KEYED),
    Input('installer_options', 'list', KEYED),
    Input('install_url', 'str', ANSWER_FILE, checks.quotable),
    Input('package_mirror', 'str', ANSWER_FILE, checks.url),
    Input('proxy', 'str', ANSWER_FILE, checks.url, private=True),
    Input('language', 'str', ANSWER_FILE, checks.language, needed=True),
    Input('keyboard', 'str', ANSWER_FILE, checks.keyboard, needed=True),
    Input('hostname', 'str', ANSWER_FILE, checks.hostname),
    Input('disk_layout', 'str', ANSWER_FILE, checks.among('plain', 'lvm'), needed=True),
    Input('filesystem', 'str', ANSWER_FILE, checks.among('ext4', 'xfs'), needed=True),
    Input('swap', 'int', ANSWER_FILE, checks.not_negative('MiB'), needed=True),
    Input('users', 'list', ANSWER_FILE, checks.each(checks.user), private=True, elements='dict'),
    Input('cloud_init', 'bool', ANSWER_FILE, needed=True),
    Input('root_password_hash', 'str', ANSWER_FILE, checks.password_hash, private=True),
    Input('timezone', 'str', ANSWER_FILE, checks.timezone, needed=True),
    Input('packages', 'list', ANSWER_FILE, checks.each(checks.package)),
    Input('post', 'str', ANSWER_FILE, private=True),
    Input('zone', 'str', NOT_KEYED, checks.word),
    Input('instance_type', 'str', KEYED, checks.word),
    Input('memory', 'int', NOT_KEYED, checks.positive('MiB'), needed=True),
    Input('security_groups', 'list', NOT_KEYED),
    Input('key_name', 'str', NOT_KEYED),
    Input('volume_size', 'int', KEYED, checks.positive('GiB'), needed=True),
    Input('device', 'str', NOT_KEYED, checks.device, needed=True),
    Input('device_timeout', 'int', ANSWER_FILE, SECONDS, needed=True),
    Input('timeout', 'int', NOT_KEYED, SECONDS, needed=True),
    Input('silence_timeout', 'int', NOT_KEYED, SECONDS, needed=True),
    Input('failure_patterns', 'list', NOT_KEYED, checks.each(checks.pattern)),
    Input('boot_test', 'bool', NOT_KEYED, needed=True),
    Input('boot_test_instance_type', 'str', NOT_KEYED, checks.word),
    Input('boot_test_timeout', 'int', NOT_KEYED, SECONDS, needed=True),
    Input('boot_test_silence_timeout', 'int', NOT_KEYED, SECONDS, needed=True),
    Input('boot_report', 'bool', ANSWER_FILE, needed=True),
    Input('require_proof', 'bool', NOT_KEYED, needed=True),
    Input('kickstart_version', 'str', ANSWER_FILE, checks.kickstart_version),
    Input('login_prompt', 'str', NOT_KEYED, checks.pattern, needed=True),
    Input('keep_failed', 'bool', NOT_KEYED, needed=True),
    Input('when_busy', 'str', NOT_KEYED, checks.among('refuse', 'wait'), needed=True),
    Input('directory', 'path', NOT_KEYED, checks.path, needed=True),
    Input('installer_family', 'str', NOT_KEYED, checks.among(*remote.WAYS)),
    Input('remote_interface', 'str', NOT_KEYED, checks.among('installer', remote.DISPLAY), needed=True),
    Input('remote_password', 'str', NOT_KEYED, remote.password, private=True),
    Input('remote_timeout', 'int', NOT_KEYED, SECONDS, needed=True),
    Input('operator_cidr', 'str', NOT_KEYED, remote.operator_cidr),
    Input('display_listen', 'str', NOT_KEYED, remote.address),
    Input('display_node', 'str', NOT_KEYED, remote.destination),
)


def inputs_of(entry_point: str) -> tuple[Input, ...]:
    """The inputs of the role's entry point, ``main`` or ``publish_installer``."""
    return tuple(one for one in INPUTS if one.published or entry_point == 'main')


def unknown_inputs(names: t.Iterable[str]) -> list[str]:
    """A sentence for each variable that has the role's prefix and is none of its own: a misspelt one would have no effect."""
    known = [one.variable for one in INPUTS]
    others = sorted({name for name in names if name.startswith(PREFIX)} - {*known, *(PREFIX + output for output in OUTPUTS)})
    return [
        f'{name} is not a variable of this role; did you mean {" or ".join(checks.nearest(name, known)[:2])}? '
        '`ansible-doc -t role eucalyptus.cloud.image_build` lists all.'
        for name in others
    ]


class Recipe:
    """The checked inputs of one build, by name without prefix, each of its own type.

    ``here`` is the directory that relative paths begin at.
    """

    def __init__(self, values: t.Mapping[str, t.Any], here: str) -> None:
        self.values = dict(values)
        self._here = here.rstrip('/')

    @classmethod
    def read(cls, variables: t.Mapping[str, t.Any], here: str, entry_point: str = 'main') -> Recipe:
        """Take the inputs out of ``variables`` (by their whole names). Raises RecipeError, which lists all that is wrong."""
        values, problems = {}, unknown_inputs(variables)
        for one in inputs_of(entry_point):
            try:
                value = checks.converted(one.variable, one.kind, variables.get(one.variable), one.elements)
            except checks.Unconverted as error:
                problems.append(_sentence(one, str(error)))
                continue
            values[one.name] = value
            empty = value in ('', [], {})
            problem = ('must not be empty' if one.needed else '') if empty else one.check(value)
            problems += [_sentence(one, problem)] if problem else []
        if not problems:
            for name in UNUSED[values['target']] if entry_point == 'main' else ():
                values[name] = type(values[name])()
            recipe = cls(values, here)
            problems = recipe.contradictions(entry_point)
        if problems:
            raise RecipeError(' '.join(problems))
        return recipe

    def __getitem__(self, name: str) -> t.Any:
        return self.values[name]

    # --- inputs that do not go together

    def contradictions(self, entry_point: str = 'main') -> list[str]:
        problems = []
        for part in ('kernel', 'ramdisk'):
            file, given = PREFIX + part, self[part]
            if entry_point != 'main' and not given:
                problems.append(f"{file} is empty. Set it to the installer's {part}, a path or a URL.")
            elif entry_point == 'main' and self['target'] == IMAGE and bool(given) == bool(self[f'{part}_id']):
                problems.append(f'Set either {file} (a path or URL; only cloud administrators may register it) or {file}_id.')
            if is_url(given) and not self[f'{part}_checksum']:
                problems.append(f'{file} is a URL, so {file}_checksum is needed, as sha256:HEX.')
        if entry_point == 'main':
            if self['answer_file_url'] != URL_PLACEHOLDER:
                problems.append(f'{PREFIX}answer_file_url must not be set: the role fills it in when it starts the installer.')
            problems += self_install.problems(self.values) if self['target'] == INSTANCE else []
            by_hand = not self['answer_file']
            problems += self.boot_params_problems(
                f'{remote.parameters(self.values)} {self.boot_params}' if by_hand else self.boot_params
            )
            problems += remote.problems(self.values) if by_hand else []
        return problems

    def boot_params_problems(self, boot_params: str) -> list[str]:
        """Reasons why the boot parameters, with the answer file's URL in them, cannot reach the installer's kernel."""
        try:
            compose(boot_params, None, False, None)
        except UserDataError as error:
            return [f'{PREFIX}boot_params, with {PREFIX}installer_options, cannot be used: {error}']
        return []

    def template_problems(self) -> list[str]:
        """Inputs that the role's own answer file needs and lacks, or that its installer does not support."""
        return answers.problems(os.path.basename(self['answer_file']), self.values)

    # --- parts of the key

    @property
    def boot_params(self) -> str:
        """The installer's kernel command line, with a placeholder for the answer file's URL."""
        return ' '.join([self['boot_params'], *self['installer_options']]).strip()

    def source(self, part: str) -> str:
        """Path or URL of the ``kernel`` or ``ramdisk``; empty when a registered one is used."""
        given: str = self[part]
        return given if not given or is_url(given) else self._absolute(given)

    def _absolute(self, path: str) -> str:
        expanded = os.path.expanduser(os.path.expandvars(path))
        return expanded if expanded.startswith('/') else f'{self._here}/{expanded}'

    def without_secrets(self) -> dict[str, t.Any]:
        """The inputs by name, without those that may contain a secret."""
        return {one.name: self[one.name] for one in INPUTS if one.name in self.values and not one.private}

    # --- results

    def key(self, contents: t.Mapping[str, str]) -> str:
        """Digest of all that decides the image's content. ``contents`` has a digest for each input whose content counts."""
        return hashlib.sha256(json.dumps(self.keyed(contents), sort_keys=True).encode()).hexdigest()

    def keyed(self, contents: t.Mapping[str, str]) -> dict[str, t.Any]:
        """The parts of the key, as the manifest lists them."""
        unused = UNUSED[self['target']] + (('target',) if self['target'] == IMAGE else ())
        values = {one.name: self[one.name] for one in INPUTS if one.effect is KEYED and one.name not in unused}
        return {'recipe': RECIPE, **values, 'contents': dict(contents)}

    def image_name(self, key: str) -> str:
        return f'{self["name"]}-{key[:KEY_DIGITS]}'

    def proof(self, key: str) -> dict[str, str]:
        """The key that the answer file prints as its proof, and the expression that recognises the proof on the console."""
        pattern = proof.success_pattern(key[:KEY_DIGITS]) if self['answer_file'] else remote.SUCCESS
        return {'proof_key': key[:KEY_DIGITS], 'success_pattern': pattern}

    def unproved(self, answer_file: t.Mapping[str, t.Any]) -> str:
        """A warning if this answer file (path and facts) does not prove the success of the installation; otherwise empty."""
        if answer_file['proves']:
            return ''
        file = self['answer_file']
        if not file:
            return (
                'Without image_build_answer_file no line on the console proves that the installation succeeded: a power-off counts '
                'as its end, and the boot test decides whether the image is published.'
            )
        rest = ' and the boot test' if self['boot_test'] else ''
        return (
            f'{file} does not include proof.sh.j2. Nothing proves that the installation succeeded, or which disk it used: any '
            f'power-off counts as success, and only known failure texts on the console{rest} reveal a failed installation. '
            'Include proof.sh.j2 as its last command (docs/build_image.md shows how).'
        )

    def directory(self, key: str) -> str:
        return f'{self._absolute(self["directory"]).rstrip("/")}/{self.image_name(key)}'

    def build_tags(self, key: str) -> dict[str, str]:
        """Tags of everything that belongs to the build."""
        return {BUILD_TAG: self.image_name(key)}

    def finished_tags(self, key: str) -> dict[str, str]:
        """Tags of the finished, tested image."""
        own = {name: str(value) for name, value in self['tags'].items()}
        return {**own, **self.build_tags(key), KEY_TAG: key}

    def permissions(self) -> dict[str, t.Any]:
        """Launch permissions of the finished image: ``public`` and ``accounts``, as far as they are given."""
        given = dict(self['launch_permissions'])
        if given.get('public') is not None:
            given['public'] = checks.switched_on(given['public'])
        if given.get('accounts') is not None:
            given['accounts'] = [str(account) for account in given['accounts']]
        return given

    def client_token(self, key: str, purpose: str) -> str:
        """Client token, by which build_leftovers finds an instance without its tag. With the token of an earlier run the cloud
        would return the instance of that run, terminated long ago."""
        return f'{self.image_name(key)[-TOKEN_LENGTH:]}.{int(time.time())}{purpose}'


def _sentence(wrong: Input, problem: str) -> str:
    return f'{wrong.variable} {problem}' + ('' if problem[-1] in '.?!' else '.')


def facts_of(answer_file: str) -> dict[str, bool]:
    """Whether a rendered answer file contains the role's fragments that report the first boot and prove success."""
    return {'reports': proof.reports(answer_file), 'proves': proof.proves(answer_file)}
