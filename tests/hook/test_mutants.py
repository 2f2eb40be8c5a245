# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks are worth something: each deliberately broken hook is caught by them."""

from __future__ import annotations

import base64
import gzip
import os
import shutil
from pathlib import Path

import pytest

from tests.hook.hook_check import check
from tests.hook.hook_oracle import Policy
from tests.hook.hook_planted import planted
from tests.hook.hook_shapes import Shape, encode
from tests.hook.hook_world import FILES, World

STRICT = Policy(accounts='000123456789', kernels='eki-33cc44dd', forbidden='init=* module-blacklist=*')
OPEN = Policy(installers='*', vnc='yes')
QUOTED = b'MIME-Version: 1.0\nContent-Transfer-Encoding: quoted-printable\n\nbootparams=3Da\n'
BASE64 = b'MIME-Version: 1.0\nContent-Transfer-Encoding: base64\n\n' + base64.encodebytes(b'x\nbootparams=a\n')
PROBES: list[tuple[Policy, Shape, bytes]] = [
    (Policy(), Shape(), b''),
    (Policy(), Shape(), b'bootparams=S3cret quiet'),
    (Policy(), Shape('3.0'), b'bootparams=S3cret&<>"\'\\'),
    (Policy(), Shape(kind='pv-no-ramdisk'), b'bootparams=c* ' + b'"; touch @CANARY@; : "$(touch @CANARY@)`touch @CANARY@`'),
    (Policy(), Shape(), b'bootparams=1\nbootparams=2\n'),
    (Policy(), Shape(), b'echo bootparams=1\n bootparams=1\nboot\0params=1\n'),
    (Policy(), Shape(), b'bootparams=a\0b'),
    (Policy(), Shape(), b'bootparams=a\x1b[31mb'),
    (Policy(), Shape(), b'bootparams=a\r\n'),
    (Policy(), Shape(), b'bootparams=' + b'x' * 2048),
    (Policy(), Shape(), b'bootparams=' + b'x' * 2040),
    (Policy(), Shape(), b'bootparams= '),
    (Policy(), Shape(), b'#' * 12200 + b'\nbootparams=' + b'a' * 99),
    (Policy(), Shape(kind='ebs'), b'bootparams=a'),
    (Policy(), Shape(), b'bootparams=a\nconsole=vnc'),
    (Policy(), Shape(), b'bootparams=a\ninstaller=fedora-40'),
    (Policy(log_value='yes'), Shape(), b'bootparams=S3cret'),
    (OPEN, Shape(kind='ebs'), b'bootparams=a\ninstaller=fedora-40\nconsole=vnc'),
    (OPEN, Shape(), b'bootparams=a\ninstaller=../installers/fedora-40'),
    (OPEN, Shape(), b'installer=fedora-40'),
    (STRICT, Shape(account='1'), b'bootparams=a'),
    (STRICT, Shape(kernel_id='eki-0'), b'bootparams=a'),
    (STRICT, Shape('3.3', user='000123456789'), b'bootparams=a'),
    (STRICT, Shape(), b'bootparams="init=/bin/sh"'),
    (STRICT, Shape(), b'bootparams=module_blacklist=x'),
    (STRICT, Shape(), b"bootparams='init=/bin/sh'"),
    (STRICT, Shape(), b'bootparams=x="a in\\it=/bin/sh"'),
    (Policy(forbidden='a?b rd[.]x_y'), Shape(), b"bootparams=a'b"),
    (Policy(forbidden='a?b rd[.]x_y'), Shape(), b'bootparams=rd.x-y'),
    (Policy(forbidden='*evil_host*'), Shape(), b'bootparams=inst.ks=http://evil_host/x'),
    (Policy(forbidden='a=b-c'), Shape(), b'bootparams=a=b_c'),
    (Policy(forbidden='*a*b'), Shape(), b'bootparams=quiet'),
    (Policy(forbidden='*a*a*b'), Shape(), b'bootparams=quiet'),
    (Policy(forbidden='[x_]y=*'), Shape(), b'bootparams=quiet'),
    (Policy(accounts='1', on_refusal='ignore'), Shape(), b'bootparams=a'),
    (Policy(broken=True, on_refusal='ignore'), Shape(), b'bootparams=a'),
    (Policy(), Shape(), b'bootparams=a -- b'),
    (Policy(), Shape(), b'bootparams=x="a -- b" -- console=c'),
    (Policy(), Shape(), QUOTED),
    (Policy(), Shape(), BASE64),
    (Policy(), Shape(), BASE64.replace(b'MIME', b'MEME')),
    (Policy(), Shape(), gzip.compress(b'bootparams=a\n', mtime=0)),
    (Policy(), Shape(), gzip.compress(b'xbootparams=a\n', mtime=0)),
]

