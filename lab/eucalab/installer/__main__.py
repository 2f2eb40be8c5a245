# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m eucalab.installer build|check``"""

from __future__ import annotations

import argparse
import sys

from ..config import cache_root, set_umask
from .build import PRODUCTS, build, outdated
from .packages import BuildError


def main() -> int:
    parser = argparse.ArgumentParser(prog='eucalab.installer', description='Build installer and systems in the cache.')
    parser.add_argument('command', choices=['build', 'check'], help='build outdated products, or only list them')
    parser.add_argument(
        '--only', action='append', choices=list(PRODUCTS), help='only this product; may be repeated; by default all but fai'
    )
    arguments = parser.parse_args()
    set_umask()
    try:
        if arguments.command == 'check':
            for name in (missing := outdated(cache_root(), arguments.only)):
                print(f'{name} is not up to date', file=sys.stderr)
            return 1 if missing else 0
        build(cache_root(), arguments.only)
    except BuildError as problem:
        print(f'eucalab: {problem}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('eucalab: interrupted; the cache is unchanged', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
