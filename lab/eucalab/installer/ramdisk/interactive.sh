# shellcheck shell=sh
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Without a kickstart, the installer asks its questions on all its terminals. Process 1 runs the installation itself, so a
# terminal that disappears does not end it. Its messages are on the serial line, which the cloud shows as the console
# output, and in a log, which the other terminals show.

interactive() { # returns when $WORK/ks.cfg has the answers
    active=$(cat /sys/class/tty/console/active)
    set -- /dev/null
    for device in $active; do
        case $device in tty[0-9]*) ;; *) set -- "/dev/$device" ;; esac
    done
    ln -s "$1" "$WORK/console"
    mkfifo "$WORK/output"
    tee "$WORK/log" < "$WORK/output" > "$WORK/console" &
    exec > "$WORK/output" 2>&1
    dmesg -n 4   # of the kernel, only errors among the questions
    step 'no kickstart (inst.ks=URL) among the boot parameters: asking'
    network_console
    [ "$1" = /dev/null ] || terminal "$1" 'the serial line' yes
    # The kernel has virtual terminals without a video card as well, on a dummy device.
    if cat /sys/class/vtconsole/*/name | grep -qv dummy; then
        clear > /dev/tty1
        terminal /dev/tty1 'the display' no
    fi
    until [ -e "$WORK/ks.cfg" ]; do
        # Only this loop removes the lead of a process that has ended, so that no terminal removes its successor by mistake.
        if [ -e "$WORK/lead" ] && read -r process _ < "$WORK/lead" && [ ! -d "/proc/$process" ]; then rm "$WORK/lead"; fi
        sleep 1
    done
}

terminal() { # DEVICE NAME yes|no, whether it shows the messages of process 1
    while [ ! -e "$WORK/finished" ]; do
        setsid -c "$LIB/questions" "$2" "$3" <> "$1" >&0 2>&1
        sleep 1
    done &
}

# With the boot parameters of debian-installer's network-console: the user installer may log in by SSH with this password.
network_console() {
    case ",$(boot_parameter modules),$(boot_parameter anna/choose_modules)," in *,network-console,*) ;; *) return ;; esac
    password=$(boot_parameter network-console/password)
    if [ -z "$password" ] || [ "$password" != "$(boot_parameter network-console/password-again)" ]; then
        warn 'no network console: network-console/password is missing or differs from network-console/password-again'
        return
    fi
    tar -xJf "$LIB/ssh.tar.xz" -C /
    mkdir -p /etc/dropbear
    echo "installer:x:0:0:installer:/root:$LIB/questions" > /etc/passwd
    echo "installer:$(printf '%s\n' "$password" | mkpasswd -m sha512 -P 0):19000:0:99999:7:::" > /etc/shadow
    echo "$LIB/questions" > /etc/shells
    fingerprint=$(dropbearkey -t ed25519 -f /etc/dropbear/key 2> /dev/null | sed -n 's/^Fingerprint: //p')
    # A connection that has been dead for 45 seconds (three times -K) is closed. Neither kind of forwarding.
    dropbear -r /etc/dropbear/key -K 15 -j -k 2> /dev/null
    address=$(ip -4 -o addr show scope global | awk '{ sub("/.*", "", $4); print $4; exit }')
    say "to answer by SSH: ssh installer@$address (host key $fingerprint)"
}

# Prints the line that proves success, with the disk. A cloud shows no console of a machine that has powered off, so the machine
# stays up for a moment.
interactive_end() {
    for _ in 1 2 3; do
        say "success: disk=$disk serial=$(disk_serial "$disk") bytes=$(($(cat "/sys/block/$disk/size") * 512))"
        sleep 2
    done
    touch "$WORK/finished"
    killall tail   # and with it the connections, which would otherwise hang
    sleep 1
}
