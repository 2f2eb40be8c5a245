# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ordered steps a module will take, worked out before any of them runs.

It also runs on node controllers, so it stays valid for Python 2.7 and imports nothing of clouds or Ansible.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

TYPE_CHECKING = False  # Python 2.7 has no typing, so types are in comments
if TYPE_CHECKING:
    import typing as t  # noqa: F401


class Plan:
    """A resource as found, the steps that bring it into the wanted state, and a way to read it afterwards.

    ``before`` is the resource as found: a dict, a list (for reading only), or None when it does not exist. ``after`` is
    the prediction. Check mode is a plan that is not applied, a diff is a plan that is shown, changed is a plan with
    steps.
    """

    def __init__(self, before=None):
        # type: (t.Any) -> None
        self.before = before
        self.after = before
        # One description for each step, in order, and those of the steps that were completed.
        self.descriptions = []  # type: list[str]
        self.done = []  # type: list[str]
        self._steps = []  # type: list[tuple[str, t.Callable[[], object], t.Callable[[], bool] | None]]
        self._read = None  # type: t.Callable[[], t.Any] | None

    @property
    def changed(self):
        # type: () -> bool
        return bool(self._steps)

    def step(self, action, call, undo=None, **changes):
        # type: (str, t.Callable[[], object], t.Callable[[], bool] | None, t.Any) -> None
        """Add a step: its description ('create volume of 5 GiB'), its call (without arguments), and the keys of the
        resource that it changes.

        ``undo`` is called when a later step fails. It returns True when nothing of this step is left.
        """
        self._add(action, call, undo)
        self.after = dict(self.after or {}, **changes)

    def remove(self, action, call, after=None):
        # type: (str, t.Callable[[], object], t.Any) -> None
        """Add a step that removes the resource; ``after`` is the prediction from then on."""
        self._add(action, call)
        self.after = after

    def result_from(self, read):
        # type: (t.Callable[[], t.Any]) -> None
        """Set the function that reads the resource after the last step, waiting if necessary. It is also called when
        the plan has no steps."""
        self._read = read

    def apply(self):
        # type: () -> t.Any
        """Do all steps in order and return the resource afterwards. After an exception the later steps are not done."""
        self.do_steps()
        return self.result()

    def do_steps(self):
        # type: () -> None
        undos = []  # type: list[tuple[str, t.Callable[[], bool]]]
        for action, call, undo in self._steps:
            try:
                call()
            except Exception:
                for undone, revert in reversed(undos):
                    if revert():
                        self.done.remove(undone)
                raise
            self.done.append(action)
            if undo:
                undos.append((action, undo))

    def result(self):
        # type: () -> t.Any
        """The resource after the steps, or the prediction when nothing was set to read it."""
        return self._read() if self._read else self.after

    def diff(self):
        # type: () -> dict[str, dict[str, t.Any]]
        """The keys that the plan changes, in the form of Ansible's ``diff``: {'before': {...}, 'after': {...}}."""
        before = self.before if isinstance(self.before, dict) else {}
        after = self.after if isinstance(self.after, dict) else {}
        if not self.changed:
            return {'before': {}, 'after': {}}
        keys = [key for key in set(before) | set(after) if before.get(key) != after.get(key)]
        return {
            'before': {key: before[key] for key in keys if key in before},
            'after': {key: after[key] for key in keys if key in after},
        }

    def _add(self, action, call, undo=None):
        # type: (str, t.Callable[[], object], t.Callable[[], bool] | None) -> None
        self.descriptions.append(action)
        self._steps.append((action, call, undo))
