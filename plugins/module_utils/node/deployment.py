# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hook, helpers, policy and installers on one node: their present state, and the order in which they are deployed or removed.

The order makes it safe. The node can call the hook at any moment and a run can be killed at any moment, and no call may find
parts that do not belong together. Installers come first, then helpers and policy, then the hook, each by rename. Files that are no
longer needed go last, when the calls that may use them have ended. Removal is in the opposite order.

When a hook is present already and more than one file changes, the node crosses a bridge. The new helpers and policy are written
to a directory of their own, and the new hook, changed to look there, replaces the old one in one step. Once no call of the old hook
is running, the helpers in the usual place are replaced, and then the bridge by the unchanged hook.

Everything is recorded before it is written, so that the next run can find what an interrupted one left. Runs on the node, so
it stays valid for Python 2.7.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import functools
import hashlib
import os
import re

from ansible_collections.eucalyptus.cloud.plugins.module_utils.node import controller, errors, files, policy, trial, vnc
from ansible_collections.eucalyptus.cloud.plugins.module_utils.node.installers import PARTS, Installers
from ansible_collections.eucalyptus.cloud.plugins.module_utils.node.record import Record
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan

TYPE_CHECKING = False  # Python 2.7 has no typing, so types are in comments
if TYPE_CHECKING:
    import typing as t  # noqa: F401
    from ansible_collections.eucalyptus.cloud.plugins.module_utils.node.installers import Label, Notes, Sums  # noqa: F401

HOOK = 'bootparams'
POLICY = trial.POLICY
NEXT = 'next'  # where the helpers of the bridge are
LOOKS_IN = re.compile(b'(?m)^(conf=\\$home/etc/eucalyptus/bootparams)(/next)?$')


class DeploymentRefused(errors.NodeError):
    """A deployment that cannot be made without breaking launches. Nothing was changed."""