HOOK, SHEET = 'bootparams', 'insert-boot-params.xsl'
MUTANTS = {
    'ampersands are not escaped': (HOOK, "swap '&' '&amp;'; ", ''),
    'angle brackets are not escaped': (HOOK, "swap '<' '&lt;'; ", ''),
    'any byte is allowed': (HOOK, 'case $value in *[!\\ -~]*)', 'case $value in *$nl*)'),
    'NUL vanishes': (HOOK, '  tr ', "  tr -d '\\000' | tr "),
    'carriage returns stay': (HOOK, 'line=${line%"$tab"};;', ';;'),
    'the last marker counts': (HOOK, '[ "$has_value" ] || taken=1', 'taken=1'),
    'the marker may stand anywhere': (HOOK, 'for line in $text; do\n', 'for line in $text; do line=${line#*echo }\n'),
    'the value is evaluated': (HOOK, 'escape "$command_line"', 'eval ": \\"$command_line\\""; escape "$command_line"'),
    'globs are expanded': (HOOK, 'set -f\n', ''),
    'any length is allowed': (HOOK, '-le 2047', '-le 9999'),
    'the console makes it too long': (HOOK, '-le 2033', '-le 2047'),
    'the console goes to init': (HOOK, 'case " $value " in *\' -- \'*', 'case "" in *\' -- \'*'),
    'the console of init counts': (HOOK, 'for word in $own; do', 'for word in $value; do'),
    'quotes do not protect two dashes': (HOOK, 'case $((quotes % 2))$word', 'case 0$word'),
    'quoted-printable is taken': (HOOK, '11quoted ] || coded=1', '11quoted ] || coded='),
    'a hidden marker is not reported': (HOOK, 'report ignored "the line', ': "the line'),
    'any gzip is reported': (HOOK, 'gzip -dc 2>/dev/null | reveals ||', 'gzip -dc 2>/dev/null | reveals || true ||'),
    'any script with headers is reported': (HOOK, '[ "$mime" ] && [ "$body" ]', '[ "$body" ]'),
    'a blank value stays': (HOOK, 'case $value in *[!\\ ]*) ;;', 'case $value in ?*) ;;'),
    'a cut is not noticed': (HOOK, 'cut=1 data=$data=;;', 'data=$data=;;'),
    'a reboot starts over': (HOOK, 'reboot=destroy', 'reboot=restart'),
    'accounts are not looked at': (HOOK, 'listed "$account"', ': "$account"'),
    'kernels are not looked at': (HOOK, 'listed "$kernel_id"', ': "$kernel_id"'),
    'forbidden words are not looked at': (HOOK, '! listed "$word"', ': "$word"'),
    'quotes hide a forbidden word': (HOOK, "swap '\"' ''; ", ''),
    'single quotes hide a forbidden word': (HOOK, 'swap "\'" \'\'; ', ''),
    'backslashes hide a forbidden word': (HOOK, 'swap "\\\\" \'\'', ':'),
    'only unquoted words are looked at': (HOOK, 'in $value $bare', 'in ${bare:-$value}'),
    'an underscore hides a forbidden word': (HOOK, "swap _ -; swap - '[_-]'", ':'),
    'an underscore in a pattern is lost': (HOOK, "swap - '[_-]'", ':'),
    'names and values are the same': (HOOK, 'rest=${1%%=*}\n', 'rest=$1\n'),
    'patterns may take for ever': (HOOK, 'patterns "$2" || return 1', ''),
    'one asterisk is too many': (HOOK, "*'*'*'*'*'*'*)", "*'*'*'*'*)"),
    'brackets may hold an underscore': (HOOK, '|| brackets "$2" ', '|| true '),
    'installers are not looked at': (HOOK, 'listed "$installer"', ': "$installer"'),
    'an installer may be a path': (HOOK, "''|.|..|*[!a-z0-9._-]*)", "'')"),
    'displays are not looked at': (HOOK, '[ "$vnc" = yes ] ||', 'true ||'),
    'keys count without a marker': (HOOK, 'if [ -z "$has_value" ]; then', 'if false; then'),
    'a broken policy is obeyed': (HOOK, '[ -z "$wrong" ] ||', 'true ||'),
    'a broken policy may ignore': (HOOK, '  on_refusal=cancel\n', ''),
    'ignoring cancels': (HOOK, 'report ignored "$1"; exit 0', 'report ignored "$1"; rc=1; exit 1'),
    'another exit status': (HOOK, '  exit 1\n}', '  rc=2; exit 2\n}'),
    'the value is logged': (HOOK, '[ "$log_value" = no ] ||', ''),
    'the tenant gets no line': (HOOK, '{ put "bootparams: $1', '{ : "bootparams: $1'),
    'the hook talks': (HOOK, 'tmp=$file.new.$$', 'echo here; tmp=$file.new.$$'),
    'the file is written in place': (HOOK, '>"$tmp"', '>"$file"'),
    'the mode is lost': (HOOK, 'cp -p', 'cp'),
    'a temporary file stays': (HOOK, 'mv -f', 'cp'),
    'the original is not kept': (HOOK, 'ln "$file" "$file.orig"', ':'),
    'something outlives the hook': (HOOK, 'tmp=$file.new.$$', 'sleep 5 & tmp=$file.new.$$'),
    'a stray file': (HOOK, 'tmp=$file.new.$$', ': >"$inst/.lock"; tmp=$file.new.$$'),
    'instances without kernel get one': (HOOK, '[ "$2$kernel" != no-kernel ] ||', 'true ||'),
    'the account number is not used': ('get-user-data.xsl', 'account|user[not(../account)]', 'user'),
    'a command line is not added': (SHEET, '<xsl:text>&#127;cmdline-here&#127;</xsl:text>', ''),
    'the memory is changed': (SHEET, '<xsl:template name="place">', '<xsl:template match="memory"/><xsl:template name="place">'),
}  # fmt: skip


