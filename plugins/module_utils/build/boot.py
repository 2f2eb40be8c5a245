# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way in which a build boots its installer: by the hook of the node controllers, by a boot disk, or by itself.

The hook needs a registered kernel and ramdisk, which only administrators can register, and the operator's consent. A boot disk
needs files and a cloud that runs machine images with their own boot loader (Eucalyptus 3.4 and newer). An instance that installs
itself needs the hook, and an installer that the operator cached on the node controllers.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.recipe import INSTANCE, PREFIX, URL_PLACEHOLDER, Recipe
from ansible_collections.eucalyptus.cloud.plugins.module_utils.build.remote import DISPLAY
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.client import Cloud
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud.secrets import CRYPT
from ansible_collections.eucalyptus.cloud.plugins.module_utils.errors import CollectionError
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image import boot_disk
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.checks import NotAdministrator, check_may_register
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image.download import is_url

HOOK, DISK, SELF, AUTO = 'hook', 'disk', 'self', 'auto'
BY_URL, BY_USER_DATA = 'url', 'user_data'
USER_DATA_URL = 'http://169.254.169.254/latest/user-data'
MOST_USER_DATA = 16384  # bytes (cloud.vmstate.user_data_max_size_kb)
FILES = ('kernel', 'ramdisk')
# Secrets anywhere in a text: hashes, signatures and users in URLs, users for curl.
SECRET = re.compile(rf'{CRYPT.pattern}|(?i:signature=|://[^/\s]*@|\s(?:-u|--user)[ =]?[^\s:]+:\S)')
# Words in a line that may set a password, and harmless text that contains such words.
SETTING = re.compile(
    r'(?i)passw|passphrase|sshpass|pw\b|pwd[ \t]*[=:]|secret|token|psk|private key|credential|authorization|x-auth|\bsig='
    r'|(?:api|activation).?key|(?:user(?:add|mod)|\bmysql\w*)\b[^;&|\n]*\s-p'
)
HARMLESS = re.compile(
    r'^\s*#.*|/etc/passwd|NOPASSWD|rootpw(?=\s.*--lock\b)(?:\s+(?:--\w+|locked|[*!]+))+\s*$'
    r'|passwd/[\w-]+\s+(?:boolean\s+\w+|password\s+[*!]+)\s*$',
    re.MULTILINE,
)
# Inputs that may put a secret into the collection's own templates, in addition to password hashes.
MAY_HOLD_SECRETS = ('proxy', 'install_url', 'package_mirror', 'post')


def choose(cloud: Cloud, recipe: Recipe) -> tuple[str, str]:
    """The way, and the reason as a clause for a message. Sends only read requests. Raises CloudError."""
    if recipe['target'] == INSTANCE:
        return SELF, f'{PREFIX}target is {INSTANCE}'
    wanted: str = recipe['boot']
    if wanted != AUTO:
        return wanted, f'{PREFIX}boot is {wanted}'
    given = [part for part in FILES if recipe[f'{part}_id']]
    if given:
        return HOOK, f'{" and ".join(f"{PREFIX}{part}_id" for part in given)} {"are" if len(given) > 1 else "is"} given'
    try:
        check_may_register(cloud, 'kernel')
    except NotAdministrator:
        if cloud.has_tags:
            return DISK, 'this account may not register kernels'
        return HOOK, 'this cloud, Eucalyptus before 3.4, runs no boot disks'
    return HOOK, 'this account may register kernels'


def problems(cloud: Cloud, recipe: Recipe, boot_params: str) -> list[str]:
    """A sentence for each reason why this recipe's installer cannot boot from a boot disk with these parameters. Sends nothing
    that changes the cloud."""
    found = []
    if not cloud.has_tags:
        found.append(
            f'{PREFIX}boot: this cloud, Eucalyptus before 3.4, runs no machine images with their own boot loader, and so no boot '
            f'disks. Set it to {HOOK}, with {PREFIX}kernel_id and {PREFIX}ramdisk_id that the administrator registered.'
        )
    found += [
        f'{PREFIX}{part}_id: a boot disk is made of files. Set {PREFIX}{part} to a path or URL instead.'
        for part in FILES
        if not recipe[part]
    ]
    if not recipe['answer_file'] and recipe['remote_interface'] == DISPLAY:
        found.append(f'{PREFIX}remote_interface: only the hook adds a display. Set it to installer, or {PREFIX}boot to {HOOK}.')
    kernel, ramdisk = (recipe.source(part) for part in FILES)
    checks: list[t.Callable[[], None]] = [
        lambda: boot_disk.check_tools(uefi=False),
        lambda: boot_disk.check_parameters(boot_params),
    ]
    if kernel and ramdisk and not is_url(kernel) and not is_url(ramdisk):
        checks.append(lambda: check_files(recipe, kernel, ramdisk))
    for check in checks:
        try:
            check()
        except CollectionError as error:
            found.append(f'{PREFIX}boot: {error}')
    return found


def check_files(recipe: Recipe, kernel: str, ramdisk: str) -> None:
    """Raise a CollectionError if these files would not boot from a boot disk."""
    boot_disk.Needs(kernel, kernel, ramdisk, ramdisk).check_memory(recipe['memory'])


def answer_way(recipe: Recipe, answer_file: t.Mapping[str, t.Any], way: str) -> tuple[str, str]:
    """The way in which the installer gets its answer file, BY_URL or BY_USER_DATA, and a problem with the requested way, or ''.

    Without a boot disk, the user data contains the boot parameters, so it cannot be the answer file.
    """
    reason = ''
    if way != DISK:
        reason = 'the user data of a build by the hook contains the boot parameters'
    elif answer_file['bytes'] > MOST_USER_DATA:
        reason = f'the answer file has {answer_file["bytes"]} bytes, and user data at most {MOST_USER_DATA}'
    elif answer_file['secret']:
        reason = 'the answer file may contain a password, and everyone who may describe the instance can read its user data'
    elif URL_PLACEHOLDER not in recipe.boot_params:
        reason = f'{PREFIX}boot_params do not contain {PREFIX}answer_file_url'
    wanted = recipe['answer_file_by']
    if reason:
        problem = f'{PREFIX}answer_file_by: {BY_USER_DATA} is not possible: {reason}.' if wanted == BY_USER_DATA else ''
        return BY_URL, problem
    return (BY_URL if wanted == BY_URL else BY_USER_DATA), ''


def holds_secret(text: str, values: t.Mapping[str, t.Any], own_template: bool) -> bool:
    """Whether an answer file may contain a password.

    The collection's own templates encode some of their scripts, so only their inputs are examined. In any other file every line
    is examined, and a doubtful one counts as a password.
    """
    given = [values.get('root_password_hash'), *(user.get('password_hash') for user in values.get('users') or [])]
    if any(given) or any(sets_password(values.get(name) or '') for name in MAY_HOLD_SECRETS):
        return True
    return not own_template and sets_password(text)


def sets_password(text: str) -> bool:
    """Whether a text may contain a password. A doubtful line counts as one."""
    return bool(SECRET.search(text) or SETTING.search(HARMLESS.sub('', text)))