class Deployment:
    """The present and the wanted state of a node.

    ``contents``: {name: bytes}, HOOK among them; ``policy_text``: the policy file's text; ``installers``: {path: {part: sha256}};
    ``release``: version of the collection; ``label``: called as label(final path, temporary path), sets the security context.
    """

    def __init__(self, node, contents, policy_text, installers, release, label=None):
        # type: (controller.Node, dict[str, bytes], str, dict[str, Sums], str, Label | None) -> None
        self.node = node
        self.policy = policy_text
        self.wanted_installers = installers
        self.release = release
        self.label = label
        self.hook = contents[HOOK]
        self.sheets = {name: content for name, content in contents.items() if name != HOOK}
        self.helpers = dict(self.sheets, **{POLICY: policy_text.encode('utf-8')})
        self.next = self._path(NEXT)
        self.trials = trial.Trials(contents.get(trial.SCRIPT, b''), node.home, node.account)
        self.record = Record(node.configuration)
        self.installers = Installers(self.record.installers)
        self.differences = {}  # type: dict[str, dict[str, str]]
        self.crossing = False

    def describe(self):
        # type: () -> dict[str, t.Any]
        """Return the present state of the node: the module's return value."""
        hook = controller.read(self.node.hook)
        present = controller.read(self._path(POLICY)).decode('utf-8', 'replace')
        return {
            'state': 'present' if hook else 'absent',
            'eucalyptus_home': self.node.home or '/',
            'eucalyptus_version': self.node.version(),
            'hook': short_digest(hook) if hook else '',
            'release': self.record.release if hook else '',
            'policy': policy.digest(present) if present else '',
            'vnc': self.node.vnc(),
            'installers': sorted(
                os.path.basename(path)
                for path in self.record.installers
                if all(os.path.isfile(os.path.join(path, part)) for part in PARTS)
            ),
        }

    def missing(self):
        # type: () -> list[str]
        """Return the SHA-256 sums of the installers' files that the node lacks, sorted."""
        found = set()  # type: set[str]
        for path, wanted in self.wanted_installers.items():
            present = self.installers.digests(path)
            found.update(wanted[part] for part in PARTS if present[part] != wanted[part])
        return sorted(found)

    # The plans

    def plan_present(self, uploads):
        # type: (dict[str, str]) -> Plan
        """Return the steps to the wanted state; ``uploads`` ({sha256: path}) has all missing files."""
        plan = Plan(self.describe())
        self._plan_leftovers(plan)
        self._plan_configuration(plan)
        stale = sorted(set(self.record.files) - set(self.helpers))
        gone = sorted(set(self.record.installers) - set(self.wanted_installers))
        if set(self.helpers) - set(self.record.files) or set(self.wanted_installers) - set(self.record.installers):
            plan.step('record the files to be deployed', self._record_first)
        for path, wanted in sorted(self.wanted_installers.items()):
            if self.installers.digests(path) != wanted:
                plan.step(
                    'put installer {0} in place'.format(path),
                    functools.partial(self.installers.install, path, wanted, uploads, self.label),
                )
        self._plan_files(plan)
        if stale or gone:
            plan.step('wait for calls that may use removed files', lambda: trial.wait_for_calls(self.node.hook))
        for name in stale:
            self._plan_removal(plan, name)
        self._plan_gone(plan, gone)
        if plan.changed:
            plan.after = self._expected(plan.before)
        plan.result_from(self._finish)
        return plan

    def plan_absent(self):
        # type: () -> Plan
        """Return the steps that remove everything that was deployed, the hook first."""
        plan = Plan(self.describe())
        self._plan_leftovers(plan)
        if os.path.lexists(self.node.hook):
            self._note_difference(HOOK, self.node.hook, None)
            plan.step('remove the hook', lambda: files.remove(self.node.hook))
            plan.step('wait for calls of the hook', lambda: trial.wait_for_calls(self.node.hook))
        for name in sorted(set(self.record.files) | set(self.helpers)):
            if os.path.lexists(self._path(name)):
                self._plan_removal(plan, name)
        self._plan_no_bridge(plan)
        self._plan_gone(plan, sorted(self.record.installers))
        if os.path.lexists(self.record.path):
            plan.step('remove the record of what was deployed', self._forget)
        if plan.changed:
            plan.after = dict(plan.before, state='absent', hook='', release='', policy='', installers=[])
        plan.result_from(self.describe)
        return plan

    def _plan_leftovers(self, plan):
        # type: (Plan) -> None
        paths = []
        installers = list(self.record.installers) + list(self.wanted_installers)
        for place in sorted({os.path.dirname(path) for path in installers}):
            paths += files.leftovers(place)
        paths += files.leftovers(self.node.configuration)
        for remove, left in ((trial.remove, self.trials.leftovers()), (files.remove, paths)):
            for path in left:
                plan.step('remove {0}, left by an interrupted run'.format(path), functools.partial(remove, path))

    def _plan_configuration(self, plan):
        # type: (Plan) -> None
        path = self.node.configuration
        if not os.path.isdir(path):
            plan.step('make {0}'.format(path), lambda: files.make_directory(path))
            return
        found = os.stat(path)
        if found.st_mode & 0o7777 != 0o755 or found.st_uid != os.geteuid():
            plan.step('set owner and mode of {0}'.format(path), self._own_configuration)

    def _plan_files(self, plan):
        # type: (Plan) -> None
        wanted = {name: self._wanted(name) for name in self.helpers}
        wanted[HOOK] = files.Wanted(self.node.hook, self.hook, 0o755)
        differing = {name: each.differs() for name, each in wanted.items()}
        differing = {name: how for name, how in differing.items() if how}
        changed = [name for name, how in differing.items() if set(how) - {'mode', 'owner'}]
        if changed:
            self._try()
        if len(set(changed) - {trial.SCRIPT}) > 1:
            self._plan_bridge(plan)
        if self.crossing:
            differing.setdefault(HOOK, ['unchanged'])
        for name in sorted(set(differing) - {HOOK}) + [HOOK] * (HOOK in differing):
            self._plan_file(plan, name, wanted[name], differing[name])
        self._plan_no_bridge(plan)

    def _plan_bridge(self, plan):
        # type: (Plan) -> None
        """Let the node call the new hook with helpers of its own, so that those in the usual place can be replaced."""
        old = controller.read(self.node.hook)
        if not old or LOOKS_IN.findall(old) == [(b'conf=$home/etc/eucalyptus/bootparams', b'/next')]:
            return  # no call looks in the usual place
        bridge, count = LOOKS_IN.subn(b'\\1/next', self.hook)
        if count != 1:
            raise DeploymentRefused(
                'The new hook does not name the directory of its helpers in one line, so it cannot replace the old one while '
                'instances are launched. Remove the old one first (state=absent).'
            )
        try:
            self.trials.run_bridge(bridge, self.sheets, NEXT)
        except trial.TrialFailed as error:
            raise DeploymentRefused(
                'Run as {0}, the hook does not work on this node during its replacement: {1}'.format(self.trials.user, error)
            )
        plan.step('write the new helpers beside the old ones', self._bring_next)
        put = files.Wanted(self.node.hook, bridge, 0o755)
        plan.step(
            'replace the old hook with the new one, which uses these',
            lambda: put.write(self.node.configuration, self._label_for(self.node.hook)),
        )
        plan.step('wait for calls of the old hook', lambda: trial.wait_for_calls(self.node.hook))
        self.crossing = True

    def _plan_no_bridge(self, plan):
        # type: (Plan) -> None
        if self.crossing or os.path.lexists(self.next):
            plan.step('wait for calls that use {0}'.format(self.next), lambda: trial.wait_for_calls(self.node.hook))
            plan.step('remove {0}'.format(self.next), lambda: files.remove(self.next))

    def _plan_file(self, plan, name, wanted, how):
        # type: (Plan, str, files.Wanted, list[str]) -> None
        self._note_difference(name, wanted.path, wanted.content)
        plan.step(
            'write {0} ({1})'.format(name, ', '.join(how)),
            lambda: wanted.write(self.node.configuration, self._label_for(wanted.path)),
        )

    def _plan_removal(self, plan, name):
        # type: (Plan, str) -> None
        self._note_difference(name, self._path(name), None)
        plan.step('remove {0}'.format(name), lambda: files.remove(self._path(name)))

    def _plan_gone(self, plan, paths):
        # type: (Plan, list[str]) -> None
        for path in paths:
            plan.step('remove installer {0}'.format(path), functools.partial(self.installers.remove, path))
        for place in sorted({os.path.dirname(path) for path in paths}):
            plan.step('remove {0} if it is empty'.format(place), functools.partial(files.remove_if_empty, place))

    def _wanted(self, name):
        # type: (str) -> files.Wanted
        content = self.helpers[name]
        if name != POLICY or not policy.has_password(self.policy):
            return files.Wanted(self._path(name), content, 0o755 if content.startswith(b'#!') else 0o644)
        if self.node.account is None:
            raise DeploymentRefused(
                'The policy has a password, which only the account that runs the node controller may read, and that account is '
                'unknown on this node. Set it in the option user (nc_hooks_user of the role).'
            )
        return files.Wanted(self._path(name), content, 0o640, self.node.account.pw_gid)

    def _try(self):
        # type: () -> None
        """Try the new hook with its helpers and policy on this node, before anything is written. Raises DeploymentRefused."""
        try:
            self.trials.run(self.hook, self.sheets, self.helpers[POLICY])
        except trial.TrialFailed as error:
            raise DeploymentRefused('Run as {0}, the hook does not work on this node: {1}'.format(self.trials.user, error))

    # Doing it

    def _bring_next(self):
        # type: () -> None
        files.remove(self.next)
        files.make_directory(self.next)
        for name in self.helpers:
            wanted = self._wanted(name)
            wanted.path = os.path.join(self.next, name)
            wanted.write(self.node.configuration, self._label_for(self._path(name)))

    def _label_for(self, path):
        # type: (str) -> t.Callable[[str], object] | None
        return functools.partial(self.label, path) if self.label else None

    def _own_configuration(self):
        # type: () -> None
        os.chown(self.node.configuration, os.geteuid(), os.getegid())
        os.chmod(self.node.configuration, 0o755)

    def _record_first(self):
        # type: () -> None
        installers = dict(dict.fromkeys(self.wanted_installers, {}), **self.record.installers)  # type: dict[str, Notes]
        self.record.write(self.record.release, set(self.record.files) | set(self.helpers), installers)

    def _finish(self):
        # type: () -> dict[str, t.Any]
        installers = {path: self.installers.seen.get(path, {}) for path in self.wanted_installers}
        self.record.write(self._release(), self.helpers, installers)
        return self.describe()

    def _forget(self):
        # type: () -> None
        files.remove(self.record.path)
        files.remove_if_empty(self.node.configuration)
        self.record = Record(self.node.configuration)

    # The report

    def _release(self):
        # type: () -> str
        """Return the release that deployed the present hook; one that does not change the hook does not count."""
        return self.release if HOOK in self.differences or not self.record.release else self.record.release

    def _expected(self, before):
        # type: (dict[str, t.Any]) -> dict[str, t.Any]
        return dict(
            before,
            state='present',
            hook=short_digest(self.hook),
            policy=policy.digest(self.policy),
            release=self._release(),
            installers=sorted(os.path.basename(path) for path in self.wanted_installers),
        )

    def _note_difference(self, name, path, content):
        # type: (str, str, bytes | None) -> None
        before, after = (each.decode('utf-8', 'replace') for each in (controller.read(path), content or b''))
        if before != after:
            shown = [vnc.without_passwords(text) for text in (before, after)]
            if name != POLICY and not (before and after):  # hundreds of lines, of which each is as new as the others
                shown = [summary(text) for text in shown]
            headers = {'before_header': path, 'after_header': path}
            self.differences[name] = dict(headers, before=shown[0], after=shown[1])

    def _path(self, name):
        # type: (str) -> str
        return os.path.join(self.node.configuration, name)


def summary(text):
    # type: (str) -> str
    """Return one line on a whole file, '' for none."""
    if not text:
        return ''
    return 'file of {0} lines, SHA-256 {1}\n'.format(text.count('\n'), short_digest(text.encode('utf-8')))


def short_digest(content):
    # type: (bytes) -> str
    return hashlib.sha256(content).hexdigest()[:12]
