# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hook, helpers, policy and installers on one node: what is there, what is to be done, in which order.

The order makes it safe. The node may call the hook at any moment and a run may be killed at any moment, and no call must find
parts that do not belong together. So: installers, then helpers and policy, then the hook, each by rename; what is no longer needed
goes last, when the calls that may still use it have ended. Removing goes the other way.

Where a hook is there already and more than one file changes, the node crosses a bridge: the new helpers and policy are put
into a directory of their own, and the new hook, which for the time being looks there, replaces the old one in one step. Only then,
when no call of the old hook runs any more, are the helpers in their usual place replaced, and the bridge by the hook as it is.

Everything that is going to be brought is noted first, so that the next run knows what an interrupted one may have left. Runs on the
node, so it stays valid for Python 2.7.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import functools
import hashlib
import json
import os
import re

from ansible_collections.eucalyptus.cloud.plugins.module_utils.node import controller, files, policy, trial
from ansible_collections.eucalyptus.cloud.plugins.module_utils.node.installers import PARTS, Installers
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan

HOOK = 'bootparams'
POLICY = trial.POLICY
RECORD = 'deployed.json'
NEXT = 'next'  # where the helpers of the bridge are
LOOKS_IN = re.compile(b'(?m)^(conf=\\$home/etc/eucalyptus/bootparams)(/next)?$')


class Refused(Exception):
    """The node stays as it is; the message says why."""


