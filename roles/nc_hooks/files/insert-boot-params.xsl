<?xml version="1.0" encoding="UTF-8"?>
<!-- SPDX-FileCopyrightText: eucalyptus.cloud contributors
     SPDX-License-Identifier: GPL-3.0-or-later
     Copies a libvirt domain and marks, by processing instructions, the only places that the hook "bootparams" may fill:
       NAME … end    the text between them may be replaced        NAME-here    an element may be put here
     Nothing of the tenant's is known to this stylesheet. A document that could be mistaken for a marked one, or in which a
     place is not unique, gets no marks at all, and the hook refuses it. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:template match="/" mode="boot-params">
    <xsl:variable name="taken" select="//processing-instruction()[name() = 'bootparams' or contains(., '&lt;?bootparams ')]
                                       | //comment()[contains(., '&lt;?bootparams ')]"/>
    <xsl:if test="count(domain/os) = 1 and count(domain/os/type) = 1 and count(domain/devices) = 1
                  and count(domain/os/kernel) &lt; 2 and count(domain/os/initrd) &lt; 2
                  and count(domain/os/cmdline) &lt; 2 and count(domain/on_reboot) &lt; 2 and not($taken)">
      <xsl:processing-instruction name="bootparams">domain</xsl:processing-instruction>
      <xsl:if test="not(normalize-space(domain/os/kernel))">
        <xsl:processing-instruction name="bootparams">no-kernel</xsl:processing-instruction>
      </xsl:if>
      <xsl:apply-templates select="node()"/>
      <xsl:processing-instruction name="bootparams">domain-end</xsl:processing-instruction>
    </xsl:if>
  </xsl:template>

  <xsl:template match="@*|node()">
    <xsl:copy><xsl:apply-templates select="@*|node()"/></xsl:copy>
  </xsl:template>

  <xsl:template name="mark">
    <xsl:copy>
      <xsl:apply-templates select="@*"/>
      <xsl:processing-instruction name="bootparams"><xsl:value-of select="name()"/></xsl:processing-instruction>
      <xsl:value-of select="."/>
      <xsl:processing-instruction name="bootparams">end</xsl:processing-instruction>
    </xsl:copy>
  </xsl:template>

  <xsl:template match="/domain/os/initrd|/domain/os/cmdline|/domain/on_reboot">
    <xsl:call-template name="mark"/>
  </xsl:template>

  <xsl:template match="/domain/os/kernel">
    <xsl:call-template name="mark"/>
    <xsl:call-template name="missing"/>
  </xsl:template>

  <xsl:template match="/domain/os[not(kernel)]/type">
    <xsl:copy-of select="."/>
    <xsl:processing-instruction name="bootparams">kernel-here</xsl:processing-instruction>
    <xsl:call-template name="missing"/>
  </xsl:template>

  <xsl:template name="missing">
    <xsl:if test="not(../initrd)"><xsl:processing-instruction name="bootparams">initrd-here</xsl:processing-instruction></xsl:if>
    <xsl:if test="not(../cmdline)"><xsl:processing-instruction name="bootparams">cmdline-here</xsl:processing-instruction></xsl:if>
  </xsl:template>

  <xsl:template match="/domain/os">
    <xsl:copy><xsl:apply-templates select="@*|node()"/></xsl:copy>
    <!-- without the element libvirt restarts a guest that reboots (formatdomain, "Events configuration") -->
    <xsl:if test="not(../on_reboot)">
      <xsl:processing-instruction name="bootparams">on_reboot-here</xsl:processing-instruction>
    </xsl:if>
  </xsl:template>

  <xsl:template match="/domain/devices">
    <xsl:copy>
      <xsl:apply-templates select="@*|node()"/>
      <xsl:if test="not(graphics)">
        <xsl:processing-instruction name="bootparams">graphics-here</xsl:processing-instruction>
      </xsl:if>
    </xsl:copy>
  </xsl:template>
</xsl:stylesheet>
