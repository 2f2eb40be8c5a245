# shellcheck shell=sh
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# The installed system: its files, its configuration, its boot loader.

system_unpack() {
    source=${ks_image:-${ks_url%/}/rootfs.tar}
    fetchable "$source" 'the system'
    case $(shown "$source") in
        *.tar) packed='' ;;
        *.tar.gz|*.tgz) packed=z ;;
        *.tar.xz|*.txz) packed=J ;;
        *) fail "cannot unpack $(shown "$source"): not a .tar, .tar.gz or .tar.xz" ;;
    esac
    step "unpacking $(shown "$source")"
    unpack_progress &
    progress=$!
    # It is unpacked while it comes in: this machine may have less memory than the system has bytes.
    ( umask 022
      { wget -q -O - "$source" 2> "$WORK/wget.log" || echo failed > "$WORK/wget.failed"; } \
          | tar -x -p"$packed" -f - -C "$TARGET" 2> "$WORK/tar.log" ) || echo failed > "$WORK/tar.failed"
    kill "$progress"
    # When tar fails, wget ends silently. When wget fails, tar reports an error as well.
    if [ -e "$WORK/tar.failed" ] && [ ! -s "$WORK/wget.log" ]; then
        fail "cannot unpack $(shown "$source"): $(tail -n 1 "$WORK/tar.log")"
    fi
    [ ! -e "$WORK/wget.failed" ] || fail "cannot fetch the system $(shown "$source"): $(fetch_reason)"
    [ -d "$TARGET/etc" ] || fail "$(shown "$source") is not a system: it has no /etc"
    step "unpacked $(used_megabytes) MiB"
}

# Only on progress: a stalled download must be silent, so that clients that wait for this machine notice it.
unpack_progress() {
    before=
    while sleep 10; do
        now=$(used_megabytes)
        [ "$now" = "$before" ] || step "unpacked $now MiB so far"
        before=$now
    done
}

used_megabytes() {
    df -m "$TARGET" | awk 'END { print $3 }'
}

system_configure() {
    step 'configuring the system'
    umask 022
    system_fstab > "$TARGET/etc/fstab"
    [ -z "$ks_hostname" ] || system_hostname
    [ -z "$ks_timezone" ] || system_timezone
    system_password
    # Every instance of the image must get its own: empty means "make one at the first start".
    : > "$TARGET/etc/machine-id"
    rm -f "$TARGET"/etc/ssh/ssh_host_*
    # For the scripts that run inside.
    [ -L "$TARGET/etc/resolv.conf" ] || cp /etc/resolv.conf "$TARGET/etc/resolv.conf"
    mkdir -p "$TARGET/dev" "$TARGET/proc" "$TARGET/sys" "$TARGET/run"
    mount -t devtmpfs dev "$TARGET/dev"
    mkdir -p "$TARGET/dev/pts"
    mount -t devpts devpts "$TARGET/dev/pts"
    mount -t proc proc "$TARGET/proc"
    mount -t sysfs sysfs "$TARGET/sys"
    mount -t tmpfs tmpfs "$TARGET/run"
}

system_fstab() {
    echo '# <file system> <mount point> <type> <options> <dump> <pass>'
    while read -r mount _ type tag; do
        case $mount in
            swap) echo "$tag none swap sw 0 0" ;;
            /) echo "$tag / $type errors=remount-ro 0 1" ;;
            *) echo "$tag $mount $type defaults 0 2" ;;
        esac
    done < "$WORK/mounts"
}

system_hostname() {
    echo "$ks_hostname" > "$TARGET/etc/hostname"
    printf '127.0.0.1\tlocalhost\n127.0.1.1\t%s\n' "$ks_hostname ${ks_hostname%%.*}" > "$TARGET/etc/hosts"
}

system_timezone() {
    zone=/usr/share/zoneinfo/$ks_timezone
    if [ ! -e "$TARGET$zone" ]; then
        mkdir -p "$TARGET${zone%/*}"
        tar -xzf /lib/installer/zoneinfo.tar.gz -O "./$ks_timezone" > "$TARGET$zone" 2> /dev/null \
            || { rm -f "$TARGET$zone"; warn "unknown time zone $ks_timezone"; return; }
    fi
    ln -sfn "$zone" "$TARGET/etc/localtime"
    echo "$ks_timezone" > "$TARGET/etc/timezone"
}

system_password() {
    hash=$ks_crypted
    [ -z "$ks_password" ] || hash=$(printf '%s\n' "$ks_password" | mkpasswd -m sha512 -P 0)
    [ -z "$ks_lock" ] || hash="!$hash"
    [ -n "$hash" ] || return
    [ -e "$TARGET/etc/shadow" ] || fail 'the system has no /etc/shadow for the root password'
    # In the environment, because awk would interpret backslashes in a -v assignment.
    HASH=$hash awk -F: -v OFS=: '$1 == "root" { $2 = ENVIRON["HASH"] } { print }' "$TARGET/etc/shadow" > "$WORK/shadow"
    cat "$WORK/shadow" > "$TARGET/etc/shadow"
}

last_in_boot() { # PREFIX
    last=
    for file in "$TARGET/boot/$1"*; do
        [ ! -e "$file" ] || last=${file##*/}
    done
    echo "$last"
}

system_loader() {
    kernel=$(last_in_boot vmlinuz)
    ramdisk=$(last_in_boot initrd)
    [ -n "$kernel" ] || fail 'the system has no kernel in /boot'
    prefix=/boot/
    [ "$boot_mount" = / ] || prefix=/
    root=$(awk '$1 == "/" { print $4 }' "$WORK/mounts")
    mkdir -p "$TARGET/boot/extlinux"
    {
        echo 'DEFAULT linux'
        echo 'PROMPT 0'
        echo 'LABEL linux'
        echo "  KERNEL $prefix$kernel"
        [ -z "$ramdisk" ] || echo "  INITRD $prefix$ramdisk"
        # Without randomised addresses an emulated processor reuses more translated code: a fifth less CPU time for a start.
        echo "  APPEND root=$root ro norandmaps $(consoles) $ks_append"
    } > "$TARGET/boot/extlinux/extlinux.conf"
    extlinux --install "$TARGET/boot/extlinux" > "$WORK/extlinux.log" 2>&1 \
        || fail "cannot install the boot loader: $(tail -n 1 "$WORK/extlinux.log")"
    dd if="/lib/installer/$boot_record" of="/dev/$disk" bs=440 count=1 conv=notrunc 2> /dev/null \
        || fail "cannot write the boot record of disk $disk"
    step "installed the boot loader on disk $disk, for $kernel"
}

consoles() { # the installed system uses the installer's console unless the kickstart names another
    case " $ks_append" in *' console='*) return ;; esac
    list=
    # shellcheck disable=SC2013
    for word in $(cat /proc/cmdline); do
        case $word in console=*) list="$list $word" ;; esac
    done
    echo "${list:-console=tty0 console=ttyS0,115200n8}" | sed 's/^ //'
}
