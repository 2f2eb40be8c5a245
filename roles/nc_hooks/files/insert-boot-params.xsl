<?xml version="1.0" encoding="UTF-8"?>
<!-- SPDX-FileCopyrightText: eucalyptus.cloud contributors
     SPDX-License-Identifier: GPL-3.0-or-later
     Copies a libvirt domain and cuts it, by DEL characters, at the only places that the hook "bootparams" may fill:
     state DEL text DEL place DEL text DEL place DEL … DEL end DEL. The hook puts the pieces together again.
       NAME        the following text is the element's and may be replaced        NAME-here   an element may be put here
     Nothing of the tenant's is known to this stylesheet. A document that has a DEL of its own, or in which a place is not
     unique, gives no fields at all, and the hook refuses it. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:template match="/" mode="boot-params">
    <xsl:if test="count(domain/os) = 1 and count(domain/os/type) = 1 and count(domain/devices) = 1
                  and count(domain/os/kernel) &lt; 2 and count(domain/os/initrd) &lt; 2
                  and count(domain/os/cmdline) &lt; 2 and count(domain/on_reboot) &lt; 2
                  and not(contains(., '&#127;') or //@*[contains(., '&#127;')] or //comment()[contains(., '&#127;')]
                          or //processing-instruction()[contains(., '&#127;')]
                          or //*/namespace::*[contains(., '&#127;')])">
      <xsl:text>&#127;</xsl:text>
      <xsl:value-of select="substring('no-kernel', 1 + 3 * boolean(normalize-space(domain/os/kernel)))"/>
      <xsl:text>&#127;</xsl:text>
      <xsl:apply-templates select="node()"/>
      <xsl:text>&#127;end&#127;</xsl:text>
    </xsl:if>
  </xsl:template>

  <xsl:template match="@*|node()">
    <xsl:copy><xsl:apply-templates select="@*|node()"/></xsl:copy>
  </xsl:template>

  <xsl:template name="place">
    <xsl:copy>
      <xsl:apply-templates select="@*"/>
      <xsl:value-of select="concat('&#127;', name(), '&#127;')"/>
      <xsl:apply-templates select="node()"/>
      <xsl:text>&#127;rest&#127;</xsl:text>
    </xsl:copy>
  </xsl:template>

  <xsl:template match="/domain/os/initrd|/domain/os/cmdline|/domain/on_reboot">
    <xsl:call-template name="place"/>
  </xsl:template>

  <xsl:template match="/domain/os/kernel">
    <xsl:call-template name="place"/>
    <xsl:call-template name="missing"/>
  </xsl:template>

  <xsl:template match="/domain/os[not(kernel)]/type">
    <xsl:copy-of select="."/>
    <xsl:text>&#127;kernel-here&#127;</xsl:text>
    <xsl:call-template name="missing"/>
  </xsl:template>

  <xsl:template name="missing">
    <xsl:if test="not(../initrd)"><xsl:text>&#127;initrd-here&#127;</xsl:text></xsl:if>
    <xsl:if test="not(../cmdline)"><xsl:text>&#127;cmdline-here&#127;</xsl:text></xsl:if>
  </xsl:template>

  <xsl:template match="/domain/os">
    <xsl:copy><xsl:apply-templates select="@*|node()"/></xsl:copy>
    <!-- without the element libvirt restarts a guest that reboots (formatdomain, "Events configuration") -->
    <xsl:if test="not(../on_reboot)"><xsl:text>&#127;on_reboot-here&#127;</xsl:text></xsl:if>
  </xsl:template>

  <xsl:template match="/domain/devices">
    <xsl:copy>
      <xsl:apply-templates select="@*|node()"/>
      <xsl:if test="not(graphics)"><xsl:text>&#127;graphics-here&#127;</xsl:text></xsl:if>
    </xsl:copy>
  </xsl:template>
</xsl:stylesheet>
