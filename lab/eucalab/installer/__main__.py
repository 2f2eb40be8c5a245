# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m eucalab.installer build``"""
from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from .build import PRODUCTS, build
from .packages import BuildError


def main() -> int:
    parser = argparse.ArgumentParser(prog='eucalab.installer', description='Build installer and systems in the cache.')
    parser.add_argument('command', choices=['build'])
    parser.add_argument('--only', action='append', choices=list(PRODUCTS), help='one product, not all; may be repeated')
    arguments = parser.parse_args()
    try:
        build(Path(os.environ.get('EUCALAB_CACHE', '/var/cache/eucalab')), arguments.only)
    except BuildError as problem:
        print(f'eucalab: {problem}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
