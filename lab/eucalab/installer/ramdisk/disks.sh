# shellcheck shell=sh
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# The disks of this machine.

disk_list() { # the disks that one can install to, on one line
    list=
    for candidate in /sys/block/[sv]d* /sys/block/xvd* /sys/block/nvme*; do
        [ -e "$candidate" ] && [ "$(cat "$candidate/ro")" = 0 ] && list="$list ${candidate##*/}"
    done
    printf '%s' "${list# }"
}

disk_serial() { # DISK: its serial number or none
    serial=
    [ ! -r "/sys/block/$1/serial" ] || read -r serial < "/sys/block/$1/serial"
    printf '%s' "${serial:-none}" | tr -cd 'A-Za-z0-9._-'
}
