# shellcheck shell=sh
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Getting files over HTTP.

fetch() { # URL FILE WHAT
    fetchable "$1" "$3"
    for _ in 1 2 3; do
        timeout 120 wget -q -O "$2" "$1" 2> "$WORK/wget.log" && return
        # The server would repeat a refusal, but a network that is not up yet is worth another try.
        grep -q 'server returned error' "$WORK/wget.log" && break
        sleep 2
    done
    fail "cannot fetch $3 $(shown "$1"): $(fetch_reason)"
}

fetchable() { # URL WHAT
    case $1 in
        http://?*|ftp://?*) ;;
        *) fail "cannot fetch $2 $(shown "$1"): only http:// and ftp:// are understood" ;;
    esac
}

fetch_reason() { # of the last wget, in one line and without the URL
    reason=$(tail -n 1 "$WORK/wget.log" | tr -d '\r')
    reason=${reason#wget: }
    reason=${reason:-no answer within 120 seconds}
    printf '%s\n' "${reason#server returned error: }"
}
