# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Takes a kickstart apart, as pykickstart does: commands are split into words with a shell's quoting (shlex), scripts are kept
# as they are. The words of a command are joined by US (octal 037), so that the shell can split them again without eval.
#
#   awk -v dir=DIR [-v only=pre] -f kickstart.awk FILE
#
# writes DIR/commands (line number, command, words), and for each %pre and %post script DIR/NAME.N and DIR/NAME.N.options.
# A kickstart that cannot be understood ends with status 1 and the reason in DIR/error.

function refuse(reason) {
    refused = 1
    print "kickstart line " FNR ": " reason > (dir "/error")
    exit 1
}

# The words of a line, each followed by US. A # that is not quoted starts a comment, as with shlex.split(comments=True).
function words(line,    i, c, quote, word, inside, all) {
    for (i = 1; i <= length(line); i++) {
        c = substr(line, i, 1)
        if (quote != "") {
            if (c == quote) quote = ""
            else if (c == "\\" && quote == "\"" && index("\"\\", substr(line, i + 1, 1))) word = word substr(line, ++i, 1)
            else word = word c
        } else if (c == "#") break
        else if (c == "\"" || c == "'") { quote = c; inside = 1 }
        else if (c == "\\") { word = word substr(line, ++i, 1); inside = 1 }
        else if (c == " " || c == "\t") { if (inside) all = all word US; word = ""; inside = 0 }
        else { word = word c; inside = 1 }
    }
    if (quote != "") refuse("a quotation mark is not closed")
    return inside ? all word US : all
}

# "--url X" means "--url=X". Only for the options that take a value; the others stand alone.
function join_values(all,    n, part, i, joined) {
    n = split(all, part, US) - 1
    for (i = 1; i <= n; i++) {
        if (part[i] in takes_value && i < n && part[i + 1] !~ /^--/) { joined = joined part[i] "=" part[i + 1] US; i++ }
        else joined = joined part[i] US
    }
    return joined
}

function start_section(name, options) {
    section = name
    section_line = FNR
    script = ""
    if (name == "%pre" || name == "%post") {
        name = substr(name, 2)
        if (only == "" || only == name) {
            script = dir "/" name "." ++count[name]
            printf "%s", "" > script
            print options > (script ".options")
            close(script ".options")
        }
    } else if (name != "%packages" && only == "") print FNR US name US > (dir "/commands")
}

BEGIN {
    US = "\037"
    n = split("url proxy drives ondisk ondrive onpart size maxsize fstype fsoptions append boot-drive location driveorder " \
              "bootproto device hostname ip netmask gateway nameserver label disklabel interpreter log only-use timeout type " \
              "password checksum ntpservers vckeymap xlayouts addsupport onboot mtu passphrase escrowcert cipher luks-version " \
              "wepkey wpakey essid", names, " ")
    for (i = 1; i <= n; i++) takes_value["--" names[i]] = 1
    printf "%s", "" > (dir "/commands")
}

{ sub(/\r$/, "") }

section != "" && /^[ \t]*%end([ \t]|$)/ { if (script != "") close(script); section = ""; next }
section != "" && /^%(pre|post|packages|include|pre-install|onerror|addon|anaconda|traceback)([ \t]|$)/ && section != "%packages" && !/^%include/ {
    refuse("section " section " of line " section_line " has no %end")
}
# The file's lines replace %include even inside a section. The %pre scripts have already run by then.
section != "" && section != "%pre" && only == "none" && /^[ \t]*%include([ \t]|$)/ { print FNR US words($0) > (dir "/commands"); next }
section == "%pre" && only == "pre" && /^[ \t]*%include([ \t]|$)/ { refuse("%include is not supported inside %pre") }
section != "" { if (script != "") print > script; next }

# Control characters have no place in a command, and US would break the words apart.
/[\001-\010\013-\037\177]/ { refuse("a control character") }
/^[ \t]*(#|$)/ { next }
{
    all = words($0)
    at = index(all, US)
    name = substr(all, 1, at - 1)
    rest = join_values(substr(all, at + 1))
    if (name == "%end") refuse("%end without a section")
    if (name ~ /^%/ && name != "%include" && name != "%ksappend") start_section(name, rest)
    else if (only == "" || name == "%include") print FNR US name US rest > (dir "/commands")
}

END { if (!refused && section != "") { FNR = section_line; refuse("section " section " has no %end") } }
