# shellcheck shell=sh
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# The commands of a kickstart: each sets variables (ks_...) that the later steps obey. Unknown commands are
# reported and skipped. A known command with an unsupported value is a failure before any disk is changed.

kickstart_commands() { # FILE
    ks_url='' ks_image='' ks_password='' ks_crypted='' ks_lock='' ks_hostname='' ks_timezone=''
    ks_clear='' ks_disk='' ks_append='' ks_loader=mbr ks_end=halt
    : > "$WORK/partitions"
    while IFS=$US read -r ks_line command words; do
        kickstart_command
    done < "$1"
    if [ -n "$ks_url" ] && [ -n "$ks_image" ]; then fail 'the kickstart has both url and liveimg'; fi
    if [ -z "$ks_url$ks_image" ]; then fail 'the kickstart names no source: url --url=... or liveimg --url=... is missing'; fi
    [ -s "$WORK/partitions" ] || fail 'the kickstart has no part / (or autopart)'
    grep -q "^/$US" "$WORK/partitions" || fail 'the kickstart has no part /'
    [ -n "$ks_password$ks_crypted$ks_lock" ] || warn 'no rootpw: nobody can log in as root'
}

# shellcheck disable=SC2086
kickstart_command() {
    IFS=$US
    set -f
    set -- $words
    set +f
    IFS=$(printf ' \t\n_')
    IFS=${IFS%_}
    case $command in
        url) url_command "$@" ;;
        liveimg) liveimg_command "$@" ;;
        rootpw) rootpw_command "$@" ;;
        network) network_command "$@" ;;
        timezone) timezone_command "$@" ;;
        clearpart) clearpart_command "$@" ;;
        ignoredisk) ignoredisk_command "$@" ;;
        part|partition) part_command "$@" ;;
        autopart) partition_line / ext4 1 yes '' ;;
        bootloader) bootloader_command "$@" ;;
        poweroff|shutdown) ks_end=poweroff ;;
        reboot) ks_end=reboot ;;
        halt) ks_end=halt ;;
        # Without effect here: there is one language, one keyboard, no questions and no second stage.
        lang|keyboard|text|cmdline|graphical|install|zerombr|firstboot|skipx|eula|logging) ;;
        %*) warn "section $command (line $ks_line) is not supported" ;;
        *) warn "unknown command: $(printable "$command") (line $ks_line)" ;;
    esac
}

printable() {
    printf '%.40s' "$(printf '%s' "$1" | tr -cd '!-~')"
}

refuse() { # REASON
    fail "kickstart line $ks_line: $command: $1"
}

other_option() { # OPTION: for what a command need not obey
    case $1 in
        -*) warn "$command: option ${1%%=*} (line $ks_line) is ignored" ;;
        *) refuse "unexpected word: $(printable "$1")" ;;
    esac
}

url_command() {
    for word; do case $word in --url=?*) ks_url=${word#*=} ;; *) other_option "$word" ;; esac; done
    [ -n "$ks_url" ] || refuse '--url is missing'
}

liveimg_command() {
    for word; do
        case $word in
            --url=?*) ks_image=${word#*=} ;;
            # The download is unpacked on the fly, so a wrong checksum would be noticed too late. Refuse it instead of ignoring it.
            --checksum*) refuse '--checksum is not supported' ;;
            *) other_option "$word" ;;
        esac
    done
    [ -n "$ks_image" ] || refuse '--url is missing'
}

rootpw_command() {
    crypted='' password='' ks_lock=''
    for word; do
        case $word in
            --iscrypted) crypted=yes ;;
            --plaintext|--allow-ssh) ;;
            --lock) ks_lock=yes ;;
            # Not other_option: a misplaced word may be the password.
            --*) warn "rootpw: option ${word%%=*} (line $ks_line) is ignored" ;;
            *) [ -z "$password" ] || refuse 'more than one password'; password=$word ;;
        esac
    done
    [ -n "$password$ks_lock" ] || refuse 'no password'
    case $crypted$password in *:*) refuse 'the password has a colon and cannot be stored' ;; esac
    if [ -n "$crypted" ]; then ks_crypted=$password ks_password=''; else ks_password=$password ks_crypted=''; fi
}

