# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operator's policy.conf decides, and what happens when it is broken."""

from __future__ import annotations

import os
import resource

import pytest

from tests.hook.hook_check import check
from tests.hook.hook_hostile import INSTALLERS
from tests.hook.hook_shapes import Shape, encode
from tests.hook.hook_world import FILES, World

DATA = encode(b'bootparams=inst.ks=http://h/ks\n')


def decide(world: World, text: str | None, data: str = DATA, shell: str = 'dash', shape: Shape | None = None) -> int:
    """Run with this policy.conf (None: as built) and return the exit status."""
    if text is not None:
        (world.conf / 'policy.conf').write_text(text)
    world.put(shape or Shape(), data)
    return world.run(shell).code


def test_the_policy_that_is_delivered_and_an_empty_one_are_all_defaults(world, shell):
    for text in ((FILES / 'policy.conf').read_text(), ''):
        assert decide(world, text, shell=shell) == 0
        assert b'destroy</on_reboot>' in world.libvirt_file.read_bytes()
        assert b'inst.ks' not in world.log.read_bytes()
        assert decide(world, text, encode(b'bootparams=a\ninstaller=fedora-40'), shell) == 1
        assert decide(world, text, encode(b'bootparams=a\nconsole=vnc'), shell) == 1


def test_comments_blanks_and_a_missing_last_newline_are_fine(world, shell):
    text = '# c\n\n   # c\n\t\n  on_refusal\t=  ignore \t # c\naccounts=nobody\t# c'
    assert decide(world, text, shell=shell) == 0
    assert b'ignored: the account' in world.log.read_bytes()


BROKEN = {
    'unknown key': 'accuonts = 1',
    'no equals sign': 'accounts',
    'empty key': '= 1',
    'upper case': 'ACCOUNTS = *',
    'repeated key': 'accounts = 1\naccounts = *',
    'bad on_refusal': 'on_refusal = maybe',
    'empty on_refusal': 'on_refusal =',
    'bad on_reboot': 'on_reboot = shutdown',
    'bad vnc': 'vnc = 1',
    'bad log_value': 'log_value = true',
    'relative directory': 'installers_dir = installers',
    'no directory': 'installers_dir =',
    'odd directory': 'installers_dir = /a&b',
    'no address': 'vnc_listen =',
    'odd address': 'vnc_listen = "',
    'long password': 'vnc_password = 123456789',
    'password with a blank': 'vnc_password = a b',
    'open display': 'vnc = yes\nvnc_listen = 0.0.0.0',
    'open display that looks closed': 'vnc = yes\nvnc_listen = 127.attacker.example',
    'backslash': 'accounts = \\*',
    'substitution': 'accounts = $(touch @CANARY@)',
    'three asterisks among the forbidden': 'forbidden = init=* *a*a*b',
    'many asterisks': 'forbidden = *a*a*a*a*a*a*a*b',
    'three asterisks among the accounts': 'accounts = *1*2*',
    'three asterisks among the kernels': 'kernels = * ***',
    'three asterisks among the installers': 'installers = *a*b*',
    'underscore and dash in brackets': 'forbidden = [x_-]y=*',
    'underscore in brackets': 'forbidden = rd[._]break',
    'dash first in brackets': 'forbidden = rd[-.]break',
    'dash last in brackets': 'forbidden = rd[!.-]break',
    'range that holds an underscore': 'forbidden = [A-z]*',
    'range of punctuation': 'forbidden = a[0-9] a[+-9]',
    'equals sign in brackets': 'forbidden = a[=]b',
    'open bracket': 'forbidden = a[b]c[d',
    'empty brackets': 'forbidden = a[]b',
    'class': 'forbidden = [[:alpha:]]',
    'parentheses': 'forbidden = @(a|b)',
    'control character': 'accounts = *\x01',
    'not ASCII': 'accounts = é',
    'carriage returns': 'accounts = *\r\non_refusal = ignore\r',
}


@pytest.mark.parametrize('name', BROKEN)
def test_a_broken_policy_cancels_launches_with_a_marker_only(world, any_shell, name):
    text = f'on_refusal = ignore\n{BROKEN[name]}\n' if 'on_refusal' not in BROKEN[name] else BROKEN[name]
    assert decide(world, text, shell=any_shell) == 1
    assert b' refused: policy.conf is broken: ' in world.log.read_bytes()
    assert world.libvirt_file.read_bytes() == world.domain
    assert os.listdir(world.cwd) == ['console=bait']
    assert decide(world, text, encode(b'#cloud-config\n'), any_shell) == 0
    assert not world.log.exists()


@pytest.mark.parametrize('how', ['missing', 'directory', 'unreadable'])
def test_a_policy_that_cannot_be_read_is_broken(world, shell, how):
    file = world.conf / 'policy.conf'
    if how == 'unreadable' and os.geteuid() == 0:
        pytest.skip('root can read everything')
    if how == 'unreadable':
        file.chmod(0)
    else:
        file.unlink()
    if how == 'directory':
        file.mkdir()
    assert decide(world, None, shell=shell) == 1
    assert b'policy.conf is broken: missing or unreadable' in world.log.read_bytes()


