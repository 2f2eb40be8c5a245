#!/bin/bash
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# UNSAFE, NEVER DEPLOY THIS. Only the benchmark runs it, on files of its own, to have something to compare with.
#
# A re-creation, in our own words, of how boot parameters were inserted in 2012: user data out of instance.xml, the value into
# a stylesheet by sed, the stylesheet over the libvirt file. Any tenant owns the node through it ("x!;1e COMMAND #").
[ "$1" = euca-nc-pre-boot ] || exit 0
STYLE=${0%/*}/old-pipeline
LIBVIRT=$3/instance-libvirt.xml
BP=$(xsltproc "$STYLE/get.xsl" "$3/instance.xml" | base64 -d | sed -r '/bootparams=/!d; s/^.*bootparams=(.*)/\1/')
[ -n "$BP" ] || exit 0
sed -e "s!@@BOOTPARAMS@@!$BP!" "$STYLE/insert.xsl" >"$3/insert.xsl"
cp "$LIBVIRT" "$LIBVIRT.orig"
xsltproc "$3/insert.xsl" "$LIBVIRT" >"$LIBVIRT.new"
mv "$LIBVIRT.new" "$LIBVIRT"
