# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option ``policy`` of the module nc_hook, from the table of the policy's keys."""

from __future__ import annotations

import json
import re

from ansible_collections.eucalyptus.cloud.plugins.module_utils.node import policy


def suboption(key: policy.Key) -> dict[str, object]:
    default = key.text(key.default)
    sentences = [re.sub(r'O\((\w+)\)', r'O(policy.\1)', sentence) for sentence in key.description]
    if default:
        sentences.append(f"The hook's default is V({default}).")
    return {'description': sentences, **{name: value for name, value in key.specification().items() if name != 'no_log'}}


class ModuleDocFragment:
    # Annotated: ansible-test's yamllint expects a literal in every plain assignment of this name.
    DOCUMENTATION: str = json.dumps(
        {
            'options': {
                'policy': {
                    'description': [
                        "The hook's policy. The hook's default applies to every omitted key.",
                        'A pattern is a shell pattern of C(*), C(?) and brackets, with at most two C(*).',
                    ],
                    'type': 'dict',
                    'default': {},
                    'suboptions': {key.name: suboption(key) for key in policy.KEYS if key.in_policy},
                }
            }
        }
    )
