# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's side of every module for the cloud: options, check mode, diff, result, failures.

A module finds the resource and plans the missing steps. This class applies the plan, except in check mode.
"""

from __future__ import annotations

import contextlib
import json
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud import client
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.credentials import find_credentials
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.interrupts import interrupts_held
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.tags import BUILD_TAG
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.waiting import Resource, WaitError, wait_for
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan

CONNECTION: dict[str, t.Any] = {
    'ec2_url': {'type': 'str'},
    's3_url': {'type': 'str'},
    'access_key': {'type': 'str', 'no_log': False},
    'secret_key': {'type': 'str', 'no_log': True},
    'account_id': {'type': 'str'},
    'region': {'type': 'str'},
    'eucarc': {'type': 'path'},
    'validate_certs': {'type': 'bool'},
    'ca_path': {'type': 'path'},
}
TAGS: dict[str, t.Any] = {'tags': {'type': 'dict'}, 'purge_tags': {'type': 'bool', 'default': False}}
# How the names of options that are times in seconds end.
SECONDS = ('timeout', 'interval', 'expires')


def wait_options(timeout: int) -> dict[str, t.Any]:
    return {
        'wait': {'type': 'bool', 'default': True},
        'wait_timeout': {'type': 'int', 'default': timeout},
        'progress_file': {'type': 'path'},
    }


def as_text(value: t.Any) -> str:
    """The text of an option of type raw: up to ansible-core 2.18 a templated text that looks like JSON arrives as data, and
    becomes JSON again here. An option of type str would make a Python literal of it."""
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)


class ModuleError(CollectionError):
    """Options that cannot be fulfilled; the message gives the reason and the alternative."""


class CloudModule:
    """One task. A subclass defines its options and its result's key, and how to find and to plan."""

    options: t.ClassVar[dict[str, t.Any]] = {}
    rules: t.ClassVar[dict[str, t.Any]] = {}  # AnsibleModule's required_if, mutually_exclusive …
    identifying: t.ClassVar[tuple[str, ...]] = ()  # options that identify the resource
    key: t.ClassVar[str]
    texts: t.ClassVar[tuple[str, ...]] = ()  # options of type raw whose value is a text
    revealing: t.ClassVar[tuple[str, ...]] = ()  # options with secrets in them that are not secret as a whole
    atomic: bool = False  # no interrupt between its steps: a new resource is tagged in any case
    # distribution -> traceback of its failed import, None if it is installed
    libraries: t.ClassVar[dict[str, str | None]] = {}

    def __init__(self) -> None:
        self.module = AnsibleModule(argument_spec={**CONNECTION, **self.options}, supports_check_mode=True, **self.rules)
        self.params: dict[str, t.Any] = self.module.params
        for name in self.texts:
            if self.params[name] is not None:
                self.params[name] = as_text(self.params[name])
        self._mask_secrets()
        self.extra_result: dict[str, t.Any] = {}  # further keys of the result, also of a failure
        self.leaked = False  # whether a resource without its tags was left behind
        self._require_libraries()

    def _mask_secrets(self) -> None:
        """Options in `revealing` have no_log, which keeps them out of the system's log. In results it would mask their
        whole value, and each value in it if it is data, so there only their secrets are masked."""
        if self.revealing:
            from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.secrets import secret_parts

            spec = {**CONNECTION, **self.options}
            kept = {name for name, option in spec.items() if option.get('no_log')} - {*self.revealing}
            self.module.no_log_values = {str(self.params[name]) for name in kept if self.params[name]}
            for name in self.revealing:
                self.module.no_log_values |= secret_parts(self.params[name] or '')

    def find(self) -> t.Any:
        """Return the resource as it is: a dict, None when it does not exist, a list in _info modules. Changes nothing."""
        raise NotImplementedError

    def plan(self, found: t.Any) -> Plan:
        """Return the steps from ``found`` to the wanted state. Changes nothing."""
        return Plan(found)

    def returned(self, resource: t.Any) -> t.Any:
        """Return the value of the result's key."""
        return resource

    @classmethod
    def main(cls) -> None:
        cls().run()

    def run(self) -> None:
        plan = Plan()
        try:
            self._check_options()
            self.cloud = self._connect()
            if build := (self.params.get('tags') or {}).get(BUILD_TAG):
                self.cloud.for_build(str(build))
            plan = self.plan(self.find())
            resource = self.returned(plan.after if self.module.check_mode else self._apply(plan))
        except CollectionError as error:
            self._fail(error, plan)
        except OSError as error:  # a full disk, a file without permission
            self._fail(ModuleError(f'{error.filename}: {error.strerror}.' if error.filename else f'{error}.'), plan)
        else:
            result = {**self.extra_result, self.key: resource}
            self.module.exit_json(changed=plan.changed, diff=plan.diff(), actions=plan.descriptions, **result)

    def _check_options(self) -> None:
        """Refuse values that no request can fulfil, before the first one is sent."""
        for option, spec in self.options.items():
            value = self.params[option]
            if value == '' and (option in self.identifying or spec.get('required')):
                raise ModuleError(
                    f'{option} must not be empty.' + (' Omit the option instead.' if option in self.identifying else '')
                )
            if spec.get('type') == 'int' and option.endswith(SECONDS) and value is not None and value < 1:
                raise ModuleError(f'{option} must be at least 1 second, not {value}.')

    def _apply(self, plan: Plan) -> t.Any:
        with interrupts_held() if self.atomic else contextlib.nullcontext():
            plan.do_steps()
        return plan.result()

    def wait(
        self,
        look: t.Callable[[], Resource | None],
        reached: t.Callable[[Resource | None], bool],
        aim: str,
        failed: t.Callable[[Resource], bool] = lambda resource: False,
    ) -> Resource | None:
        """``wait_for`` with the task's wait_timeout. With ``wait: false`` it looks once and returns the resource."""
        if not self.params['wait']:
            return look()
        return wait_for(look, reached, aim, self.params['wait_timeout'], failed, self.report)

    def report(self, text: str) -> None:
        """Append a line to the task's progress_file, whose lines the action plugin prints."""
        from ansible_collections.eucalyptus.cloud.plugins.module_utils.progress.report import Report

        Report(self.params.get('progress_file')).note(text)

    def _connect(self) -> client.Cloud:
        credentials = find_credentials(self.params, os.environ)
        return client.Cloud(credentials, credentials.verify(self.params['validate_certs'], self.params['ca_path']))

    def _require_libraries(self) -> None:
        for name, problem in {'boto3': client.IMPORT_ERROR, **self.libraries}.items():
            if problem:
                self.module.fail_json(msg=missing_required_lib(name), exception=problem)

    def _fail(self, error: CollectionError, plan: Plan) -> t.NoReturn:
        failure = {}
        if isinstance(error, client.CloudError):
            lost = error.lost or self.leaked
            failure = {'request': error.request, 'code': error.code, 'message': error.text, 'lost': lost}
        elif isinstance(error, WaitError) and error.resource is not None:
            self.extra_result.setdefault(self.key, error.resource)
        self.module.fail_json(msg=str(error), changed=bool(plan.done), actions=plan.done, failure=failure, **self.extra_result)
        raise AssertionError('fail_json does not return')