class Deployment:
    """What a node has and what it is to have.

    ``contents``: {name: bytes}, HOOK among them; ``policy_text``: the policy file's text; ``installers``: {path: {part: sha256}};
    ``release``: what is told as the hook's; ``label``: called as label(final path, temporary path), sets what an access control
    system wants.
    """

    def __init__(self, node, contents, policy_text, installers, release, label=None):
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
        self.record = self._read_record()
        self.installers = Installers(self.record['installers'])
        self.differences = {}
        self.crossing = False

    def _read_record(self):
        try:
            record = json.loads(controller.read(self._path(RECORD)).decode('utf-8'))
        except ValueError:
            record = {}
        return {'release': record.get('release', ''), 'files': record.get('files', []), 'installers': record.get('installers', {})}

    def describe(self):
        """The node as it is: the module's return value."""
        hook = controller.read(self.node.hook)
        present = controller.read(self._path(POLICY)).decode('utf-8', 'replace')
        return {
            'state': 'present' if hook else 'absent',
            'eucalyptus_home': self.node.home or '/',
            'eucalyptus_version': self.node.version(),
            'hook': short_digest(hook) if hook else '',
            'release': self.record['release'] if hook else '',
            'policy': policy.digest(present) if present else '',
            'vnc': self.node.vnc(),
            'installers': sorted(
                os.path.basename(path)
                for path in self.record['installers']
                if all(os.path.isfile(os.path.join(path, part)) for part in PARTS)
            ),
        }

    def missing(self):
        """sha256 sums of the installers' files that the node lacks, sorted."""
        found = set()
        for path, wanted in self.wanted_installers.items():
            present = self.installers.digests(path)
            found.update(wanted[part] for part in PARTS if present[part] != wanted[part])
        return sorted(found)

    # The plans

    def plan_present(self, uploads):
        """What brings the node into the wanted state; ``uploads`` ({sha256: path}) has all that is missing."""
        plan = Plan(self.describe())
        self._plan_leftovers(plan)
        self._plan_configuration(plan)
        stale = sorted(set(self.record['files']) - set(self.helpers))
        gone = sorted(set(self.record['installers']) - set(self.wanted_installers))
        if set(self.helpers) - set(self.record['files']) or set(self.wanted_installers) - set(self.record['installers']):
            plan.step('note what is going to be deployed', self._note_first)
        for path, wanted in sorted(self.wanted_installers.items()):
            if self.installers.digests(path) != wanted:
                plan.step(
                    'put installer {0} in place'.format(path),
                    lambda path=path, wanted=wanted: self.installers.install(path, wanted, uploads, self.label),
                )
        self._plan_files(plan)
        if stale or gone:
            plan.step('wait for calls that may use what goes', lambda: trial.wait_for_calls(self.node.hook))
        for name in stale:
            self._plan_removal(plan, name)
        self._plan_gone(plan, gone)
        if plan.changed:
            plan.after = self._expected(plan.before)
        plan.result_from(self._finish)
        return plan

    def plan_absent(self):
        """What removes all that was brought, the hook first."""
        plan = Plan(self.describe())
        self._plan_leftovers(plan)
        if os.path.lexists(self.node.hook):
            self._note_difference(HOOK, self.node.hook, None)
            plan.step('remove the hook', lambda: files.remove(self.node.hook))
            plan.step('wait for calls of the hook', lambda: trial.wait_for_calls(self.node.hook))
        for name in sorted(set(self.record['files']) | set(self.helpers)):
            if os.path.lexists(self._path(name)):
                self._plan_removal(plan, name)
        self._plan_no_bridge(plan)
        self._plan_gone(plan, sorted(self.record['installers']))
        if os.path.lexists(self._path(RECORD)):
            plan.step('remove the note of what was deployed', self._forget)
        if plan.changed:
            plan.after = dict(plan.before, state='absent', hook='', release='', policy='', installers=[])
        plan.result_from(self.describe)
        return plan

    def _plan_leftovers(self, plan):
        paths = []
        installers = list(self.record['installers']) + list(self.wanted_installers)
        for place in sorted({os.path.dirname(path) for path in installers}):
            paths += files.leftovers(place)
        paths += files.leftovers(self.node.configuration)
        for remove, left in ((trial.remove, self.trials.leftovers()), (files.remove, paths)):
            for path in left:
                plan.step('remove {0}, left by an interrupted run'.format(path), functools.partial(remove, path))

    def _plan_configuration(self, plan):
        path = self.node.configuration
        if not os.path.isdir(path):
            plan.step('make {0}'.format(path), lambda: files.make_directory(path))
            return
        found = os.stat(path)
        if found.st_mode & 0o7777 != 0o755 or found.st_uid != os.geteuid():
            plan.step('give {0} its owner and mode'.format(path), self._own_configuration)

    def _plan_files(self, plan):
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
            differing.setdefault(HOOK, ['as it is'])
        for name in sorted(set(differing) - {HOOK}) + [HOOK] * (HOOK in differing):
            self._plan_file(plan, name, wanted[name], differing[name])
        self._plan_no_bridge(plan)

    def _plan_bridge(self, plan):
        """Let the node call the new hook with helpers of its own, so that those in the usual place can be replaced."""
        old = controller.read(self.node.hook)
        if not old or LOOKS_IN.findall(old) == [(b'conf=$home/etc/eucalyptus/bootparams', b'/next')]:
            return  # nobody looks in the usual place
        bridge, count = LOOKS_IN.subn(b'\\1/next', self.hook)
        if count != 1:
            raise Refused(
                'the new hook does not say in one line where its helpers are, so it cannot take the place of the old one '
                'while instances are launched. Remove the old one (state=absent) first'
            )
        try:
            self.trials.run_bridge(bridge, self.sheets, NEXT)
        except trial.Failed as error:
            raise Refused('tried on the node as {0}, the hook does not work in passing: {1}'.format(self.trials.user, error))
        plan.step('bring the new helpers beside the old ones', self._bring_next)
        put = files.Wanted(self.node.hook, bridge, 0o755)
        plan.step(
            'put the new hook with these in place of the old one',
            lambda: put.write(self.node.configuration, self._label_for(self.node.hook)),
        )
        plan.step('wait for calls of the old hook', lambda: trial.wait_for_calls(self.node.hook))
        self.crossing = True

    def _plan_no_bridge(self, plan):
        if self.crossing or os.path.lexists(self.next):
            plan.step('wait for calls that use {0}'.format(self.next), lambda: trial.wait_for_calls(self.node.hook))
            plan.step('remove {0}'.format(self.next), lambda: files.remove(self.next))

    def _plan_file(self, plan, name, wanted, how):
        self._note_difference(name, wanted.path, wanted.content)
        plan.step(
            'write {0} ({1})'.format(name, ', '.join(how)),
            lambda: wanted.write(self.node.configuration, self._label_for(wanted.path)),
        )

    def _plan_removal(self, plan, name):
        self._note_difference(name, self._path(name), None)
        plan.step('remove {0}'.format(name), lambda: files.remove(self._path(name)))

    def _plan_gone(self, plan, paths):
        for path in paths:
            plan.step('remove installer {0}'.format(path), lambda path=path: self.installers.remove(path))
        for place in sorted({os.path.dirname(path) for path in paths}):
            plan.step('remove {0} if it is empty'.format(place), lambda place=place: files.remove_if_empty(place))

    def _wanted(self, name):
        content = self.helpers[name]
        if name != POLICY or not policy.SECRET.search(self.policy):
            return files.Wanted(self._path(name), content, 0o755 if content.startswith(b'#!') else 0o644)
        if self.node.account is None:
            raise Refused(
                'the policy has a password, and the account that runs the node controller, which alone may read it, is '
                'unknown on this node: say its name in the option user'
            )
        return files.Wanted(self._path(name), content, 0o640, self.node.account.pw_gid)

    def _try(self):
        """Try the new hook on this node, with all that belongs to it, before anything is written. Raises Refused."""
        try:
            self.trials.run(self.hook, self.sheets, self.helpers[POLICY])
        except trial.Failed as error:
            raise Refused('tried on the node as {0}, the hook does not work: {1}'.format(self.trials.user, error))

    # Doing it

    def _bring_next(self):
        files.remove(self.next)
        files.make_directory(self.next)
        for name in self.helpers:
            wanted = self._wanted(name)
            wanted.path = os.path.join(self.next, name)
            wanted.write(self.node.configuration, self._label_for(self._path(name)))

    def _label_for(self, path):
        return (lambda temporary: self.label(path, temporary)) if self.label else None

    def _own_configuration(self):
        os.chown(self.node.configuration, os.geteuid(), os.getegid())
        os.chmod(self.node.configuration, 0o755)

    def _note_first(self):
        self._write_record(
            set(self.record['files']) | set(self.helpers),
            dict(dict.fromkeys(self.wanted_installers, {}), **self.record['installers']),
        )

    def _finish(self):
        self.record['release'] = self._release()
        self._write_record(self.helpers, {path: self.installers.seen.get(path, {}) for path in self.wanted_installers})
        return self.describe()

    def _forget(self):
        files.remove(self._path(RECORD))
        files.remove_if_empty(self.node.configuration)
        self.record = self._read_record()

    def _write_record(self, names, installers):
        record = {'release': self.record['release'], 'files': sorted(names), 'installers': installers}
        content = json.dumps(record, indent=1, sort_keys=True).encode('utf-8') + b'\n'
        wanted = files.Wanted(self._path(RECORD), content, 0o600)
        if wanted.differs():
            files.make_directory(self.node.configuration)
            wanted.write(self.node.configuration)
        self.record = record

    # Telling it

    def _release(self):
        """Named after what brought the present hook: a release that changes nothing in it does not change it."""
        return self.release if HOOK in self.differences or not self.record['release'] else self.record['release']

    def _expected(self, before):
        return dict(
            before,
            state='present',
            hook=short_digest(self.hook),
            policy=policy.digest(self.policy),
            release=self._release(),
            installers=sorted(os.path.basename(path) for path in self.wanted_installers),
        )

    def _note_difference(self, name, path, content):
        before = controller.read(path).decode('utf-8', 'replace')
        after = (content or b'').decode('utf-8', 'replace')
        if before != after:
            self.differences[name] = {
                'before_header': path,
                'after_header': path,
                'before': policy.without_secret(before),
                'after': policy.without_secret(after),
            }

    def _path(self, name):
        return os.path.join(self.node.configuration, name)


def short_digest(content):
    return hashlib.sha256(content).hexdigest()[:12]
