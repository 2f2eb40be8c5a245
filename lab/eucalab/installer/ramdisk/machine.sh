# shellcheck shell=sh
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# The machine that the installer runs on: kernel file systems, drivers, boot parameters and network.

machine_start() {
    mount -t proc proc /proc
    mount -t sysfs sysfs /sys
    mount -t devtmpfs dev /dev
    mkdir -p /dev/pts /run "$WORK" "$TARGET"
    mount -t devpts devpts /dev/pts
    exec < /dev/console > /dev/console 2>&1
    umask 077
    load_drivers
    # A volume may be attached at any time: keep the names in /dev/disk/by-id right from now on.
    mdev -d
    /lib/installer/disk-links
    step "eucalab installer on Linux $(uname -r)"
}

load_drivers() {
    for driver in virtio_pci virtio_blk virtio_net virtio_scsi sd_mod virtio-rng evdev; do
        modprobe -q "$driver"
    done
    # The old IDE controller probes for a second: only where there is one.
    grep -qs 'pci:v00008086d000070[1-9]' /sys/bus/pci/devices/*/modalias && modprobe -q ata_piix
    [ -e /sys/hypervisor/type ] && modprobe -q -a xen-blkfront xen-netfront
    return 0
}

boot_parameter() { # NAME: its last value on the kernel command line, as the kernel counts
    value=
    # Words are split at blanks as the kernel does; a URL with & and ? is one word. No globbing on what a stranger wrote.
    set -f
    # shellcheck disable=SC2013
    for word in $(cat /proc/cmdline); do
        case $word in "$1"=*) value=${word#*=} ;; esac
    done
    set +f
    printf '%s\n' "$value"
}

# The first card with a link, whatever its name.
network_up() {
    ip link set lo up
    for card in /sys/class/net/*; do
        card=${card##*/}
        [ "$card" = lo ] && continue
        step "asking for an address on $card ($(cat "/sys/class/net/$card/address"))"
        ip link set "$card" up
        if udhcpc -i "$card" -q -n -f -t 10 -T 2 -A 5 > "$WORK/dhcp.log" 2>&1; then
            step "address $(ip -4 -o addr show dev "$card" | awk '{ print $4; exit }')"
            return
        fi
    done
    if [ "${card:-lo}" = lo ]; then fail 'no network card'; fi
    fail 'no answer to DHCP'
}
