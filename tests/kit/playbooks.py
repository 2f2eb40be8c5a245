# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks of the collection against a lab, with nothing of the caller's environment but its programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from eucalab.cloud.accounts import Credentials
from tests.kit.lab import Lab
from tests.kit.paths import ROOT


def environment(home: Path, **changes: str) -> dict[str, str]:
    return {
        'PATH': f'{Path(sys.executable).parent}:{os.environ["PATH"]}',
        'HOME': str(home),
        'ANSIBLE_CONFIG': str(ROOT / 'ansible.cfg'),
        'LC_ALL': 'C.UTF-8',
        **changes,
    }


def connection(lab: Lab, user: Credentials | None = None) -> dict[str, str]:
    """Of the lab's tenant, or of another user."""
    user = user or lab.tenant
    return {
        'ec2_url': lab.ec2_url,
        's3_url': lab.s3_url,
        'access_key': user.access_key,
        'secret_key': user.secret_key,
        'account_id': user.number,
    }


def play(playbook: str, variables: dict[str, Any], *words: str, env: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ['ansible-playbook', str(ROOT / 'playbooks' / playbook), '-e', json.dumps(variables), *words],
        env=env,
        cwd=cwd,
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
    )
