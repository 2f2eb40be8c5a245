# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module image, with small parts and, on a bad line, short time limits, so that a test of one takes seconds.

Reads the module's arguments as JSON from standard input, as Ansible gives them; `_part_size` is ours, and so is
`_bad_line`, the port of the bad line if there is one. Elsewhere the time limits are the genuine ones: what is merely slow
there, as everything is on a loaded machine, is not a fault.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from urllib.parse import urlsplit

from ansible.module_utils import basic
from ansible_collections.eucalyptus.cloud.plugins.module_utils.cloud import client, retry
from ansible_collections.eucalyptus.cloud.plugins.module_utils.image import sealing
from ansible_collections.eucalyptus.cloud.plugins.modules import image
from botocore.config import Config


def main() -> None:
    arguments = json.load(sys.stdin)
    part_size, bad_line = arguments.pop('_part_size'), arguments.pop('_bad_line')
    genuine_config = client._config

    def config(service: str, endpoint: str, *given: float) -> Config:
        made = genuine_config(service, endpoint, *given)
        return made.merge(Config(connect_timeout=1, read_timeout=1.5)) if urlsplit(endpoint).port == bad_line else made

    client._config = config
    seal = sealing.ImageBundle.seal
    sealing.ImageBundle.seal = lambda bundle, key, certificates, _size: seal(bundle, key, certificates, part_size)
    retry.TRANSFER = dataclasses.replace(retry.TRANSFER, pause=0.02)
    time.sleep = lambda seconds: genuine_sleep(min(seconds, 0.05))
    basic._ANSIBLE_ARGS = json.dumps({'ANSIBLE_MODULE_ARGS': arguments}).encode()
    basic._ANSIBLE_PROFILE = 'legacy'
    image.main()


genuine_sleep = time.sleep

if __name__ == '__main__':
    main()
