# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the module build_plan: the system of the catalogue, the role's variables and the answer file.

When a build is necessary, it also fetches the installer's files, so that a mirror that lacks them is noticed before anything is
created.
"""

from __future__ import annotations

import hashlib
import os
import typing as t
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.release import __version__ as core_version
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build import boot, catalogue
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.recipe import (
    IMAGE,
    PREFIX,
    PROOF_KEY_PLACEHOLDER,
    VOLUME_PLACEHOLDER,
    Recipe,
    RecipeError,
    facts_of,
    inputs_of,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.download import is_url
from ansible_collections.eucalyptus.cloud.plugins.plugin_utils import answer_checks
from ansible_collections.eucalyptus.cloud.plugins.plugin_utils.installer_cache import FetchFailed, fetch
from ansible_collections.eucalyptus.cloud.plugins.plugin_utils.release import release
from ansible_collections.eucalyptus.cloud.plugins.plugin_utils.systems import GIVEN, Systems
from ansible_collections.eucalyptus.cloud.plugins.plugin_utils.templates import TemplateError, render

FILLED_IN = ('inputs', 'here', 'answer_file')
SYSTEM, NO_SYSTEM = f'__{PREFIX}system', f'__{PREFIX}no_system'
SHA256 = 'sha256:'
WAYS = {
    boot.HOOK: 'by the hook of the node controllers',
    boot.DISK: 'from a boot disk',
    boot.SELF: 'from the node controllers, onto the root of its own instance',
}


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = False
    _unchecked: t.Sequence[str] = ()  # what could not be checked in the answer file

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        variables = task_vars or {}
        arguments = dict(self._task.args)
        entry_point = arguments.get('entry_point', 'main')
        # Relative paths begin where ansible-playbook was called, whatever directory a worker is in.
        here = os.environ.get('PWD') or os.getcwd()
        cloud = ''
        try:
            if set(FILLED_IN) & set(arguments):
                raise RecipeError(f'{", ".join(FILLED_IN)} are set by the action plugin and cannot be set in a playbook.')
            systems = Systems(Path(variables['role_path']), self._evaluate_in(variables), variables[NO_SYSTEM])
            if systems.os == catalogue.HELP:
                return {'changed': False, 'systems': systems.help_lines()}
            system, trust, remarks = systems.chosen()
            variables = {**variables, SYSTEM: system}
            recipe = Recipe.read(self._evaluated(variables, entry_point), here, entry_point)
            arguments |= {'inputs': recipe.without_secrets(), 'here': here}
            if entry_point == 'main':
                arguments['answer_file'] = self._answer_file(recipe, here, variables)
            result: dict[str, t.Any] = self._execute_module('eucalyptus.cloud.build_plan', arguments, task_vars=variables)
            result.pop('invocation', None)
            cloud = result.pop('cloud', '')
            if not result.get('failed'):
                self._add_media(result, recipe, system, trust)
                if chosen := result['build'].get('boot'):
                    self._display.display(f'The installer boots {WAYS[chosen["way"]]}, because {chosen["reason"]}.')
                    self._check_fetched(recipe, result['build'])
                if not finished(result['build']):
                    remarks += [f'{PREFIX}answer_file: {remark}.' for remark in self._unchecked]
                    result['warnings'] = [*result.get('warnings', []), *remarks]
        except CollectionError as error:
            result = {'failed': True, 'msg': str(error)}
        result['software'] = {'cloud': cloud, 'collection': release(), 'ansible': core_version}
        return result

    def _add_media(self, result: dict[str, t.Any], recipe: Recipe, system: dict[str, t.Any], trust: dict[str, str]) -> None:
        """Add the system to the result, with its media and how far they were verified; fetch them for a build."""
        build = result['build']
        build |= {'system': system, 'media': {}}
        # The step that registers the installer fetches files from other URLs, with the connection's certificates.
        for part, verified in trust.items():
            source, checksum = recipe.source(part), recipe[f'{part}_checksum'].strip()
            build['media'][part] = {'source': source, 'checksum': checksum, 'trust': verified}
            # Another machine than this one fetches them itself.
            if (
                not source
                or finished(build)
                or getattr(self._connection, 'transport', '') != 'local'
                or not checksum.startswith(SHA256)
            ):
                continue
            try:
                cache = Path(recipe['media_cache']).expanduser()
                build[f'{part}_src'] = str(fetch(source, checksum.removeprefix(SHA256).lower(), cache))
            except FetchFailed as error:
                way_out = (
                    f'Correct {PREFIX}{part} or {PREFIX}{part}_checksum.'
                    if verified == GIVEN
                    else f'{PREFIX}mirror selects another mirror.'
                )
                raise RecipeError(f'{PREFIX}{part}: {error} {way_out}') from error

    @staticmethod
    def _check_fetched(recipe: Recipe, build: dict[str, t.Any]) -> None:
        """Refuse files of a boot disk that the module could not check, because they had to be fetched first."""
        sources = [build[f'{part}_src'] for part in boot.FILES]
        if build['boot']['way'] == boot.DISK and build['media'] and not any(map(is_url, sources)):
            boot.check_files(recipe, *sources)

    def _evaluate_in(self, variables: dict[str, t.Any]) -> t.Callable[[str, t.Mapping[str, t.Any]], t.Any]:
        def evaluate(name: str, system: t.Mapping[str, t.Any]) -> t.Any:
            values, problems = self._values({**variables, SYSTEM: system}, [name])
            if problems:
                raise RecipeError(problems[0])
            return values[name]

        return evaluate

    def _evaluated(self, variables: dict[str, t.Any], entry_point: str) -> dict[str, t.Any]:
        """All variables with the role's prefix; those that are inputs, evaluated. Raises RecipeError."""
        found = {name: None for name in variables if name.startswith(PREFIX)}
        values, problems = self._values(variables, [one.variable for one in inputs_of(entry_point) if one.variable in variables])
        if problems:
            raise RecipeError(' '.join(problems))
        return {**found, **values}

    def _values(self, variables: dict[str, t.Any], names: list[str]) -> tuple[dict[str, t.Any], list[str]]:
        """The values of these variables, and a sentence for each that has none."""
        templar = self._templar.copy_with_new_env(available_variables=variables)
        values, problems = {}, []
        for name in names:
            try:
                values[name] = templar.template(variables.get(name))
            except AnsibleError as error:
                problems.append(f'{name} cannot be evaluated: {reason(error)}')
        return values, problems

    def _answer_file(self, recipe: Recipe, here: str, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """Path, digest and facts of the answer file."""
        if not recipe['answer_file']:
            return {'path': '', 'sha256': hashlib.sha256(b'').hexdigest(), 'bytes': 0, 'secret': False, **facts_of('')}
        playbook, own = variables['playbook_dir'], f'{variables["role_path"]}/templates'
        system, name = variables[SYSTEM], recipe['answer_file']
        try:
            path = find_template(name, [here, playbook, f'{playbook}/templates', own])
        except RecipeError as error:
            if name != system['answer_file']:
                raise
            raise RecipeError(
                f'{PREFIX}answer_file: the collection has no answer file for {system["os"]} yet. Set it to your own for its '
                f'installer, {system["installer_family"]}, or to an empty string for an installation by hand. ({error})'
            ) from error
        if os.path.dirname(path) == own:
            problems = recipe.template_problems()
            if problems:
                raise RecipeError(' '.join(problems))
        try:
            # The volume and the key exist only later; the root of an instance that installs itself never has an ID in the file.
            volume_id = VOLUME_PLACEHOLDER if recipe['target'] == IMAGE else ''
            later = {f'{PREFIX}volume_id': volume_id, f'{PREFIX}proof_key': PROOF_KEY_PLACEHOLDER}
            text = render(self._templar, path, {**variables, **later})
        except TemplateError as error:
            raise RecipeError(f'{PREFIX}answer_file cannot be used. {error}') from error
        checked = answer_checks.check(text, system['installer_family'], recipe['kickstart_version'], recipe['answer_file_schema'])
        if checked.problems:
            raise RecipeError(f'{PREFIX}answer_file: {path}, as rendered, has mistakes: {"; ".join(checked.problems).rstrip(".")}.')
        self._unchecked = checked.unchecked
        facts = facts_of(text)
        facts['reports'] = facts['reports'] and recipe['boot_report']
        facts['secret'] = boot.holds_secret(text, recipe.values, os.path.dirname(path) == own)
        content = text.encode('utf-8', 'surrogateescape')
        return {'path': path, 'sha256': hashlib.sha256(content).hexdigest(), 'bytes': len(content), **facts}


def finished(build: dict[str, t.Any]) -> bool:
    """Whether the image, or the instance, of these inputs exists."""
    return bool(build.get('image') or build.get('instance'))


def find_template(name: str, directories: list[str]) -> str:
    """The path of the answer file's template, looked for in these directories in order. Raises RecipeError."""
    expanded = os.path.expanduser(os.path.expandvars(name))
    for directory in directories:
        path = Path(directory) / expanded
        if path.is_file() and os.access(path, os.R_OK):
            return str(path)
    looked = 'is not a readable file' if os.path.isabs(expanded) else f'was not found in {", ".join(directories)}'
    raise RecipeError(f'{PREFIX}answer_file: {expanded} {looked}.')


def reason(error: BaseException) -> str:
    """The innermost cause in one line: "'mirror' is undefined." Ansible's own message may quote the whole value."""
    # orig_exc: up to ansible-core 2.18
    while deeper := error.__cause__ or getattr(error, 'orig_exc', None):
        error = deeper
    text = str(getattr(error, 'message', None) or error).strip().splitlines() or [type(error).__name__]
    return text[0].rstrip('.') + '.'
