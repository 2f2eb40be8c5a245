# shellcheck shell=sh
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# What the installer tells the console. Secrets never pass through here: passwords are not printed at all, and URLs
# only without their query, which is where a presigned URL carries its signature.

say() {
    printf 'installer: %s\n' "$*"
}

step() { # a line of progress, with the seconds since the machine started
    read -r uptime _ < /proc/uptime
    say "$uptime s: $*"
}

warn() {
    say "warning: $*"
}

# One line says why, then the machine stays up. An installer that powered off here would look like one that succeeded.
fail() {
    say "FAILED: $*"
    sync
    stay
}

stay() {
    [ $$ -eq 1 ] || exit 1   # started by hand: back to the person's shell
    while :; do sleep 3600; done
}

shown() { # URL, without user, password and query
    printf '%s\n' "$1" | sed -e 's/[?#].*//' -e 's#://[^/]*@#://#'
}
