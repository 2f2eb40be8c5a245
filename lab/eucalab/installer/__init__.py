# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's installer and the systems that it installs, built from Debian packages into the cache.

``CACHE/installer/``  ``vmlinuz`` and ``initrd``: the kernel and initial ramdisk that become EKI and ERI
``CACHE/debian/``     ``rootfs.tar``: a small Debian 12 with kernel, what ``url --url=`` serves
``CACHE/busybox/``    ``rootfs.tar``: a system of one megabyte, the quick one for tests
``CACHE/fai/``        ``vmlinuz``, ``initrd``, ``squash.img`` and ``repository``: FAI, for `make believe` only
"""
