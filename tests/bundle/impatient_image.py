# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module image, with small parts and short time limits, so that a test of a bad line takes seconds.

Reads the module's arguments as JSON from standard input, as Ansible gives them; `_part_size` is ours.
"""
from __future__ import annotations

import json
import sys
from pathlib import Path

from ansible.module_utils import basic

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'playbooks' / 'collections'))

from ansible_collections.eucalyptus.cloud.plugins.module_utils import client, image_bundle, images, upload  # noqa: E402
from ansible_collections.eucalyptus.cloud.plugins.modules import image  # noqa: E402
from botocore.config import Config  # noqa: E402


def main() -> None:
    arguments = json.load(sys.stdin)
    part_size = arguments.pop('_part_size')
    genuine_config = client._config
    client._config = lambda *given: genuine_config(*given).merge(Config(connect_timeout=1, read_timeout=1.5))
    seal = image_bundle.ImageBundle.seal
    image_bundle.ImageBundle.seal = lambda bundle, key, certificates, _size: seal(bundle, key, certificates, part_size)
    _connections, _pause, wait = upload.Bucket.__init__.__defaults__
    upload.Bucket.__init__.__defaults__ = (upload.CONNECTIONS, 0.02, wait)
    client.time.sleep = images.time.sleep = lambda seconds: genuine_sleep(min(seconds, 0.05))
    basic._ANSIBLE_ARGS = json.dumps({'ANSIBLE_MODULE_ARGS': arguments}).encode()
    basic._ANSIBLE_PROFILE = 'legacy'
    image.main()


genuine_sleep = images.time.sleep

if __name__ == '__main__':
    main()
