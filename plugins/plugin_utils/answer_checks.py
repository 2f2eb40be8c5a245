# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of a rendered answer file on the controller, before anything is created: one function for each family of installers.

They find what the installer would refuse an hour later. A message has the reason as the checking program prints it, with words of
the line, except for a line that may contain a password.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path
from xml.parsers import expat

import yaml
from ansible_collections.eucalyptus.cloud.plugins.plugin_utils import fai_checks, schemas

TIMEOUT = 60  # seconds
# A database of its own (debconf.conf(5)): the system's belongs to root, and while another program has it the check fails silently.
DEBCONF = """\
Config: configdb
Templates: templatedb

Name: configdb
Driver: File
Filename: {own}/config.dat

Name: templatedb
Driver: File
Filename: {own}/templates.dat
"""


class Checked(t.NamedTuple):
    """The mistakes in an answer file ('line 3: ...'), and a sentence for each check that was not possible."""

    problems: list[str]
    unchecked: list[str]


# The places in which packages put the installers' schemas; subiquity's is only in its source, as autoinstall-schema.json.
SCHEMAS = {
    'subiquity': '',
    'yast': '/usr/share/YaST2/schema/autoyast/rng/profile.rng',
    'agama': '/usr/share/agama/schema/profile.schema.json',
}
FORMS = (
    ('subiquity', r'\A#cloud-config\s'),
    ('yast', r'\A\s*<(\?xml|!DOCTYPE|profile)\b'),
    ('agama', r'\A\s*\{\s*["}]'),
    ('debian-installer', r'^\s*d-i\s'),
    ('anaconda', r'^%(packages|pre|post|include)\b'),
    ('fai', r'^\s*newclasses='),
)


# Both read AutoYaST profiles. Agama also reads Jsonnet, which only the installer can run.
SUSE = ('yast', 'agama')


def check(text: str, family: str, version: str, schema: str = '') -> Checked:
    """Check an answer file for the installer of this family; if that is empty, for the one whose form the file has.

    ``version`` is the kickstart's, as pykickstart names it. ``schema`` is the path of the installer's schema.
    """
    form = _form(text, family, version)
    if form not in CHECKS:
        return Checked([], ['it was not checked, because it is not in the form of a known answer file'])
    try:
        return CHECKS[form](text, schema if form in SCHEMAS else version)
    except subprocess.TimeoutExpired:
        return Checked([], [f'it was not checked: the program that checks it did not end within {TIMEOUT} s'])


def _form(text: str, family: str, version: str) -> str:
    """The family whose check applies. Only an installer that reads kickstarts has a version of them."""
    if version:
        return 'anaconda'
    if family and family not in SUSE:
        return family
    found = [form for form, pattern in FORMS if re.search(pattern, text, re.MULTILINE) and (not family or form in SUSE)]
    return found[0] if found else ''


def kickstart(text: str, version: str) -> Checked:
    """By ksvalidator, as a program. Its exit code counts deprecations, so its words decide."""
    beside = str(Path(sys.executable).parent)
    program = shutil.which('ksvalidator') or shutil.which('ksvalidator', path=beside)
    if not version or not program:
        lacking = 'image_build_kickstart_version is not set' if not version else 'ksvalidator (PyPI: pykickstart) is not installed'
        return Checked([], [f'the kickstart was not checked, because {lacking}'])
    ended = _run([program, '-v', version], text)
    output = ' '.join((ended.stdout + ended.stderr).split())
    problems = re.findall(r'occurred on line (\d+) of the kickstart file: (.*?)(?= The following problem occurred|$)', output)
    if not problems and re.search('Unknown version|Traceback', output):
        return Checked([], [f'the kickstart was not checked: ksvalidator does not support the version {version}'])
    return Checked([_problem(text, int(line), reason) for line, reason in problems], [])


def preseed(text: str, _version: str) -> Checked:
    """By debconf-set-selections, which ends with 0 even after bad lines and numbers a continued line by its last one."""
    program = shutil.which('debconf-set-selections')
    if not program:
        return Checked([], ['the preseed file was not checked, because debconf-set-selections (Debian: debconf) is not installed'])
    problems = []
    with tempfile.TemporaryDirectory() as own:
        settings = Path(own, 'debconf.conf')
        settings.write_text(DEBCONF.format(own=own), encoding='utf-8')
        ended = _run([program, '-c'], text, DEBCONF_SYSTEMRC=str(settings))
    for message in ended.stderr.splitlines():
        found = re.search(r'(?:warning|error): (.*?),? (?:skipping|on|at) line (\d+)', message)
        problems += [_problem(text, int(found[2]), found[1])] if found else []
    if ended.returncode:
        status = f'the preseed file was not checked, because debconf-set-selections ended with status {ended.returncode}'
        return Checked(problems, [status])
    return Checked(problems, ['debconf-set-selections checked the types of the answers, but not the names of the questions'])


