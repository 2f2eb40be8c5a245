# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that say which build's resources are meant."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  name:
    description: The value of the tag, which is the name of the build.
    type: str
  tag:
    description: The key of the tag.
    type: str
    default: eucalyptus.cloud/build
  answer_file_bucket:
    description:
      - The bucket of the build's answer file, an object of the build's name that is removed, too.
      - The default is that of M(eucalyptus.cloud.answer_file).
    type: str
"""
