# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the module nc_hook: brings the files, fetches installers when a node lacks them, and runs libvirt_xsl
when there is something for it to do. All in one task, because every task costs the controller time for every node."""

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.release import __version__ as core_version
from ansible_collections.eucalyptus.cloud.plugins.plugin_utils.installer_cache import FetchFailed, fetch

COLLECTION = Path(__file__).resolve().parents[2]
NEEDED = ('bootparams', 'get-user-data.xsl', 'insert-boot-params.xsl', 'try-bootparams')
# What Ansible's wrapper, the interpreter or the shell say when a module cannot even begin.
NOT_BEGUN = re.compile(r'requires a minimum|SyntaxError|\binterpreter\b|python\S*: (command )?not found', re.I)
FOR_ALL = [3, 9]  # the oldest Python that every supported ansible-core can manage
PYTHON_HELP = (
    'The module cannot run on this node, whose Python ({python}) is {version}. ansible-core {core} cannot manage it. '
    'For Python 2.7 and 3.6 use ansible-core 2.16. A node whose Python is older gets the hook by hand: see "By hand" in '
    'docs/node_controllers.md of this collection. What Ansible said: {said}'
)


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        for name in ('files', 'uploads', 'release'):
            if arguments.get(name):
                raise AnsibleActionFail(f'{name} is not for playbooks: the action plugin fills it in')
        display = arguments.pop('vnc_for_all', None) or {}
        arguments |= {
            'files': read_files(Path(arguments.get('src') or COLLECTION / 'roles/nc_hooks/files').expanduser()),
            'release': release(),
        }
        answer = self._execute_module('eucalyptus.cloud.nc_hook', arguments, task_vars=task_vars)
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
        # Some 30 KB; the module leaves them out itself, unless its options are wrong.
        answer.get('invocation', {}).get('module_args', {}).pop('files', None)
        if not answer.get('failed') and arguments.get('state') != 'inspected':
            self._turn_display(display, answer, task_vars)
        result.update(answer)
        return result

    def _turn_display(self, wanted: dict[str, t.Any], answer: dict[str, t.Any], task_vars: dict[str, t.Any] | None) -> None:
        """Run libvirt_xsl and take its answer into ours. Where a display was never turned on there is nothing to turn off, and
        the stylesheet may be one that libvirt_xsl would refuse."""
        home, state = (self._task.args.get(name) for name in ('eucalyptus_home', 'state'))
        on = boolean(wanted.get('enabled', False)) and state != 'absent'
        if not on and answer['nc_hook']['vnc'] != 'on':
            return
        arguments = {key: value for key, value in wanted.items() if key != 'enabled' and value is not None}
        arguments |= {'path': f'{(home or "/").rstrip("/")}/etc/eucalyptus/libvirt.xsl', 'vnc': on}
        display = self._execute_module('eucalyptus.cloud.libvirt_xsl', arguments, task_vars=task_vars)
        if display.get('failed'):
            answer |= {'failed': True, 'msg': display.get('msg')}
            return
        answer['changed'] = answer['changed'] or display['changed']
        answer['nc_hook']['vnc'] = display['libvirt_xsl']['vnc']
        answer['warnings'] += display.get('warnings', [])
        if display['changed']:
            answer['steps'].append(f'turn VNC {"on" if on else "off"} in libvirt.xsl')
            answer.setdefault('diff', []).append(display.get('diff'))

    def _send(self, digests: list[str]) -> dict[str, str]:
        """Send installers' files to the node; {sha256: path there}."""
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
        """Put into words that the node's Python is too old for the module to begin, if that is it."""
        said = ' '.join(str(answer.get(key) or '') for key in ('msg', 'module_stderr', 'module_stdout', 'exception'))
        if not NOT_BEGUN.search(said):
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
            said=str(answer.get('msg') or '').strip()[:300],
            version=version[-1] if version else 'missing or unusable',
        )


def read_files(directory: Path) -> dict[str, str]:
    """The hook, its stylesheets and its script, by name. The policy is not among them: it is made on the node."""
    files = {}
    for path in sorted(directory.glob('*')):
        if path.is_file() and (path.name in NEEDED or path.suffix == '.xsl'):
            files[path.name] = path.read_text(encoding='utf-8')
    missing = [name for name in NEEDED if name not in files]
    if missing:
        raise AnsibleActionFail(f'{directory} has no {", ".join(missing)}')
    return files


def release() -> str:
    """The collection's version, from an installed collection's manifest or from a checkout's galaxy.yml."""
    manifest = COLLECTION / 'MANIFEST.json'
    if manifest.exists():
        return json.loads(manifest.read_text())['collection_info']['version']
    found = re.search(r'^version: *(\S+)', (COLLECTION / 'galaxy.yml').read_text(), re.M)
    return found.group(1) if found else ''
