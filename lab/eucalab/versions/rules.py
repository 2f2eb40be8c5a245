# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of a version for images, instances, volumes and objects."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Images:
    sources: tuple[str, ...]
    id: str | None  # pattern of ids in requests about one image
    name: str | None  # pattern of a valid name
    name_required: bool
    names_unique: bool  # among an account's available images; the length of a description is then limited as well
    bucket_owned: bool  # the caller must own the manifest's bucket
    manifest_owned: bool  # the manifest must have been made by the caller's account
    reads_type: bool  # the manifest's own element image/type counts
    one_admin_message: bool  # kernels and ramdisks are refused with the same words
    needs_kernel: bool  # paravirtual images must have a kernel and a ramdisk
    default_kernel: bool  # the first kernel that was registered is that of all Linux images without one
    size_limited: bool
    checks_mappings: bool
    root_device: str
    partition_is_disk: bool  # /dev/sda1 of an image from a snapshot becomes /dev/sda
    snapshot_architecture: str | None  # of every image from a snapshot; None: the request's
    snapshot_virtualization: str
    shows_deregistered: bool  # DescribeImages lists deregistered images once more, and removes them
    manifest_kept: bool  # a manifest that changes after the registration makes the image unusable
    shows_caller: bool  # the launch permissions of every image are its publicity and the caller's own account


@dataclasses.dataclass(frozen=True)
class Instances:
    sources: tuple[str, ...]
    client_token: bool  # a request repeated with the same token starts nothing
    user_data_limited: bool
    size_may_equal_disk: bool  # an image may be as large as the disk of the instance type
    console_needs_running: bool  # otherwise the console of an instance that does not run is empty, and a terminated one unknown
    protects: bool  # DisableApiTermination counts
    refuses_stop: bool  # of an instance that has no EBS root; otherwise it is left out of the reply
    settle: int  # seconds for which a node's report of a domain that is gone does not count


@dataclasses.dataclass(frozen=True)
class Volumes:
    sources: tuple[str, ...]
    device: str  # pattern of a device name in AttachVolume
    attaches_at_once: bool  # to a stopped instance, and to no other that does not run; otherwise the attachment fails later
    root_kept_in: frozenset[str]  # states of an instance in which its root volume cannot be detached
    checks_size: bool  # a volume must not be smaller than its snapshot, and not be empty
    keeps_description: bool  # of a snapshot
    owners: bool  # DescribeSnapshots applies Owner
    restorable_by: str  # in DescribeSnapshots: ignored, or returns nothing, or explicit permissions only
    others_deletable: bool  # an administrator may delete the volumes of other accounts


@dataclasses.dataclass(frozen=True)
class Storage:
    sources: tuple[str, ...]
    paths: tuple[str, ...]
    signatures: tuple[str, ...]  # v2, v4
    v4_refusal: str  # of a version 4 signature in a header, in a version that has none
    skewed: tuple[str, str]  # code and message for a request whose time is wrong
    refusal: str  # of a failed authentication: with a code of its own, denied (AccessDenied always), or query (the form of EC2)
    lacks: frozenset[str]  # subresources
    parts_in_root: bool  # a manifest's parts are looked up by their bare names
    checks_signature: bool  # of a manifest, when an instance first needs the image
    bootstrap_namespace: (
        str | None
    )  # of the bootstrap service, which returns the certificate; None if the version has no such service
