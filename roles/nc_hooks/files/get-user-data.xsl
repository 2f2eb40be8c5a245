<?xml version="1.0" encoding="UTF-8"?>
<!-- SPDX-FileCopyrightText: eucalyptus.cloud contributors
     SPDX-License-Identifier: GPL-3.0-or-later
     Read by the hook "bootparams" in ONE run of xsltproc over instance.xml and the libvirt file (a run costs milliseconds).
     What comes out are fields, ended by the character DEL: legal in XML, never in these files, and one byte for the shell.
     instance.xml gives date, name, account, kernel id, user data; insert-boot-params.xsl gives the fields of the libvirt file.
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
    <!-- the account number is written from 3.4 on; before that only the user's id is known -->
    <xsl:variable name="owner" select="account|user[not(../account)]"/>
    <xsl:value-of select="concat(date:date-time(), '&#127;', translate(normalize-space(name), '&#127;', ''), '&#127;',
                                 translate(normalize-space($owner), '&#127;', ''), '&#127;',
                                 translate(normalize-space(kernelId), '&#127;', ''), '&#127;',
                                 translate(userData, '&#127; &#9;&#10;&#13;', ''), '&#127;')"/>
  </xsl:template>
</xsl:stylesheet>
