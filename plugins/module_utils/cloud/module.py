# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's side of every module that talks to the cloud: options, check mode, diff, result.

A module finds what is there, plans the steps that are missing, and this class applies the plan or, in check mode,
does not.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud import client
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.credentials import find_credentials
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.interrupts import interrupts_held
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import Kind, remove
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
    'validate_certs': {'type': 'bool', 'default': True},
    'ca_path': {'type': 'path'},
}
# Seconds for the cloud to let go of what was just created.
TAKE_BACK = 60
TAGS: dict[str, t.Any] = {'tags': {'type': 'dict'}, 'purge_tags': {'type': 'bool', 'default': False}}


def wait_options(timeout: int) -> dict[str, t.Any]:
    return {'wait': {'type': 'bool', 'default': True}, 'wait_timeout': {'type': 'int', 'default': timeout}}


class ModuleError(CollectionError):
    """What is asked for cannot be done; the message says why and what can be done instead."""


class CloudModule:
    """One task. A subclass says its options and its result's key, and how to find and to plan."""

    options: t.ClassVar[dict[str, t.Any]] = {}
    rules: t.ClassVar[dict[str, t.Any]] = {}  # AnsibleModule's required_if, mutually_exclusive …
    key: t.ClassVar[str]
    atomic: t.ClassVar[bool] = False  # its steps belong together: what was created is tagged before an interrupt counts
    # distribution -> traceback of its failed import, None when it is there
    libraries: t.ClassVar[dict[str, str | None]] = {}

    def __init__(self) -> None:
        self.module = AnsibleModule(argument_spec={**CONNECTION, **self.options}, supports_check_mode=True, **self.rules)
        self.params: dict[str, t.Any] = self.module.params
        self.extra_result: dict[str, t.Any] = {}  # further keys of the result, also of a failure
        self.leaked = False  # something was created that lacks its tags
        self._require_libraries()

    def find(self) -> t.Any:
        """Return the resource as it is (a dict, None when there is none; a list in _info modules). Must not change
        anything."""
        raise NotImplementedError

    def plan(self, found: t.Any) -> Plan:
        """Return the steps from ``found`` to what the options want. Must not change anything."""
        return Plan(found)

    def returned(self, resource: t.Any) -> t.Any:
        """Return what the result tells of the resource."""
        return resource

    @classmethod
    def main(cls) -> None:
        cls().run()

    def run(self) -> None:
        plan = Plan()
        try:
            self.cloud = self._connect()
            plan = self.plan(self.find())
            resource = self.returned(plan.after if self.module.check_mode else self._apply(plan))
        except CollectionError as error:
            self._fail(error, plan)
        except OSError as error:  # a full disk, a file that may not be read
            self._fail(ModuleError(f'{error.filename}: {error.strerror}.' if error.filename else str(error)), plan)
        else:
            self.module.exit_json(
                changed=plan.changed, diff=plan.diff(), actions=plan.descriptions, **{**self.extra_result, self.key: resource}
            )

    def _apply(self, plan: Plan) -> t.Any:
        with interrupts_held() if self.atomic else contextlib.nullcontext():
            plan.do_steps()
        return plan.result()

    def wait(
        self,
        look: t.Callable[[], Resource | None],
        reached: t.Callable[[Resource | None], bool],
        what: str,
        doomed: t.Callable[[Resource], bool] = lambda resource: False,
    ) -> Resource | None:
        """waiter.wait_for with the task's wait_timeout; with ``wait: false`` it looks once and returns what it saw."""
        if not self.params['wait']:
            return look()
        return wait_for(look, reached, what, self.params['wait_timeout'], doomed)

    def gone(self, operation: str, about: str, **parameters: t.Any) -> None:
        """Send an EC2 request that removes something; that it is gone already is what was wanted."""
        try:
            self.cloud.ec2(operation, about, **parameters)
        except client.CloudError as error:
            if not error.not_found:
                raise

    def take_back(self, kind: Kind, resource_id: str) -> bool:
        """Remove what this task has just created, since it cannot be finished. False when it stays; a warning names it
        then."""
        try:
            remove(self.cloud, kind, resource_id, TAKE_BACK)
        except (client.CloudError, WaitError) as error:
            self.module.warn(f'{kind.noun} {resource_id} was created, and could not be removed again: {error}')
            self.leaked = True
            return False
        return True

    def _connect(self) -> client.Cloud:
        verify = self.params['validate_certs'] and (self.params['ca_path'] or True)
        return client.Cloud(find_credentials(self.params, os.environ), verify)

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