network_command() {
    for word; do
        case $word in
            --bootproto=dhcp|--device=*|--onboot*|--activate|--noipv6|--noipv4|--ipv6=*) ;;
            --bootproto=*) refuse "only --bootproto=dhcp is supported" ;;
            --hostname=*)
                ks_hostname=${word#*=}
                case $ks_hostname in ''|-*|.*|*[!A-Za-z0-9.-]*) refuse 'not a host name' ;; esac ;;
            *) other_option "$word" ;;
        esac
    done
}

timezone_command() {
    for word; do
        case $word in
            --utc|--isUtc|--nontp|--ntpservers=*) ;;
            -*) other_option "$word" ;;
            *..*|/*|*[!A-Za-z0-9_+/-]*) refuse 'not a time zone' ;;
            *) ks_timezone=$word ;;
        esac
    done
}

clearpart_command() {
    for word; do
        case $word in
            --all|--linux) ks_clear=yes ;;
            --none) ks_clear='' ;;
            --initlabel|--disklabel=msdos) ;;
            --disklabel=*) refuse 'only --disklabel=msdos is supported' ;;
            --drives=*) disk_named "${word#*=}" ;;
            *) other_option "$word" ;;
        esac
    done
}

ignoredisk_command() {
    for word; do case $word in --only-use=*) disk_named "${word#*=}" ;; *) other_option "$word" ;; esac; done
}

bootloader_command() {
    for word; do
        case $word in
            --append=*) ks_append=${word#*=} ;;
            --location=mbr) ks_loader=mbr ;;
            --location=none) ks_loader=none ;;
            --location=*) refuse 'only --location=mbr and none are supported' ;;
            --boot-drive=*|--driveorder=*) disk_named "${word#*=}" ;;
            --timeout=*) ;;
            *) other_option "$word" ;;
        esac
    done
}

disk_named() { # DISK, or a list of one
    name=${1#/dev/}
    case $name in
        *,*) refuse 'only one disk is supported' ;;
        ''|.*|*..*|*[!A-Za-z0-9._:/-]*) refuse "not a disk: $(printable "$1")" ;;
    esac
    [ "${ks_disk:-$name}" = "$name" ] || refuse "disk $name, but disk $ks_disk was named before"
    ks_disk=$name
}

part_command() {
    mount='' type='' size=0 grow=no label=''
    for word; do
        case $word in
            --fstype=*) type=${word#*=} ;;
            --size=*) size=${word#*=} ;;
            --label=*) label=${word#*=} ;;
            --grow) grow=yes ;;
            --ondisk=*|--ondrive=*) disk_named "${word#*=}" ;;
            --asprimary|--maxsize=*|--fsoptions=*) ;;
            -*) other_option "$word" ;;
            *) [ -z "$mount" ] || refuse "unexpected word: $(printable "$word")"; mount=$word ;;
        esac
    done
    [ "$mount" = swap ] && type=swap
    case $mount in
        swap|/|/[A-Za-z0-9]*) ;;
        *) refuse "not a mount point: $(printable "$mount")" ;;
    esac
    case $mount in *[!A-Za-z0-9/._-]*|*..*) refuse "not a mount point: $(printable "$mount")" ;; esac
    case $type in ''|swap|ext2|ext3|ext4) ;; *) refuse "--fstype=$(printable "$type") is not supported (ext4, ext3, ext2, swap)" ;; esac
    case $size in ''|*[!0-9]*|?????????*) refuse '--size is not a number of MiB' ;; esac
    case $label in *[!A-Za-z0-9._/-]*|?????????????????*) refuse 'not a label' ;; esac
    [ "$grow" = yes ] || [ "$size" -gt 0 ] || refuse "$mount has neither --size nor --grow"
    partition_line "$mount" "${type:-ext4}" "$size" "$grow" "$label"
}

partition_line() { # MOUNT TYPE MIB GROW LABEL
    if [ "$1" != swap ] && grep -q "^$1$US" "$WORK/partitions"; then refuse "$1 is there twice"; fi
    if [ "$4" = yes ] && grep -q "${US}yes$US" "$WORK/partitions"; then refuse 'only one partition may --grow'; fi
    [ "$(wc -l < "$WORK/partitions")" -lt 4 ] || refuse 'more than 4 partitions'
    printf '%s\n' "$1$US$2$US$3$US$4$US$5$US" >> "$WORK/partitions"
}