ACCOUNTS = {'*': 0, '000123456789': 0, '1 000123456789': 0, '0001*': 0, '123456789': 1, '': 1, '00012345678?': 0, '[1-9]*': 1}


@pytest.mark.parametrize(('accounts', 'code'), ACCOUNTS.items())
def test_accounts(world, any_shell, accounts, code):
    assert decide(world, f'accounts = {accounts}', shell=any_shell) == code


def test_before_3_4_the_user_stands_for_the_account(world):
    shape = Shape('3.3')
    assert decide(world, f'accounts = {shape.user}', shape=shape) == 0
    assert decide(world, f'accounts = {shape.account}', shape=shape) == 1
    assert decide(world, f'accounts = {shape.user}', shape=Shape('3.4')) == 1


def test_a_malformed_account_matches_only_a_policy_for_everybody(world, shell):
    shape = Shape(account='0001 *\x7f[')
    assert decide(world, 'accounts = 0001*', shape=shape, shell=shell) == 1
    assert decide(world, '', shape=shape, shell=shell) == 0
    assert b' - applied' in world.log.read_bytes()


@pytest.mark.parametrize(('kernels', 'code'), [('*', 0), ('eki-33cc44dd', 0), ('eki-3*', 0), ('eki-0', 1), ('', 1)])
def test_kernels(world, any_shell, kernels, code):
    assert decide(world, f'kernels = {kernels}', shell=any_shell) == code


def test_an_unknown_kernel_is_refused_by_a_list(world):
    assert decide(world, 'kernels = eki-*', shape=Shape('3.3')) == 1
    assert decide(world, 'kernels = *', shape=Shape('3.3')) == 0


FORBIDDEN = {
    'init=/bin/sh': 'init=*',
    '"init=/bin/sh"': 'init=*',
    'init="/bin/sh"': 'init=*',
    'i"nit=/bin/sh': 'init=*',
    '"init"=/bin/sh': 'init=*',
    'a  init=/bin/sh b': 'x init=*',
    'x="a init=/b c"': 'init=*',
    'module-blacklist=x': 'module_blacklist=*',
    'module_blacklist=x': 'module-blacklist=*',
    'a-b_c=d': 'a_b-c=d',
    'rd.break': 'rd.break',
    'rd_break=1': 'rd-break*',
    '!': '!',
    'a*b': 'a[*]b',
    'inst.ks=http://evil_host/x': '*evil_host*',
    'inst.ks=http://evil-host/x': '*evil-host*',
    'x=evil_host': 'x=*evil_host*',
    'rd_x.a': 'rd-x[.]a',
    'rd-x3': 'rd_x[!a-z]',
    "'init=/bin/sh'": 'init=*',
    "in'it'=/bin/sh": 'init=*',
    'inst.ssh\\d': 'inst.sshd*',
    '\\i\\n\\i\\t=/x': 'init=*',
    '\'i"n\\it=x': 'init=*',
    'x="a init=/bin/sh"': 'init=*',
    "x='a init=/bin/sh'": 'init=*',
    '"x y"init=/bin/sh': '*init=*',
    "a'b": 'a?b',
}
ALLOWED = {
    'xinit=/bin/sh': 'init=*', 'a=b_c': 'a=b-c', 'init': 'init=*', 'ab': 'a[*]b', 'INIT=x': 'init=*', 'a init= b': 'a=*',
    "x='init=/x'": 'init=*', 'a=\\b': 'b', 'rd-x3': 'rd-x[!0-9]', 'a_b': 'a[b-c]b',
}  # fmt: skip


@pytest.mark.parametrize('value', FORBIDDEN)
def test_a_forbidden_parameter(build, any_shell, value):
    world = build(forbidden=FORBIDDEN[value])
    world.put(Shape(), encode(f'bootparams={value}\n'.encode()))
    assert check(world, any_shell).code == 1
    assert b'forbidden' in world.tenant_log.read_bytes()


@pytest.mark.parametrize('value', ALLOWED)
def test_a_parameter_that_only_resembles_a_forbidden_one(build, any_shell, value):
    world = build(forbidden=ALLOWED[value])
    world.put(Shape(), encode(f'bootparams={value}\n'.encode()))
    assert check(world, any_shell).applied


