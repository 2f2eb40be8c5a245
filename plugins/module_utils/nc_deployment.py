# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hook, helpers, policy and installers on one node: what is there, what is to be done, in which order.

The order makes it safe. The node may call the hook at any moment and a run may be killed at any moment, and no call must find
parts that do not belong together. So: installers, then helpers and policy, then the hook, each by rename; what is no longer needed
goes last, when the calls that may still use it have ended. Removing goes the other way. Everything that is going to be brought is
noted first, so that the next run knows what an interrupted one may have left. Runs on the node, so it stays valid for Python 2.7.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import hashlib
import json
import os

from ansible_collections.eucalyptus.cloud.plugins.module_utils import nc_files, nc_node, nc_policy, nc_trial
from ansible_collections.eucalyptus.cloud.plugins.module_utils.nc_installers import PARTS, Installers
from ansible_collections.eucalyptus.cloud.plugins.module_utils.plan import Plan

HOOK = 'bootparams'
POLICY = 'policy.conf'
RECORD = 'deployed.json'
NO_EXCHANGE = ('the stylesheets there and the new ones cannot be exchanged while instances are launched: hook and stylesheets '
               'of the two releases do not work together. Remove the hook (state=absent) and deploy it again, at a time when no '
               'instance with boot parameters is launched')


class Refused(Exception):
    """The node stays as it is; the message says why."""


