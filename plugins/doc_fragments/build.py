# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that identify the resources of a build."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  name:
    description: Value of the tag, which is the name of the build.
    type: str
  tag:
    description: Key of the tag.
    type: str
    default: eucalyptus.cloud/build
  answer_file_bucket:
    description:
      - Bucket of the build's answer file, an object of the build's name, which is removed as well.
      - The default is that of M(eucalyptus.cloud.answer_file).
    type: str
"""
