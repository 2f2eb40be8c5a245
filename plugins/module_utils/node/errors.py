# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The root of the exceptions raised on node controllers.

Runs on the node, so it stays valid for Python 2.7.
"""

from __future__ import absolute_import, division, print_function

__metaclass__ = type


class NodeError(Exception):
    """A request that this node cannot fulfil. The message consists of complete sentences without secrets."""
