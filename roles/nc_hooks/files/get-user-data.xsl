<?xml version="1.0" encoding="UTF-8"?>
<!-- SPDX-FileCopyrightText: eucalyptus.cloud contributors
     SPDX-License-Identifier: GPL-3.0-or-later
     Read by the hook "bootparams" in ONE run of xsltproc over instance.xml and the libvirt file (a run costs milliseconds).
     instance.xml becomes lines key=value, ended by a mark; the libvirt file is left to insert-boot-params.xsl.
     Only absolute paths: from 3.4 on, other elements called "name" exist. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
                xmlns:date="http://exslt.org/dates-and-times" exclude-result-prefixes="date">
  <xsl:include href="insert-boot-params.xsl"/>
  <xsl:output method="xml" encoding="UTF-8" omit-xml-declaration="yes"/>

  <xsl:template match="/">
    <xsl:apply-templates select="instance" mode="user-data"/>
    <xsl:apply-templates select="self::node()[domain]" mode="boot-params"/>
  </xsl:template>

  <xsl:template match="/instance" mode="user-data">
    <xsl:value-of select="concat('when=', date:date-time())"/>
    <xsl:value-of select="concat('&#10;instance=', normalize-space(name))"/>
    <xsl:text>&#10;account=</xsl:text>
    <!-- the account number is written from 3.4 on; before that only the user's id is known -->
    <xsl:choose>
      <xsl:when test="account"><xsl:value-of select="normalize-space(account)"/></xsl:when>
      <xsl:otherwise><xsl:value-of select="normalize-space(user)"/></xsl:otherwise>
    </xsl:choose>
    <xsl:value-of select="concat('&#10;kernel_id=', normalize-space(kernelId))"/>
    <xsl:value-of select="concat('&#10;data=', translate(userData, ' &#9;&#10;&#13;', ''), '&#10;')"/>
    <xsl:processing-instruction name="bootparams">instance-end</xsl:processing-instruction>
  </xsl:template>
</xsl:stylesheet>
