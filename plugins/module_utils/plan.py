# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module is going to do, before it does it.

Runs on node controllers too, so it stays valid for Python 2.7 and knows nothing of clouds or Ansible.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type


class Plan:
    """A resource as it was found, the steps that bring it into the wanted state, and how to see it afterwards.

    ``before`` is the resource as found: a dict, a list (for reading only), or None when there is none.
    Check mode is a plan that is not applied, a diff is a plan that is shown, changed is a plan with steps.
    """

    def __init__(self, before=None):
        self.before = before
        self.after = before
        self.words = []  # what each step does, in order
        self.done = []  # the words of those that were done
        self._calls = []
        self._settle = None

    @property
    def changed(self):
        return bool(self._calls)

    def step(self, words, call, undo=None, **changes):
        """Add a step: its words ('create volume of 5 GiB'), its call (no arguments), the keys it changes in the
        resource.

        ``undo`` is called when a later step fails; it returns whether nothing is left of this one.
        """
        self._add(words, call, undo)
        self.after = dict(self.after or {}, **changes)

    def remove(self, words, call, after=None):
        """Add a step after which the resource is gone; ``after`` is what is then still told of it."""
        self._add(words, call)
        self.after = after

    def settle(self, look):
        """Say how to see the resource after the last step, waiting if need be. It is called with no steps, too."""
        self._settle = look

    def apply(self):
        """Do all steps in order and return the resource as it then is. An exception leaves the rest undone."""
        self.do_steps()
        return self.settled()

    def do_steps(self):
        undos = []
        for words, call, undo in self._calls:
            try:
                call()
            except Exception:
                for undone, revert in reversed(undos):
                    if revert():
                        self.done.remove(undone)
                raise
            self.done.append(words)
            if undo:
                undos.append((words, undo))

    def settled(self):
        """The resource after the steps, waiting if need be."""
        return self._settle() if self._settle else self.after

    def diff(self):
        """The keys that the plan changes, as Ansible's ``diff`` wants them: {'before': {...}, 'after': {...}}."""
        before = self.before if isinstance(self.before, dict) else {}
        after = self.after if isinstance(self.after, dict) else {}
        if not self.changed:
            return {'before': {}, 'after': {}}
        keys = [key for key in set(before) | set(after) if before.get(key) != after.get(key)]
        return {
            'before': {key: before[key] for key in keys if key in before},
            'after': {key: after[key] for key in keys if key in after},
        }

    def _add(self, words, call, undo=None):
        self.words.append(words)
        self._calls.append((words, call, undo))
