# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages that 3.1 and 3.4 have in common, and 4.x does not have (the files that ``Errors.sources`` of both name)."""

from __future__ import annotations

WORDS = (
    (r"AttachVolume InvalidInstanceID\.NotFound: The instance ID '(.*)' does not exist", r'Instance does not exist: \1'),
    (r'CreateSnapshot InternalFailure: Volume not ready for snapshot: (.*)', r'Volume \1 not yet ready'),
    (
        r'CreateVolume InvalidSnapshot\.NotFound: The snapshot (.*) does not exist\.',
        r'Failed to create volume because the referenced snapshot id is invalid: \1',
    ),
    # Partitions.lookupByName
    (r"CreateVolume InvalidZone\.NotFound: The zone '(.*)' does not exist\.", r'java.util.NoSuchElementException: @NaturalId: \1'),
    (r'CreateVolume VolumeLimitExceeded: (.*)', r'Failed to create volume after 10 because of: \1'),
    (r'DeleteVolume VolumeInUse: Volume is currently attached to: (.*)', r'Volume is currently attached: \1'),
    (r"DetachVolume InvalidVolume\.NotFound: The volume '(.*)' does not exist", r'Volume does not exist: \1'),
    (r"GetConsoleOutput InvalidInstanceID\.NotFound: The instance ID '(.*)' does not exist", r'No such instance: \1'),
    (r'RegisterImage InternalFailure: (Invalid image location: .*)', r'Image registration failed:  \1'),
)
