# shellcheck shell=sh
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# The %pre and %post scripts of a kickstart.

run_scripts() { # DIRECTORY pre|post ROOT
    number=1
    while [ -e "$1/$2.$number" ]; do
        script_options "$1/$2.$number.options" "$3"
        step "running %$2 script $number"
        run_script "$1/$2.$number"
        status=$?
        if [ "$status" -ne 0 ]; then
            [ "$script_fatal" = no ] || fail "%$2 script $number ended with status $status"
            warn "%$2 script $number ended with status $status"
        fi
        number=$((number + 1))
    done
}

# shellcheck disable=SC2046
script_options() { # FILE ROOT: sets script_root, script_fatal, script_interpreter, script_log
    script_root=$2 script_fatal=no script_interpreter=/bin/sh script_log=''
    IFS=$US
    set -f
    set -- $(cat "$1")
    set +f
    unset IFS
    for word; do
        case $word in
            --nochroot) script_root=/ ;;
            --erroronfail) script_fatal=yes ;;
            --interpreter=/*) script_interpreter=${word#*=} ;;
            --log=/*) script_log=${word#*=} ;;
            *) warn "script option $(printable "$word") is ignored" ;;
        esac
    done
}

run_script() { # FILE
    inside=/tmp/ks-script-$$
    [ -x "$script_root$script_interpreter" ] || [ -L "$script_root$script_interpreter" ] \
        || { warn "there is no $script_interpreter"; return 127; }
    mkdir -p "$script_root/tmp"
    cp "$1" "$script_root$inside"
    chmod 700 "$script_root$inside"
    if [ -n "$script_log" ]; then
        mkdir -p "$script_root${script_log%/*}"
        run_inside "$script_interpreter" "$inside" > "$script_root$script_log" 2>&1
    else
        run_inside "$script_interpreter" "$inside"
    fi
    status=$?
    rm -f "$script_root$inside"
    return $status
}

run_inside() { # in script_root, with the usual umask
    if [ "$script_root" = / ]; then ( umask 022; exec "$@" ); else ( umask 022; exec chroot "$script_root" "$@" ); fi
}
