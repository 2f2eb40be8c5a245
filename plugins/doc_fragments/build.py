# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that look after a build's resources."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  name:
    description: Name of the build, which is the value of the tag.
    type: str
  tag:
    description: Key of the tag.
    type: str
    default: eucalyptus.cloud/build
  answer_file_bucket:
    description:
      - Bucket of the build's answer file. The file is an object with the build's name, and is removed with the other resources.
      - The default is that of M(eucalyptus.cloud.answer_file).
    type: str
  boot_disk_bucket:
    description:
      - Bucket with the bundle of the build's boot disk. The name of the disk's image is that of the build with C(-boot) added.
        The bundle is removed with the other resources, even if it is incomplete.
      - Without it, no bundle is removed.
    type: str
  keep:
    description:
      - Whether to keep the build's instances, security group, volumes, images and snapshots.
      - The answer file is removed in any case, because it may contain password hashes.
    type: bool
    default: false
notes:
  - Of several machines that build O(name) in one account, only one has the claim on the build. The claim is an object
    in the bucket C(builds-) followed by the account's number. It names the user, the host and the playbook's process,
    and is renewed every 30 seconds. A claim that was not renewed for 150 seconds, by the clock of the object storage,
    has expired. The bucket is removed with its last claim.
"""
