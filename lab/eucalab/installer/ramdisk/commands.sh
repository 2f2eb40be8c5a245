# shellcheck shell=sh
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# The commands of a kickstart: each sets variables (ks_...) that the later steps use. Unknown commands are
# reported and skipped. A known command with an unsupported value is a failure before any disk is changed.
#
# The boot parameter eucalab.kickstart=VERSION (as pykickstart names it: RHEL6, F43) makes it as strict as the Anaconda of that
# version about disk labels and about commands that came or went. Otherwise disks get an msdos label and all commands are known.

kickstart_version() { # VERSION: sets version_gpt (the default label) and version_lacks (commands and options, between blanks)
    version_gpt=no version_lacks=' '
    case $1 in
        '') return ;;
        RHEL[6-9]|RHEL1[0-9]) version_number=${1#RHEL} version_family=RHEL ;;
        F1[6-9]|F[2-9][0-9]) version_number=${1#F} version_family=F ;;
        *) fail "eucalab.kickstart=$(printable "$1"): no such version; RHEL6 and F16 are the first" ;;
    esac
    # pykickstart's handlers/; Anaconda's platform.py and anaconda.conf, blivet 3.8 for the default label.
    case $version_family in
        RHEL) set -- 10 7 7 7 9 10 ;;
        F) set -- 37 21 23 17 34 35; [ "$version_number" -ne 16 ] || version_gpt=yes ;;
    esac
    [ "$version_number" -lt "$1" ] || version_gpt=yes
    [ "$version_number" -ge "$2" ] || version_lacks="$version_lacks--disklabel "
    [ "$version_number" -ge "$3" ] || version_lacks="${version_lacks}reqpart "
    [ "$version_number" -ge "$4" ] || version_lacks="$version_lacks--boot-drive "
    [ "$version_number" -lt "$5" ] || version_lacks="${version_lacks}install "
    [ "$version_number" -lt "$6" ] || version_lacks="${version_lacks}auth authconfig "
}

kickstart_knows() { # COMMAND OPTIONS: refuses what the chosen version does not have
    for word; do
        case $version_lacks in *" ${word%%=*} "*) refuse "$ks_version does not support ${word%%=*}" ;; esac
    done
}

kickstart_commands() { # FILE
    ks_url='' ks_image='' ks_password='' ks_crypted='' ks_lock='' ks_hostname='' ks_timezone=''
    ks_clear='' ks_disk='' ks_append='' ks_loader=mbr ks_end=halt ks_label='' ks_reqpart=no
    kickstart_version "$ks_version"
    : > "$WORK/partitions"
    while IFS=$US read -r ks_line command words; do
        kickstart_command
    done < "$1"
    if [ -n "$ks_url" ] && [ -n "$ks_image" ]; then fail 'the kickstart has both url and liveimg'; fi
    if [ -z "$ks_url$ks_image" ]; then fail 'the kickstart names no source: url --url=... or liveimg --url=... is missing'; fi
    [ -s "$WORK/partitions" ] || fail 'the kickstart has no part / (or autopart)'
    grep -q "^/$US" "$WORK/partitions" || fail 'the kickstart has no part /'
    boot_partition
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
    kickstart_knows "$command" "$@"
    case $command in
        url) url_command "$@" ;;
        liveimg) liveimg_command "$@" ;;
        rootpw) rootpw_command "$@" ;;
        network) network_command "$@" ;;
        timezone) timezone_command "$@" ;;
        clearpart) clearpart_command "$@" ;;
        ignoredisk) ignoredisk_command "$@" ;;
        part|partition) part_command "$@" ;;
        autopart) autopart_command "$@" ;;
        reqpart) ks_reqpart=yes ;;
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

other_option() { # OPTION: for an option that a command may ignore
    case $1 in
        -*) warn "$command: option ${1%%=*} (line $ks_line) is ignored" ;;
        *) refuse "unexpected word: $(printable "${1%%=*}")" ;;
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
            --bootproto=dhcp|--device=*|--onboot=*|--activate|--noipv6|--noipv4|--ipv6=*) ;;
            --mtu=*) case ${word#*=} in ''|*[!0-9]*) refuse '--mtu is not a number' ;; esac ;;
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
            --initlabel) ;;
            --disklabel=msdos|--disklabel=gpt) ks_label=${word#*=} ;;
            --disklabel=*) refuse 'only --disklabel=msdos and gpt are supported' ;;
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

# Its options never reach the console: a passphrase may be among them.
refuse_encryption() { # WORDS
    for word; do
        case $word in --encrypted|--passphrase*|--luks-*|--cipher*|--pbkdf*|--escrowcert*|--backuppassphrase)
            refuse 'encryption is not supported' ;;
        esac
    done
}

autopart_command() {
    refuse_encryption "$@"
    for word; do other_option "$word"; done
    ks_reqpart=yes
    partition_line / ext4 1 yes ''
}

# On a BIOS, GRUB needs a partition of its own on a disk with a GPT label. Anaconda's text mode stops with these words.
boot_partition() {
    if [ -z "$ks_label" ] && [ "$version_gpt" = yes ]; then ks_label=gpt; fi
    if [ "$ks_label" != gpt ] || grep -q "^biosboot$US" "$WORK/partitions"; then return; fi
    [ "$ks_reqpart" = yes ] || fail "storage configuration failed: Your BIOS-based system needs a special partition to boot from a GPT" \
        "disk label. To continue, please create a 1MiB 'biosboot' type partition on the ${ks_disk:-installation} disk."
    command=reqpart
    partition_line biosboot biosboot 1 no ''
}

part_command() {
    refuse_encryption "$@"
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
            *) [ -z "$mount" ] || refuse "unexpected word: $(printable "${word%%=*}")"; mount=$word ;;
        esac
    done
    case $mount in swap|biosboot) type=$mount ;; esac
    case $mount in
        swap|biosboot|/|/[A-Za-z0-9]*) ;;
        *) refuse "not a mount point: $(printable "$mount")" ;;
    esac
    case $mount in *[!A-Za-z0-9/._-]*|*..*) refuse "not a mount point: $(printable "$mount")" ;; esac
    case $type in ''|swap|biosboot|ext2|ext3|ext4) ;; *) refuse "--fstype=$(printable "$type") is not supported (ext4, ext3, ext2, swap)" ;; esac
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
