# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the module nc_hook: checks the policy, sends the files, fetches installers that a node lacks, and runs
libvirt_xsl if necessary. All in one task, because every task costs the controller time for every node."""

from __future__ import annotations

import difflib
import re
import typing as t
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.release import __version__ as core_version
from ansible_collections.eucalyptus.cloud.plugins.module_utils.node import policy
from ansible_collections.eucalyptus.cloud.plugins.plugin_utils.installer_cache import FetchFailed, fetch
from ansible_collections.eucalyptus.cloud.plugins.plugin_utils.release import COLLECTION, release

ROLE = COLLECTION / 'roles' / 'nc_hooks'
NEEDED = ('bootparams', 'get-user-data.xsl', 'insert-boot-params.xsl', 'try-bootparams')
# Output of Ansible's wrapper, the interpreter or the shell if a module cannot even start.
NOT_BEGUN = re.compile(r'requires a minimum|SyntaxError|\binterpreter\b|python\S*: (command )?not found', re.I)
FOR_ALL = [3, 9]  # the oldest Python that every supported ansible-core can manage
PYTHON_HELP = (
    'The module cannot run on this node, because its Python ({python}) is {version}, which ansible-core {core} does not support. '
    'Python 2.7 and 3.6 require ansible-core 2.16. On a node with an older Python, deploy the hook by hand: see "By hand" in '
    'docs/node_controllers.md of this collection. Ansible reported: {report}'
)


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        for name in ('files', 'uploads', 'release'):
            if arguments.get(name):
                raise AnsibleActionFail(f'{name} is set by the action plugin and cannot be set in a playbook.')
        self._check_policy(arguments, task_vars or {})
        display = arguments.pop('vnc_for_all', None) or {}
        arguments |= {
            'files': read_files(Path(arguments.get('src') or ROLE / 'files').expanduser()),
            'release': release(),
        }
        answer: dict[str, t.Any] = self._execute_module('eucalyptus.cloud.nc_hook', arguments, task_vars=task_vars)
        if answer.get('missing') and not answer.get('failed'):
            try:
                arguments['uploads'] = self._send(answer['missing'])
                answer = self._execute_module('eucalyptus.cloud.nc_hook', arguments, task_vars=task_vars)
            except FetchFailed as error:
                raise AnsibleActionFail(str(error)) from error
            finally:
                self._remove_tmp_path(self._connection._shell.tmpdir)
        if answer.get('failed') and 'nc_hook' not in answer:
            self._explain(answer, task_vars or {})
        answer.setdefault('warnings', []).extend((answer.get('nc_hook') or {}).get('warnings', []))
        # Some 30 KB, which the module returns when its options are wrong.
        answer.get('invocation', {}).get('module_args', {}).pop('files', None)
        if not answer.get('failed') and arguments.get('state') != 'inspected':
            self._turn_display(display, answer, task_vars)
        result.update(answer)
        return result

    def _check_policy(self, arguments: dict[str, t.Any], task_vars: dict[str, t.Any]) -> None:
        """Refuse a policy that the hook would refuse, before the node is contacted. The role's is in its variables."""
        if Path(task_vars.get('role_path') or '/').resolve() != ROLE:
            return  # the module checks it, under the names of its options
        check_names(name for name in task_vars if name.startswith('nc_hooks_'))
        known = {key.name: task_vars[policy.VARIABLES[key.name]] for key in policy.KEYS if policy.VARIABLES[key.name] in task_vars}
        known.pop('installers', None)  # a list of descriptions, of which the module takes the names
        values = self._templar.template(known)
        wanted = checked_policy({name: value for name, value in values.items() if value != task_vars.get('omit', '')})
        # An empty text is a password that is not set.
        arguments['policy'] = {key.name: wanted[key.name] for key in policy.KEYS if key.in_policy and wanted[key.name] != ''}

    def _turn_display(self, wanted: dict[str, t.Any], answer: dict[str, t.Any], task_vars: dict[str, t.Any] | None) -> None:
        """Run libvirt_xsl and merge its result. A node on which it did not turn on a display is left alone, because its stylesheet
        may be one that libvirt_xsl refuses."""
        home, state = (self._task.args.get(name) for name in ('eucalyptus_home', 'state'))
        on = boolean(wanted.get('enabled', False)) and state != 'absent'
        if not on and answer['nc_hook']['vnc'] != 'on':
            return
        arguments = {key: value for key, value in wanted.items() if key != 'enabled' and value is not None}
        arguments |= {'path': f'{(home or "/").rstrip("/")}/etc/eucalyptus/libvirt.xsl', 'vnc': on}
        display: dict[str, t.Any] = self._execute_module('eucalyptus.cloud.libvirt_xsl', arguments, task_vars=task_vars)
        if display.get('failed'):
            answer |= {'failed': True, 'msg': f'The hook is deployed. {display.get("msg")}'}
            return
        answer['changed'] = answer['changed'] or display['changed']
        answer['nc_hook']['vnc'] = display['libvirt_xsl']['vnc']
        answer['warnings'] += display.get('warnings', [])
        if display['changed']:
            answer['steps'].append(f'turn VNC {"on" if on else "off"} in libvirt.xsl')
            answer.setdefault('diff', []).append(display.get('diff'))

    def _send(self, digests: list[str]) -> dict[str, str]:
        """Send installers' files to the node; return {sha256: path there}."""
        sources = {}
        for installer in self._task.args.get('installers') or []:
            for part in ('kernel', 'ramdisk'):
                sources[installer[part + '_sha256'].lower()] = installer[part]
        cache = Path(self._task.args.get('cache') or '~/.cache/eucalyptus.cloud').expanduser()
        directory = self._connection._shell.tmpdir or self._make_tmp_path()
        sent = {}
        for digest in digests:
            path = fetch(sources[digest], digest, cache)
            sent[digest] = self._connection._shell.join_path(directory, digest)
            self._transfer_file(str(path), sent[digest])
        self._fixup_perms2([directory, *sent.values()])
        return sent

    def _explain(self, answer: dict[str, t.Any], task_vars: dict[str, t.Any]) -> None:
        """Replace the message when the node's Python is too old for the module to begin."""
        report = ' '.join(str(answer.get(key) or '') for key in ('msg', 'module_stderr', 'module_stdout', 'exception'))
        if not NOT_BEGUN.search(report):
            return
        facts = task_vars.get('ansible_facts') or {}
        python = task_vars.get('ansible_python_interpreter') or facts.get('discovered_interpreter_python') or 'python'
        if python.startswith('auto') or not re.fullmatch(r'[\w./+-]+', python):
            python = 'python'
        command = f'{python} -c \'import sys; print("%d.%d.%d" % sys.version_info[:3])\''
        asked = self._low_level_execute_command(command, sudoable=False)
        version = (asked.get('stdout') or '').strip().splitlines()
        if version and [int(part) for part in re.findall(r'\d+', version[-1])] >= FOR_ALL:
            return
        answer.pop('exception', None)  # a traceback would be shown first
        answer['msg'] = PYTHON_HELP.format(
            python=python,
            core=core_version,
            report=str(answer.get('msg') or '').strip()[:300],
            version=version[-1] if version else 'missing or unusable',
        )


