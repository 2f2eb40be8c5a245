# shellcheck shell=sh
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Messages on the console. They contain no secrets: passwords are never printed, and URLs only without their query, which
# in a presigned URL contains the signature.

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

# Print the reason in one line and stay up. Powering off would look like a success.
fail() {
    say "FAILED: $*"
    sync
    stay
}

stay() {
    [ $$ -eq 1 ] || exit 1   # only the machine's first process must not end
    while :; do sleep 3600; done
}

shown() { # URL, without user, password and query
    printf '%s\n' "$1" | sed -e 's/[?#].*//' -e 's#://[^/]*@#://#'
}
