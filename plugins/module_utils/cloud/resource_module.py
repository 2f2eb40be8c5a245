# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of modules that manage one resource."""

from __future__ import annotations

import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import CloudError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.module import TAGS, CloudModule, ModuleError, wait_options
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.resources import (
    Kind,
    Resource,
    find_one,
    listing,
    look,
    remove,
    request_removal,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.tags import (
    BUILD_TAG,
    NoTags,
    found_by_id_only,
    plan_tags,
    set_tags,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.waiting import (
    LAST_LOOK,
    Unanswered,
    WaitError,
    in_state,
    within,
)
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan

# Seconds for the removal of a new resource that cannot be completed.
UNDO_TIMEOUT = 60
# Resources that a message names.
SHOWN = 3


class ResourceModule(CloudModule):
    """One resource, identified by its id or its tag Name: created, compared, tagged, removed, awaited.

    A subclass sets ``kind`` and its own ``options``, and implements ``plan_create``.
    """

    kind: t.ClassVar[Kind]
    verb: t.ClassVar[str] = 'create'
    absent: t.ClassVar[str] = 'absent'  # the value of ``state`` that removes the resource
    wait_timeout: t.ClassVar[int] = 600
    fixed: t.ClassVar[tuple[str, ...]] = ()  # options that cannot be changed on an existing resource
    # Such options that not every Eucalyptus reports; a missing value counts as the same.
    fixed_if_reported: t.ClassVar[tuple[str, ...]] = ()
    atomic = True

    def __init_subclass__(cls) -> None:
        cls.key = cls.kind.noun
        cls.options = {
            'state': {'type': 'str', 'choices': ['present', cls.absent], 'default': 'present'},
            cls.kind.id: {'type': 'str'},
            'name': {'type': 'str'},
            **TAGS,
            **wait_options(cls.wait_timeout),
            **cls.options,
        }
        cls.identifying = (cls.kind.id, 'name', *cls.identifying)
        if not cls.kind.tag_named:
            cls.rules = {'required_one_of': [cls.identifying], **cls.rules}

    def find(self) -> Resource | None:
        resource_id, name = self.params[self.kind.id], self.params['name']
        found = find_one(self.cloud, self.kind, resource_id, name)
        if found is None and resource_id is None and self.kind.tag_named:
            self._check_can_be_named()
        self.id: str = found[self.kind.id] if found else ''
        return found

    def _check_can_be_named(self) -> None:
        """Raise NoTags if only an id can identify a resource, and ModuleError if nothing identifies it although a name could."""
        noun, given = self.kind.title, [option for option in self.identifying if self.params[option] is not None]
        if self.cloud.has_tags or self.cloud.build_list:
            if not given:
                raise ModuleError(f'One of {", ".join(self.identifying[:-1])} and {self.identifying[-1]} is required.')
        elif given or self.params['state'] == self.absent:
            way_out = f' To {self.verb} a new {noun}, omit {" and ".join(given)}, and keep the ID that the task returns.'
            raise NoTags(found_by_id_only(noun, self.kind.id) + ('' if self.params['state'] == self.absent else way_out))

    def plan(self, found: Resource | None) -> Plan:
        plan = Plan(found)
        if self.params['state'] == self.absent:
            if found:
                self._plan_removal(plan, found)
            return plan
        if found is None or found['state'] in self.kind.gone:
            self._refuse_given_id(found)
            self.plan_create(plan)
        else:
            self.check_same(found)
            self.plan_change(plan, found)
        name = self.params['name'] if self.kind.tag_named else None
        plan_tags(plan, self.cloud, lambda: self.id, {**self.params, 'name': name})
        plan.result_from(self.wait_present)
        return plan

    def plan_create(self, plan: Plan) -> None:
        """Add the step that creates the resource, with ``request_creation``. Raises ModuleError for missing options."""
        raise NotImplementedError

    def plan_change(self, plan: Plan, found: Resource) -> None:
        """Add the steps that change an existing resource."""

    def check_removable(self, found: Resource) -> None:
        """Raise ModuleError if the cloud would refuse the removal."""

    @property
    def not_found(self) -> str:
        """The sentence about the resource that was not found."""
        wanted = next((self.params[option] for option in self.identifying if self.params[option]), '')
        return f'There is no {self.kind.title} {wanted}.' if wanted else f'The {self.kind.title} does not exist yet.'

    def request_creation(
        self, plan: Plan, what: str, operation: str, about: str, request: dict[str, t.Any], **predicted: t.Any
    ) -> None:
        """Add the step that creates ``what`` ('volume of 5 GiB') by one EC2 request. The options that cannot be changed
        complete the prediction."""

        def send() -> None:
            try:
                reply = self.cloud.ec2(operation, about, **request)
            except CloudError as error:
                if error.lost and self.kind.tag_named:
                    error.args = (f'{error} {self._newest(values)}'.strip(),)
                raise
            # Without an id in the reply, the name serves as the id.
            self.id = (reply.get('Instances') or [reply])[0].get(self.kind.parameter) or self.params['name']

        def send_and_list() -> None:
            """The same with a note, so that the resource of a build can be found after any interruption."""
            if not (notes := self.cloud.notes(self.kind.untraceable)):
                send()
                return
            notes.note(self.kind.noun, values, [one[self.kind.id] for one in listing(self.cloud, self.kind)])
            try:
                send()
                set_tags(self.cloud, self.id, {BUILD_TAG: notes.build}, {})
            except CloudError as error:
                if not error.lost and (not self.id or self.undo_creation()):
                    notes.erase(self.kind.noun)
                raise
            notes.erase(self.kind.noun)

        given = {option: self.params[option] for option in ('name', *self.fixed, *self.fixed_if_reported)}
        values = {option: given[option] for option in (*self.fixed, *self.fixed_if_reported) if given[option] is not None}
        resource = {**self.kind.empty, **given, 'state': self.kind.ready[0], **predicted}
        plan.step(f'{self.verb} {what}', send_and_list, self.undo_creation, **resource)

    def _newest(self, values: dict[str, t.Any]) -> str:
        """A sentence that lists the resources that a creation without a reply may have made. They have no tags yet, so only their
        values identify them."""
        title, born = self.kind.title, self.kind.born
        try:
            listed = within(LAST_LOOK, lambda: listing(self.cloud, self.kind), lambda: None)
        except (CloudError, Unanswered):
            return ''
        fitting = [
            f'{one[self.kind.id]} ({born} {one[born]})'
            for one in sorted(listed, key=lambda one: one[born] or '', reverse=True)
            if not one['tags'] and one['state'] not in self.kind.gone and all(one[key] in (None, values[key]) for key in values)
        ]
        if not fitting:
            return f'So far, the cloud lists no matching {title} without tags.'
        return (
            f'The newest matching {title}s without tags: {", ".join(fitting[:SHOWN])}. If this task made one of them, delete it, '
            f'or continue with {self.kind.id}.'
        )

    def undo_creation(self) -> bool:
        """Remove the new resource, which could not be tagged. Returns False, after a warning, if it is left."""
        try:
            remove(self.cloud, self.kind, self.id, UNDO_TIMEOUT)
        except (CloudError, WaitError) as error:
            title = f'{self.kind.title} {self.id}'
            self.module.warn(f'{title} was created but could not be completed, nor removed: {error}')
            self.leaked = True
            return False
        return True

    def check_same(self, found: Resource) -> None:
        """Raise ModuleError if the resource is unusable, or differs in what cannot be changed."""
        title = f'{self.kind.title.capitalize()} {self.id}'
        if found['state'] in self.kind.failed:
            raise ModuleError(f'{title} is in state {found["state"]}. Delete it (state: {self.absent}) and run again.')
        for option in (*self.fixed, *self.fixed_if_reported):
            wanted, present = self.params[option], found[option]
            unknown = present is None and option in self.fixed_if_reported
            if wanted is not None and wanted != present and not unknown:
                raise ModuleError(f'{title} has the {option} {present}, not {wanted}, and that cannot be changed.')

    def look(self) -> Resource | None:
        return look(self.cloud, self.kind, self.id)

    def wait_present(self) -> Resource | None:
        return self.wait_state(self.kind.ready, (*self.kind.failed, *self.kind.gone))

    def wait_state(self, states: t.Sequence[str], failed: t.Iterable[str]) -> Resource | None:
        """Wait until the resource is in one of these states; it fails in one of ``failed``."""
        return self.wait(self.look, in_state(*states), f'{self.kind.title} {self.id} to become {states[0]}', in_state(*failed))

    def remove(self) -> None:
        request_removal(self.cloud, self.kind, self.id)

    def _plan_removal(self, plan: Plan, found: Resource) -> None:
        last = {**found, 'state': self.kind.removed, **({'volumes': []} if 'volumes' in found else {})}
        if found['state'] not in self.kind.gone:
            self.check_removable(found)
            self.atomic = False  # one step, which may wait long
            plan.remove(f'{self.kind.remove.partition("_")[0]} {self.kind.title} {self.id}', self.remove, after=last)
        removed = in_state(self.kind.removed)
        aim = f'{self.kind.title} {self.id} to be {self.kind.removed}'
        failed = in_state(*self.kind.failed - {found['state']})
        plan.result_from(lambda: self.wait(self.look, lambda now: now is None or removed(now), aim, failed) or last)

    def _refuse_given_id(self, found: Resource | None) -> None:
        if not (wanted := self.params[self.kind.id]):
            return
        noun = self.kind.title
        fate = (
            f'{noun.capitalize()} {wanted} is {found["state"]} and cannot be restored' if found else f'There is no {noun} {wanted}'
        )
        raise ModuleError(f'{fate}. To {self.verb} a new one, omit {self.kind.id} and set name.')
