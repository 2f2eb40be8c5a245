# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m eucalab.node LAB NODE``: one node controller, in the foreground. SIGTERM ends it; its guests continue."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading

from ..config import Config, cache_root, set_umask
from ..errors import LabError
from ..host import checks, shared
from . import acceleration
from .controller import Controller
from .model import NodeError, Settings


def main() -> int:
    parser = argparse.ArgumentParser(prog='eucalab.node', description=__doc__)
    parser.add_argument('lab')
    parser.add_argument('node')
    parser.add_argument('--debug', action='store_true', help='log every hook call')
    arguments = parser.parse_args()
    set_umask()
    logging.basicConfig(
        level=logging.DEBUG if arguments.debug else logging.INFO, stream=sys.stderr, format='%(asctime)s %(levelname)s %(message)s'
    )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    try:
        checks.root()
        config = Config.load(arguments.lab)
        if arguments.node not in config.nodes:
            raise LabError(f'lab {config.name} has the nodes {", ".join(config.nodes)}')
        shared.hold(config)
    except (LabError, FileNotFoundError) as error:
        print(f'eucalab.node: {error}', file=sys.stderr)
        return 1
    settings = Settings(config, arguments.node, acceleration.choose(config.accel, cache_root()))
    try:
        controller = Controller(settings, stop)
    except KeyError as error:
        print(f'eucalab.node: the hook user of lab {config.name} does not exist: {error}', file=sys.stderr)
        return 1
    try:
        controller.run()
    except NodeError as error:
        print(f'eucalab.node: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
