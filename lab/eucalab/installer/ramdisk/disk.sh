# shellcheck shell=sh
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# The target disk: choosing it, its partitions and file systems, and unmounting them at the end.

disk_choose() { # sets disk, a name in /dev
    if [ -n "$ks_disk" ]; then
        disk_wait "/dev/$ks_disk" || fail "no disk $ks_disk on this machine; there is: $(disk_list | grep . || echo none)"
        disk=$(readlink -f "/dev/$ks_disk")
        disk=${disk#/dev/}
    else
        disk_wait '' || fail 'no disk on this machine'
        disk=$(disk_list)
        case $disk in *' '*) fail "several disks ($disk) and the kickstart names none" ;; esac
    fi
    [ -e "/sys/block/$disk" ] || fail "$ks_disk is not a whole disk"
    if [ -z "$ks_clear" ] && [ -n "$(ls -d "/sys/block/$disk/$disk"* 2> /dev/null)" ]; then
        fail "disk $disk has partitions, and the kickstart has no clearpart --all"
    fi
    step "installing to disk $disk ($(($(cat "/sys/block/$disk/size") / 2048)) MiB)"
}

# The kernel may still be finding disks after the first steps.
disk_wait() { # PATH or nothing for any
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        if [ -n "$1" ]; then [ -b "$1" ] && return; else [ -n "$(disk_list)" ] && return; fi
        sleep 0.3
    done
    return 1
}

disk_partition() { # sets separator (vda1, nvme0n1p1) and boot_mount, where the boot loader's files lie
    case $disk in *[0-9]) separator=p ;; *) separator='' ;; esac
    boot_record=mbr.bin linux=83 swap=82 bootable=bootable
    if [ "$ks_label" = gpt ]; then boot_record=gptmbr.bin linux=L swap=S bootable='attrs=LegacyBIOSBootable'; fi
    {
        echo "label: $([ "$ks_label" = gpt ] && echo gpt || echo dos)"
        # The growing partition comes last and takes the remaining space.
        { grep -v "${US}yes$US" "$WORK/partitions"; grep "${US}yes$US" "$WORK/partitions"; } > "$WORK/layout"
        boot_mount=/
        if grep -q "^/boot$US" "$WORK/layout"; then boot_mount=/boot; fi
        while IFS=$US read -r mount type size grow _; do
            case $type in
                swap) line="type=$swap" ;;
                biosboot) line=type=21686148-6449-6E6F-744E-656564454649 ;;
                *) line="type=$linux" ;;
            esac
            [ "$grow" = yes ] || line="$line, size=${size}MiB"
            [ "$mount" = "$boot_mount" ] && line="$line, $bootable"
            echo "$line"
        done < "$WORK/layout"
    } > "$WORK/sfdisk"
    # Without --lock, sfdisk and mdev may look at the disk at the same time and the kernel refuses to read the table again.
    sfdisk -q --lock=yes --wipe always --wipe-partitions always "/dev/$disk" < "$WORK/sfdisk" > "$WORK/sfdisk.log" 2>&1 \
        || fail "cannot partition disk $disk: $(tail -n 1 "$WORK/sfdisk.log")"
    disk_wait "/dev/$disk$separator$(wc -l < "$WORK/layout")" || fail "the kernel does not show the partitions of disk $disk"
    step "partitioned disk $disk"
}

disk_filesystems() { # makes them and mounts them, / first
    number=0
    : > "$WORK/mounts"
    while IFS=$US read -r mount type _ _ label; do
        number=$((number + 1))
        [ "$type" != biosboot ] || continue
        partition=/dev/$disk$separator$number
        [ -n "$label" ] || { [ "$mount" = / ] && label=root; }
        filesystem_make "$partition" "$type" "$label"
        printf '%s %s %s %s\n' "$mount" "$partition" "$type" "$tag" >> "$WORK/mounts"
    done < "$WORK/layout"
    sort -o "$WORK/mounts" "$WORK/mounts"
    while read -r mount partition type _; do
        [ "$type" = swap ] && continue
        mkdir -p "$TARGET$mount"
        # Nothing is lost if this machine dies now: an installation starts again from the beginning. So no barriers.
        mount -t "$type" -o noatime,nobarrier "$partition" "$TARGET$mount" || fail "cannot mount $partition"
    done < "$WORK/mounts"
    step "made $(grep -c . "$WORK/mounts") file system(s)"
}

filesystem_make() { # PARTITION TYPE LABEL: sets tag, by which fstab and boot loader name it on whatever disk it will be
    if [ "$2" = swap ]; then
        tag=LABEL=${3:-swap}
        mkswap -L "${3:-swap}" "$1" > "$WORK/mkfs.log" 2>&1
    else
        read -r uuid < /proc/sys/kernel/random/uuid
        tag=UUID=$uuid
        # extlinux 6 reads neither 64bit nor metadata_csum reliably. The mke2fs of busybox supports only ext2.
        /usr/sbin/mke2fs -q -F -t "$2" -U "$uuid" -O ^64bit,^metadata_csum -E lazy_itable_init=1,lazy_journal_init=1 \
            ${3:+-L "$3"} "$1" > "$WORK/mkfs.log" 2>&1
    fi || fail "cannot make file system $2 on $1: $(tail -n 1 "$WORK/mkfs.log")"
}

disk_release() {
    step 'writing everything to the disk'
    for mounted in dev/pts dev proc sys run; do umount "$TARGET/$mounted" 2> /dev/null; done
    sort -r "$WORK/mounts" | while read -r mount _ type _; do
        [ "$type" = swap ] || umount "$TARGET$mount" || warn "$mount is still in use"
    done
    sync
}
