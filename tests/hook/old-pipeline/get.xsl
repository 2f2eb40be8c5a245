<!-- SPDX-FileCopyrightText: eucalyptus.cloud contributors
     SPDX-License-Identifier: GPL-3.0-or-later
     Part of old-pipeline.sh: UNSAFE, never deployed. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="text"/>
  <xsl:template match="/"><xsl:value-of select="/instance/userData"/></xsl:template>
</xsl:stylesheet>
