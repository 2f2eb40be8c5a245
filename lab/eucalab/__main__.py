# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m eucalab``"""

import sys

from .cli import main

sys.exit(main())
