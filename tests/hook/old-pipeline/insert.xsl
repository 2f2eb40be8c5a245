<!-- SPDX-FileCopyrightText: eucalyptus.cloud contributors
     SPDX-License-Identifier: GPL-3.0-or-later
     Part of old-pipeline.sh: UNSAFE, never deployed. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:template match="@*|node()"><xsl:copy><xsl:apply-templates select="@*|node()"/></xsl:copy></xsl:template>
  <xsl:template match="/domain/os/cmdline"><cmdline>@@BOOTPARAMS@@</cmdline></xsl:template>
</xsl:stylesheet>