KINDS: dict[type | tuple[type, ...], str] = {
    int: 'version',
    str: 'locale timezone shutdown updates debconf-selections',
    (str, type(None)): 'proxy',
    list: 'early-commands late-commands error-commands interactive-sections packages snaps zdevs',
    dict: 'active-directory apt codecs drivers identity kernel kernel-crash-dumps keyboard network oem refresh-installer reporting '
    'source ssh storage ubuntu-advantage ubuntu-pro user-data',
}
AUTOINSTALL = {key: kind for kind, keys in KINDS.items() for key in keys.split()}


def autoinstall(text: str, schema: str) -> Checked:
    """By the schema; without it, by the keys and types of subiquity's documentation (doc/reference/autoinstall-reference.rst)."""
    if not text.startswith('#cloud-config\n'):
        return Checked(['line 1: it must be #cloud-config, or cloud-init ignores the file'], [])
    try:
        content = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return Checked([f'line {line}: {error.problem}'], [])
    except yaml.YAMLError:  # characters that YAML does not allow
        return Checked(['it is not YAML'], [])
    answers = content.get('autoinstall') if isinstance(content, dict) else None
    if not isinstance(answers, dict) or answers.get('version') != 1:
        return Checked(['it needs the key autoinstall with version: 1'], [])
    problems, unchecked = schemas.json_problems(answers, text, ['autoinstall'], schema or SCHEMAS['subiquity'])
    for key, value in answers.items() if unchecked else ():
        line = _line_of(text, rf'^\s+{re.escape(str(key))}:')
        near = difflib.get_close_matches(str(key), AUTOINSTALL, n=1)
        if key not in AUTOINSTALL:
            problems.append(f'line {line}: {key} is not a key of autoinstall' + (f' (did you mean {near[0]}?)' if near else ''))
        elif not isinstance(value, AUTOINSTALL[key]):
            problems.append(f'line {line}: {key} has a value of the wrong type')
    return Checked(problems, unchecked)


def autoyast(text: str, schema: str) -> Checked:
    """Well-formed XML, and its schema. Without handlers, expat reads no external entities."""
    try:
        expat.ParserCreate().Parse(text.encode('utf-8', 'surrogateescape'), True)
    except expat.ExpatError as error:
        return Checked([f'line {error.lineno}: {expat.ErrorString(error.code)}'], [])
    problems, unchecked = schemas.xml_problems(text, schema or SCHEMAS['yast'])
    return Checked([_problem(text, line, reason) for line, reason in problems], unchecked)


def agama(text: str, schema: str) -> Checked:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        return Checked([f'line {error.lineno}: {error.msg}'], [])
    return Checked(*schemas.json_problems(content, text, [], schema or SCHEMAS['agama']))


def fai(text: str, _version: str) -> Checked:
    """By the syntax of bash, which runs it, and by the grammar of setup-storage."""
    program = shutil.which('bash')
    if not program:
        return Checked([], ["FAI's answers were not checked, because bash is not installed"])
    found = fai_checks.problems(text, lambda script: _run([program, '-n'], script, LC_ALL='C').stderr)
    remark = "only the syntax of FAI's scripts and of disk_config was checked: FAI checks the rest when it runs"
    return Checked([_problem(text, line, reason) for line, reason in found], [remark])


CHECKS: dict[str, t.Callable[[str, str], Checked]] = {
    'anaconda': kickstart,
    'debian-installer': preseed,
    'subiquity': autoinstall,
    'yast': autoyast,
    'agama': agama,
    'fai': fai,
}


def _problem(text: str, number: int, reason: str) -> str:
    lines = text.splitlines()[number - 1 : number]
    hidden = bool(lines) and re.search('pass|pw|user|auth|token|secret', lines[0], re.IGNORECASE)
    return f'line {number}: ' + ('it is wrong, and may contain a password, so the reason is not shown' if hidden else reason)


def _line_of(text: str, pattern: str) -> int:
    found = re.search(pattern, text, re.MULTILINE)
    return text.count('\n', 0, found.end()) + 1 if found else 1


def _run(words: list[str], text: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a program on the text in a file that nobody else can read."""
    with tempfile.NamedTemporaryFile('w', encoding='utf-8', errors='surrogateescape', suffix='.cfg') as file:
        file.write(text)
        file.flush()
        command, variables = [*words, file.name], {**os.environ, **environ}
        return subprocess.run(
            command, env=variables, capture_output=True, text=True, errors='replace', timeout=TIMEOUT, check=False
        )
