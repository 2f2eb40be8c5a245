# shellcheck shell=sh
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Reading a kickstart. The work is done by kickstart.awk; here its pieces are put together, in the order that Anaconda keeps:
# the %pre scripts run first, because they may write what %include reads.

US=$(printf '\037')

kickstart_split() { # FILE DIRECTORY [SECTION]
    rm -rf "$2"
    mkdir -p "$2"
    awk -v dir="$2" -v only="${3-}" -f "$LIB/kickstart.awk" "$1" || fail "$(cat "$2/error" 2>&1)"
}

kickstart_scripts() { # FILE pre|post DIRECTORY: for post, the commands are there too
    if [ "$2" = pre ]; then kickstart_split "$1" "$3" pre; else kickstart_split "$1" "$3"; fi
}

# Puts the files that %include names in their place. Each round replaces the first, so included files may include others.
kickstart_include() { # FILE RESULT
    cp "$1" "$2"
    for round in 1 2 3 4 5 6 7 8 9 10 11; do
        kickstart_split "$2" "$WORK/include" none
        IFS=$US read -r number _ source rest < "$WORK/include/commands" || return 0
        [ "$round" -le 10 ] || fail 'the kickstart has more than 10 %include'
        if [ -z "$source" ] || [ -n "$rest" ]; then fail "kickstart line $number: %include needs one file or URL"; fi
        case $source in
            *://*) fetch "$source" "$WORK/included" 'an included file'; source=$WORK/included ;;
            *) [ -r "$source" ] || fail "kickstart line $number: %include $source: no such file" ;;
        esac
        { head -n "$((number - 1))" "$2"; cat "$source"; echo; tail -n "+$((number + 1))" "$2"; } > "$2.new"
        mv "$2.new" "$2"
    done
}