class Deployment:
    """What a node has and what it is to have.

    ``files``: {name: bytes}, HOOK among them; ``policy``: the policy file's text; ``installers``: {path: {part: sha256}};
    ``release``: what is told as the hook's; ``label``: called as label(final path, temporary path), sets what an access control
    system wants.
    """

    def __init__(self, node, files, policy, installers, release, label=None):
        self.node = node
        self.policy = policy
        self.wanted_installers = installers
        self.release = release
        self.label = label
        self.hook = files[HOOK]
        self.sheets = {name: content for name, content in files.items() if name != HOOK}
        self.helpers = dict(self.sheets, **{POLICY: policy.encode('utf-8')})
        self.trials = nc_trial.Trials(files.get(nc_trial.SCRIPT, b''), node.home, node.account)
        self.record = self._read_record()
        self.installers = Installers(self.record['installers'])
        self.differences = {}

    def _read_record(self):
        try:
            record = json.loads(nc_node.read(self._path(RECORD)).decode('utf-8'))
        except ValueError:
            record = {}
        return {'release': record.get('release', ''), 'files': record.get('files', []), 'installers': record.get('installers', {})}

    def describe(self):
        """The node as it is: the module's return value."""
        hook = nc_node.read(self.node.hook)
        policy = nc_node.read(self._path(POLICY)).decode('utf-8', 'replace')
        return {
            'state': 'present' if hook else 'absent',
            'eucalyptus_home': self.node.home or '/',
            'eucalyptus_version': self.node.version(),
            'hook': short_digest(hook) if hook else '',
            'release': self.record['release'] if hook else '',
            'policy': nc_policy.digest(policy) if policy else '',
            'vnc': self.node.vnc(),
            'installers': sorted(os.path.basename(path) for path in self.record['installers']
                                 if all(os.path.isfile(os.path.join(path, part)) for part in PARTS)),
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
                plan.step('put installer {0} in place'.format(path), lambda path=path, wanted=wanted: self.installers.install(
                    path, wanted, uploads, self.label))
        self._plan_files(plan)
        if stale or gone:
            plan.step('wait for calls that may use what goes', lambda: nc_trial.wait_for_calls(self.node.hook))
        for name in stale:
            self._plan_removal(plan, name)
        self._plan_gone(plan, gone)
        if plan.changed:
            plan.after = self._expected(plan.before)
        plan.settle(self._finish)
        return plan

    def plan_absent(self):
        """What removes all that was brought, the hook first."""
        plan = Plan(self.describe())
        self._plan_leftovers(plan)
        if os.path.lexists(self.node.hook):
            self._note_difference(HOOK, self.node.hook, None)
            plan.step('remove the hook', lambda: nc_files.remove(self.node.hook))
            plan.step('wait for calls of the hook', lambda: nc_trial.wait_for_calls(self.node.hook))
        for name in sorted(set(self.record['files']) | set(self.helpers)):
            if os.path.lexists(self._path(name)):
                self._plan_removal(plan, name)
        self._plan_gone(plan, sorted(self.record['installers']))
        if os.path.lexists(self._path(RECORD)):
            plan.step('remove the note of what was deployed', self._forget)
        if plan.changed:
            plan.after = dict(plan.before, state='absent', hook='', release='', policy='', installers=[])
        plan.settle(self.describe)
        return plan

    def _plan_leftovers(self, plan):
        paths = self.trials.leftovers()
        installers = list(self.record['installers']) + list(self.wanted_installers)
        for place in sorted({os.path.dirname(path) for path in installers}):
            paths += nc_files.leftovers(place)
        for path in paths + nc_files.leftovers(self.node.configuration):
            plan.step('remove {0}, left by an interrupted run'.format(path), lambda path=path: nc_files.remove(path))

    def _plan_configuration(self, plan):
        path = self.node.configuration
        if not os.path.isdir(path):
            plan.step('make {0}'.format(path), lambda: nc_files.make_directory(path))
            return
        found = os.stat(path)
        if found.st_mode & 0o7777 != 0o755 or found.st_uid != os.geteuid():
            plan.step('give {0} its owner and mode'.format(path), self._own_configuration)

    def _plan_files(self, plan):
        wanted = {name: self._wanted(name) for name in self.helpers}
        wanted[HOOK] = nc_files.Wanted(self.node.hook, self.hook, 0o755)
        differing = {name: each.differs() for name, each in wanted.items()}
        differing = {name: how for name, how in differing.items() if how}
        late = []
        if any(set(how) - {'mode', 'owner'} for how in differing.values()):
            late = self._try(differing)
        hook = [HOOK] if HOOK in differing else []
        for name in sorted(set(differing) - set(late) - set(hook)) + hook:
            self._plan_file(plan, name, wanted[name], differing[name])
        if late:
            plan.step('wait for calls of the old hook', lambda: nc_trial.wait_for_calls(self.node.hook))
        for name in late:
            self._plan_file(plan, name, wanted[name], differing[name])

    def _plan_file(self, plan, name, wanted, how):
        self._note_difference(name, wanted.path, wanted.content)
        label = (lambda temporary: self.label(wanted.path, temporary)) if self.label else None
        plan.step('write {0} ({1})'.format(name, ', '.join(how)), lambda: wanted.write(self.node.configuration, label))

    def _plan_removal(self, plan, name):
        self._note_difference(name, self._path(name), None)
        plan.step('remove {0}'.format(name), lambda: nc_files.remove(self._path(name)))

    def _plan_gone(self, plan, paths):
        for path in paths:
            plan.step('remove installer {0}'.format(path), lambda path=path: self.installers.remove(path))
        for place in sorted({os.path.dirname(path) for path in paths}):
            plan.step('remove {0} if it is empty'.format(place), lambda place=place: nc_files.remove_if_empty(place))

    def _wanted(self, name):
        content = self.helpers[name]
        if name != POLICY or not nc_policy.SECRET.search(self.policy):
            return nc_files.Wanted(self._path(name), content, 0o755 if content.startswith(b'#!') else 0o644)
        if self.node.account is None:
            raise Refused('the policy has a password, and the account that runs the node controller, which alone may read it, is '
                          'unknown on this node: say its name in the option user')
        return nc_files.Wanted(self._path(name), content, 0o640, self.node.account.pw_gid)

    # Trying it

    def _try(self, differing):
        """Try the new hook, and every mixture of old and new that a call may meet, before anything is written.

        Returns the names of the helpers that have to be written after the hook. Raises Refused.
        """
        run, works = self.trials.run, self.trials.works
        policy = self.helpers[POLICY]
        try:
            run(self.hook, self.sheets, policy)
        except nc_trial.Failed as error:
            raise Refused('tried on the node as {0}, the hook does not work: {1}'.format(self.trials.user, error))
        old_hook, old_policy = nc_node.read(self.node.hook), nc_node.read(self._path(POLICY))
        old = {name: nc_node.read(self._path(name)) for name in self.sheets}
        changed = sorted(name for name in differing if name in self.sheets and name != nc_trial.SCRIPT)
        if not old_hook or not (changed or HOOK in differing) or not works(old_hook, old, old_policy):
            return []  # nothing there that works, or only the policy changes, which a call reads in one go
        late = []
        if changed and not self.trials.all_mixtures_work(old_hook, old, self.sheets):
            if old_hook == self.hook or not self.trials.all_mixtures_work(self.hook, old, self.sheets):
                raise Refused(NO_EXCHANGE)
            late = changed
        if POLICY in differing and HOOK in differing and not works(old_hook, old, policy):
            if not works(self.hook, self.sheets, old_policy):
                raise Refused('the old hook does not understand the new policy, nor the new hook the old policy. Remove the hook '
                              '(state=absent) and deploy it again')
            late.append(POLICY)
        return late

    # Doing it

    def _own_configuration(self):
        os.chown(self.node.configuration, os.geteuid(), os.getegid())
        os.chmod(self.node.configuration, 0o755)

    def _note_first(self):
        self._write_record(set(self.record['files']) | set(self.helpers),
                           dict(dict.fromkeys(self.wanted_installers, {}), **self.record['installers']))

    def _finish(self):
        self.record['release'] = self._release()
        self._write_record(self.helpers, {path: self.installers.seen.get(path, {}) for path in self.wanted_installers})
        return self.describe()

    def _forget(self):
        nc_files.remove(self._path(RECORD))
        nc_files.remove_if_empty(self.node.configuration)
        self.record = self._read_record()

    def _write_record(self, files, installers):
        record = {'release': self.record['release'], 'files': sorted(files), 'installers': installers}
        content = json.dumps(record, indent=1, sort_keys=True).encode('utf-8') + b'\n'
        wanted = nc_files.Wanted(self._path(RECORD), content, 0o600)
        if wanted.differs():
            nc_files.make_directory(self.node.configuration)
            wanted.write(self.node.configuration)
        self.record = record

    # Telling it

    def _release(self):
        """Named after what brought the present hook: a release that changes nothing in it does not change it."""
        return self.release if HOOK in self.differences or not self.record['release'] else self.record['release']

    def _expected(self, before):
        return dict(before, state='present', hook=short_digest(self.hook), policy=nc_policy.digest(self.policy),
                    release=self._release(), installers=sorted(os.path.basename(path) for path in self.wanted_installers))

    def _note_difference(self, name, path, content):
        before = nc_node.read(path).decode('utf-8', 'replace')
        after = (content or b'').decode('utf-8', 'replace')
        if before != after:
            self.differences[name] = {'before_header': path, 'after_header': path, 'before': nc_policy.without_secret(before),
                                      'after': nc_policy.without_secret(after)}

    def _path(self, name):
        return os.path.join(self.node.configuration, name)


def short_digest(content):
    return hashlib.sha256(content).hexdigest()[:12]