def spent() -> float:
    """CPU seconds of all hooks so far. Elapsed time would depend on the other load of the machine."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@pytest.mark.parametrize('glob', ['*a*b', '*?*b', '*[a]*[b]', '*a_*b=c', '*aaaaaaaa*b'])
def test_no_word_makes_matching_a_pattern_slow(build, shell, glob):
    """Two * try each pair of places of a word, that is two million: the most that a policy can ask for."""
    world = build(forbidden=glob)
    world.put(Shape(), encode(b'bootparams=' + b'a' * 2040 + b"'\n"))
    before = spent()
    assert check(world, shell).applied
    assert spent() - before < 2


@pytest.mark.parametrize('key', ['accounts', 'forbidden'])
def test_a_pattern_that_would_take_for_ever_breaks_the_policy(build, shell, key):
    world = build(**{key: '*a*a*a*a*b'})
    world.put(Shape(), encode(b'bootparams=' + b'a' * 2040))
    before = spent()
    assert check(world, shell).code == 1
    assert spent() - before < 2
    assert b'policy.conf is broken: line 1 ' in world.log.read_bytes()


def test_the_log_names_the_pattern_as_it_stands_in_the_policy(build, shell):
    world = build(forbidden='module-black_list=*')
    world.put(Shape(), encode(b'bootparams=module_black-list=x'))
    check(world, shell)
    assert world.log.read_bytes().endswith(b'forbidden by the policy: module-black_list=*\n')


def test_a_forbidden_parameter_is_reported_without_its_value(build):
    world = build(forbidden='rd.luks.key=*')
    world.put(Shape(), encode(b'bootparams=rd.luks.key=S3cret\n'))
    check(world, secret=b'S3cret')


def test_refusals_can_be_ignored(build, shell):
    world = build(accounts='nobody', on_refusal='ignore')
    world.put(Shape(), DATA)
    verdict = check(world, shell)
    assert (verdict.code, verdict.applied) == (0, False)


def test_the_value_is_logged_only_with_log_value(build, shell):
    world = build(log_value='yes')
    world.put(Shape(), DATA)
    check(world, shell)
    assert world.log.read_bytes().endswith(b': inst.ks=http://h/ks\n')
    assert b'inst.ks' not in world.tenant_log.read_bytes()


@pytest.mark.parametrize('name', INSTALLERS, ids=repr)
def test_an_installer_is_named_never_pathed(build, any_shell, name):
    world = build(installers='* ../* fedora-40')
    world.put(Shape(), encode(b'bootparams=a\ninstaller=' + name + b'\n'))
    check(world, any_shell)


def install(world: World, shell: str = 'dash') -> int:
    world.put(Shape(), encode(b'bootparams=a\ninstaller=fedora-40\n'))
    return world.run(shell).code


@pytest.mark.parametrize('path', ['', 'kernel', 'ramdisk'])
@pytest.mark.parametrize('mode', [0o775, 0o757, 0o666, 0o777])
def test_an_installer_that_others_can_write_is_refused(build, any_shell, path, mode):
    world = build(installers='*')
    assert install(world, any_shell) == 0
    directory = world.home / 'var/lib/eucalyptus/installers/fedora-40'
    (directory / path).chmod(mode)
    assert install(world, any_shell) == 1


@pytest.mark.parametrize('path', ['kernel', 'ramdisk'])
@pytest.mark.parametrize('how', ['missing', 'unreadable', 'symlink', 'directory', 'fifo'])
def test_an_installer_that_is_not_two_plain_readable_files_is_refused(build, any_shell, path, how):
    world = build(installers='*')
    file = world.home / 'var/lib/eucalyptus/installers/fedora-40' / path
    if how == 'unreadable':
        file.chmod(0o640)
    else:
        file.rename(file.with_name('other'))
    if how == 'symlink':
        file.symlink_to('other')
    elif how == 'directory':
        file.mkdir(mode=0o755)
    elif how == 'fifo':
        os.mkfifo(file)
    assert install(world, any_shell) == 1


def test_an_installer_behind_a_symlink_is_refused(build):
    world = build(installers='*')
    directory = world.home / 'var/lib/eucalyptus/installers/fedora-40'
    directory.rename(directory.with_name('other'))
    directory.symlink_to('other')
    assert install(world) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason='only root can give files away')
def test_an_installer_is_owned_like_the_configuration_directory(build, shell):
    world = build(installers='*')
    directory = world.home / 'var/lib/eucalyptus/installers/fedora-40'
    os.chown(directory, 12345, 0)
    assert install(world, shell) == 1
    os.chown(world.conf, 12345, 0)
    assert install(world, shell) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason='only root can give files away')
def test_libvirt_may_own_the_kernel_of_a_running_guest(build):
    world = build(installers='*')
    for name in ('kernel', 'ramdisk'):
        os.chown(world.home / 'var/lib/eucalyptus/installers/fedora-40' / name, 64055, 64055)
    assert install(world) == 0


def test_an_installer_makes_the_instances_own_kernel_irrelevant(build):
    world = build(installers='*', kernels='eki-0')
    assert install(world) == 0


def test_the_installers_may_lie_elsewhere(world, shell):
    directory = world.add_installer('f')
    directory.rename(world.home / 'f')
    text = 'installers = f\ninstallers_dir = /\n'
    assert decide(world, text, encode(b'bootparams=a\ninstaller=f\n'), shell) == 0
    assert f'<kernel>{world.home}/f/kernel</kernel>'.encode() in world.libvirt_file.read_bytes()
