# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook node_controllers.yml on twenty nodes. The tests build on one another, in this order."""

from __future__ import annotations

import base64
import filecmp
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.nodes import node
from tests.nodes.fleet import CHECKOUT, Fleet

FILES = CHECKOUT / 'roles/nc_hooks/files'


def recap(output: str) -> dict[str, dict[str, int]]:
    """{node: {'ok': 3, 'changed': 0, ...}}"""
    lines = re.findall(r'^(\w+) +: (ok=.*)$', output, re.M)
    return {name: {key: int(value) for key, value in re.findall(r'(\w+)=(\d+)', counts)} for name, counts in lines}


def tree(home: Path) -> list[str]:
    return sorted(str(path.relative_to(home)) for path in (home / 'etc').rglob('*'))


def boot(home: Path, directory: Path) -> str:
    """What a node makes of a domain when an instance with boot parameters is launched."""
    instance = directory / home.name
    instance.mkdir()
    user_data = base64.b64encode(f'bootparams={node.VALUE}\n'.encode()).decode()
    (instance / 'instance.xml').write_text(node.INSTANCE.format(user_data))
    (instance / 'instance-libvirt.xml').write_text(node.DOMAIN)
    subprocess.run([home / 'etc/eucalyptus/nc-hooks/bootparams', 'euca-nc-pre-boot', home, instance], check=True)
    return (instance / 'instance-libvirt.xml').read_text()


def test_an_unfit_node_is_named_before_any_node_is_changed(nodes: Fleet) -> None:
    hooks = nodes.homes['nc03'] / 'etc/eucalyptus/nc-hooks'
    hooks.rename(hooks.with_name('away'))
    before = tree(nodes.homes['nc01'])
    process = nodes.start('--limit', 'nc01,nc02,nc03')
    output = process.communicate()[0]
    hooks.with_name('away').rename(hooks)
    assert process.returncode != 0
    assert re.search(r'nc03: \S*/nc-hooks is not a directory', output), output[-3000:]
    assert 'changed=1' not in output
    assert tree(nodes.homes['nc01']) == before


def test_check_mode_lists_the_steps_and_does_nothing(nodes: Fleet) -> None:
    before = tree(nodes.homes['nc01'])
    output = nodes.play('--limit', 'nc01', '--check', '--diff')
    assert recap(output)['nc01']['changed'] == 1
    lines = len((FILES / 'bootparams').read_text().splitlines())
    assert re.search(rf'(?m)^\+file of {lines} lines, SHA-256 [0-9a-f]{{12}}$', output), output
    assert '+on_refusal = cancel' in output
    assert len(output.splitlines()) < 100, output
    assert tree(nodes.homes['nc01']) == before


def test_the_report_of_check_mode_is_about_the_present(nodes: Fleet) -> None:
    output = nodes.play('--limit', 'nc01,nc02', '--check')
    assert len(re.findall(r'(?m)^\W*nc0[12] +4\.4\.2 +absent +- +off +-$', output)) == 2, output[-3000:]
    output = nodes.play('--limit', 'nc01', '--check', '--skip-tags', 'preflight')
    assert re.search(r'nc01 +- +not inspected', output), output[-3000:]


@pytest.mark.parametrize('name', ['nc_hooks_account', 'nc_hooks_forbiden'])
def test_a_misspelt_variable_stops_the_run_before_any_node_is_changed(nodes: Fleet, name: str) -> None:
    before = tree(nodes.homes['nc01'])
    process = nodes.start('--limit', 'nc01', '-e', f'{{"{name}": ["000123456789"]}}')
    output = process.communicate()[0]
    assert process.returncode != 0
    assert re.search(rf'The role nc_hooks has no variable {name}\. Did you mean nc_hooks_\w+\?', output), output[-3000:]
    assert tree(nodes.homes['nc01']) == before


def test_the_playbook_pipelines_whatever_the_configuration_is(nodes: Fleet) -> None:
    output = nodes.play('--limit', 'nc01', '--check', '-vvv', ANSIBLE_PIPELINING='false')
    assert 'ESTABLISH SSH CONNECTION' in output
    assert 'AnsiballZ_nc_hook.py' not in output  # the file that would be sent


def test_the_hook_comes_to_every_node_and_works_there(nodes: Fleet, directory: Path) -> None:
    output = nodes.play()
    assert {counts['changed'] for counts in recap(output).values()} == {1}
    for name, home in nodes.homes.items():
        assert filecmp.cmp(home / 'etc/eucalyptus/nc-hooks/bootparams', FILES / 'bootparams', shallow=False), name
        assert '<cmdline>inst.ks=http://192.0.2.7/ks.cfg?a=1&amp;b=2 console=ttyS0</cmdline>' in boot(home, directory), name


def test_a_second_run_changes_nothing_in_at_most_three_tasks_and_reports_every_node(nodes: Fleet) -> None:
    (nodes.homes['nc02'] / 'etc/eucalyptus/libvirt.xsl.rpmnew').touch()
    output = nodes.play(ANSIBLE_CALLBACK_RESULT_FORMAT='json')
    (nodes.homes['nc02'] / 'etc/eucalyptus/libvirt.xsl.rpmnew').unlink()
    counts = recap(output)
    assert set(counts) == set(nodes.names)
    assert {each['changed'] for each in counts.values()} == {0}
    del counts[nodes.names[0]]  # on which the report and the assertion for all nodes are counted
    assert all(each['ok'] + each['skipped'] <= 3 for each in counts.values()), counts
    rows = re.findall(r'"(nc\d\d) +4\.4\.2 +\S+ [0-9a-f]{12} +([0-9a-f]{12}) +off +-"', output)
    assert [row[0] for row in rows] == nodes.names, output[-3000:]
    assert len({row[1] for row in rows}) == 1
    assert re.search(r'"nc02: \S+\.rpmnew: an', output)


def test_for_a_python_that_is_too_old_the_message_names_the_way_by_hand(nodes: Fleet, directory: Path) -> None:
    python = directory / 'python2.6'
    python.write_text('#!/bin/sh\ncase $* in *version_info*) echo 2.6.6;; *) echo "SyntaxError: invalid" >&2; exit 1;; esac\n')
    python.chmod(0o755)
    process = nodes.start('--limit', 'nc01', '-e', f'ansible_python_interpreter={python}')
    output = process.communicate()[0]
    assert process.returncode != 0
    assert 'is 2.6.6' in output
    assert 'By hand' in output


def test_all_of_it_goes_away(nodes: Fleet) -> None:
    assert (nodes.homes['nc01'] / 'etc/eucalyptus/nc-hooks/bootparams').exists()
    output = nodes.play('-e', 'nc_hooks_state=absent', '--skip-tags', 'preflight')
    assert {counts['changed'] for counts in recap(output).values()} == {1}
    for home in nodes.homes.values():
        assert os.listdir(home / 'etc/eucalyptus/nc-hooks') == ['example.sh']
        assert not (home / 'etc/eucalyptus/bootparams').exists()