def check_names(names: t.Iterable[str]) -> None:
    """Raise AnsibleActionFail for a name that is not a variable of the role: misspelt, it would leave a node open to everybody."""
    # By a regular expression, because parsing YAML would cost some ms for every node.
    known = re.findall(r'^      (nc_hooks_\w+):', (ROLE / 'meta/argument_specs.yml').read_text(encoding='utf-8'), re.M)
    for name in sorted(set(names) - set(known)):
        nearest = difflib.get_close_matches(name, known, 1)
        suggestion = f' Did you mean {nearest[0]}?' if nearest else ''
        raise AnsibleActionFail(f'The role nc_hooks has no variable {name}.{suggestion}')


def checked_policy(values: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the policy {key: value}, converted as an argument spec would do it; raise AnsibleActionFail naming the variable."""
    keys = [key for key in policy.KEYS if key.name in values]
    specification = {policy.VARIABLES[key.name]: key.specification() for key in keys}
    result = ArgumentSpecValidator(specification).validate({policy.VARIABLES[key.name]: values[key.name] for key in keys})
    if result.error_messages:
        raise AnsibleActionFail('The policy is not valid: ' + '; '.join(result.error_messages) + '.')
    converted = {key.name: result.validated_parameters[policy.VARIABLES[key.name]] for key in keys}
    converted = {key.name: converted.get(key.name, key.default) for key in policy.KEYS}
    try:
        policy.check(converted, policy.VARIABLES)
    except policy.InvalidPolicy as error:
        raise AnsibleActionFail(str(error)) from error
    return converted


def read_files(directory: Path) -> dict[str, str]:
    """Return the hook, its stylesheets and its script by name. The policy is written on the node."""
    files = {}
    for path in sorted(directory.glob('*')):
        if path.is_file() and (path.name in NEEDED or path.suffix == '.xsl'):
            files[path.name] = path.read_text(encoding='utf-8')
    missing = [name for name in NEEDED if name not in files]
    if missing:
        raise AnsibleActionFail(f'{directory} has no {", ".join(missing)}.')
    return files