@pytest.fixture(name='mutate')
def fixture_mutate(tmp_path: Path):
    def mutate(name: str) -> Path:
        file, old, new = MUTANTS[name]
        files = tmp_path / 'files'
        files.mkdir()
        for entry in os.scandir(FILES):
            shutil.copy(entry.path, files)
        text = (files / file).read_text()
        assert old in text, 'the hook has changed; this mutant must follow'
        (files / file).write_text(text.replace(old, new))
        return files

    return mutate


def probe(files: Path, place: Path) -> None:
    worlds: list[World] = []
    for policy, shape, data in PROBES:
        world = next((world for world in worlds if world.policy == policy), None)
        if world is None:
            world = World(place / str(len(worlds)), policy, files)
            worlds.append(world)
        world.put(shape, encode(data))
        check(world, secret=b'S3cret')


def test_the_hook_itself_passes(tmp_path):
    probe(FILES, tmp_path)


@pytest.mark.parametrize('name', MUTANTS)
def test_a_broken_hook_is_caught(mutate, tmp_path, name):
    files = mutate(name)
    with pytest.raises(AssertionError):
        probe(files, tmp_path / 'worlds')


FOLLOWED = {  # of each, the test that is to fail
    'the tenant log may be a link': ('if [ -L "$tenant_log" ]; then return 0; fi', '', 'link'),
    'the tenant log may be a FIFO': ('if [ -e "$tenant_log" ] && [ ! -f "$tenant_log" ]; then return 0; fi', '', 'tenant FIFO'),
    'the log may be a FIFO': ('[ -f "$log" ] || [ ! -e "$log" ]', 'true', 'FIFO'),
    'a temporary file is written through': ('&& alone &&', '&&', 'temporary'),
    'the original may be a link': ('[ ! -L "$file.orig" ] &&', '', 'original'),
}


@pytest.mark.parametrize('name', FOLLOWED)
def test_a_hook_that_follows_what_was_planted_is_caught(tmp_path, name):
    old, new, what = FOLLOWED[name]
    world = World(tmp_path / 'world')
    text = world.hook.read_text()
    assert old in text, 'the hook has changed; this mutant must follow'
    assert planted(world, what)
    world.hook.write_text(text.replace(old, new))
    assert not planted(world, what, seconds=5)  # two of them never end


def test_a_hook_that_acts_on_other_events_is_caught(tmp_path):
    files = tmp_path / 'files'
    shutil.copytree(FILES, files)
    hook = files / HOOK
    hook.write_text(hook.read_text().replace('[ "${1-}" = euca-nc-pre-boot ] ||', 'true ||'))
    changed = []
    for number, source in enumerate((FILES, files)):
        world = World(tmp_path / str(number), files=source)
        world.put(Shape(), encode(b'bootparams=a'))
        before = world.snapshot()
        world.run(event='euca-nc-pre-clean')
        changed.append(world.snapshot() != before)
    assert changed == [False, True]
