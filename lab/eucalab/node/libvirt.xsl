<?xml version="1.0" encoding="UTF-8"?>
<!-- SPDX-FileCopyrightText: eucalyptus.cloud contributors
     SPDX-License-Identifier: GPL-3.0-or-later -->
<xsl:transform version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:lab="urn:eucalab">
    <!--
    From a node's instance.xml to the libvirt domain of that instance, in the shape that the played version gives it. Differences
    of the lab, because it has no device mapper and, as a rule, no hardware virtualization:
    * the domain type is that of whatever acceleration works here; a lab that has no network of its own uses user networking
      instead of a bridge;
    * disks are files with cache='unsafe': the guest's flushes then cost nothing in emulation. A crash of the host may lose data,
      nothing else: all readers of the file on this host see the same page cache, so a volume is complete as soon as it is detached;
    * the serial port is number 0: libvirt releases of our days make ttyS1 of the number 1 that the original asks for;
    * the machine type and, in versions with a CPU element, the CPU model are named, as the defaults of an emulated guest are too
      poor for present-day systems;
    * no memory balloon, which nobody would use.
    -->
    <xsl:output encoding="UTF-8" indent="yes" method="xml"/>

    <xsl:template match="/instance">
        <domain type="{hypervisor/@type}">
            <name><xsl:value-of select="name"/></name>
            <description>Eucalyptus instance <xsl:value-of select="name"/></description>
            <os>
                <type arch="x86_64" machine="pc">hvm</type>
                <xsl:if test="backing/root/@type = 'image'">
                    <xsl:if test="ramdisk != ''">
                        <initrd><xsl:value-of select="ramdisk"/></initrd>
                    </xsl:if>
                    <xsl:if test="kernel != ''">
                        <kernel><xsl:value-of select="kernel"/></kernel>
                    </xsl:if>
                    <xsl:call-template name="cmdline" lab:part="any-cmdline"/>
                    <xsl:if test="kernel != '' and ramdisk != ''" lab:part="cmdline">
                        <xsl:call-template name="cmdline"/>
                    </xsl:if>
                </xsl:if>
                <boot dev="hd" lab:part="boot"/>
                <smbios mode="sysinfo" lab:part="smbios"/>
            </os>
            <sysinfo type="smbios" lab:part="smbios">
                <system>
                    <entry name="serial">ec2<xsl:value-of select="substring(uuid, 4)"/></entry>
                    <entry name="uuid">ec2<xsl:value-of select="substring(uuid, 4)"/></entry>
                </system>
            </sysinfo>
            <features>
                <acpi/>
            </features>
            <clock offset="localtime"/>
            <on_poweroff>destroy</on_poweroff>
            <on_reboot>restart</on_reboot>
            <on_crash>destroy</on_crash>
            <vcpu><xsl:value-of select="cores"/></vcpu>
            <cpu mode="maximum" lab:part="cpu">
                <topology sockets="1" cores="{cores}" threads="1"/>
            </cpu>
            <memory><xsl:value-of select="memoryKB"/></memory>
            <devices>
                <rng model="virtio" lab:part="rng">
                    <backend model="random">/dev/urandom</backend>
                </rng>
                <xsl:apply-templates select="disks/diskPath"/>
                <!-- the root volume comes first; volumes that are attached later are plugged into the running domain -->
                <xsl:copy-of select="volumes/volume/libvirt/disk" lab:part="volumes"/>
                <xsl:apply-templates select="nics/nic"/>
                <serial type="file">
                    <source path="{consoleLogPath}">
                        <xsl:attribute name="append" lab:part="append">on</xsl:attribute>
                    </source>
                    <target port="0"/>
                </serial>
                <memballoon model="none"/>
                <!--the version's line for VNC-->
            </devices>
        </domain>
    </xsl:template>

    <xsl:template name="cmdline">
        <xsl:variable name="root">
            <xsl:choose>
                <xsl:when test="rootDirective != ''" lab:part="root-directive"><xsl:value-of select="rootDirective"/></xsl:when>
                <xsl:when test="os/@virtioRoot = 'true'">/dev/vda1</xsl:when>
                <xsl:otherwise>/dev/sda1</xsl:otherwise>
            </xsl:choose>
        </xsl:variable>
        <cmdline>root=<xsl:value-of select="$root"/> console=ttyS0</cmdline>
        <root lab:part="root-element"><xsl:value-of select="$root"/></root>
    </xsl:template>

    <xsl:template match="diskPath">
        <disk device="{@targetDeviceType}" type="{@sourceType}">
            <driver name="qemu" type="raw" cache="unsafe"/>
            <source file="{.}"/>
            <target bus="{@targetDeviceBusVirtio}" dev="{@targetDeviceNameVirtio}"/>
            <serial lab:part="disk-serial"><xsl:value-of select="@serial"/></serial>
        </disk>
    </xsl:template>

    <!-- A volume that is attached to a running instance. -->
    <xsl:template match="/volume" lab:part="volume">
        <disk type="{diskPath/@sourceType}">
            <driver name="qemu" type="raw" cache="unsafe"/>
            <source file="{diskPath}"/>
            <target bus="virtio">
                <xsl:attribute name="dev">
                    <xsl:if test="starts-with(diskPath/@targetDeviceName, 'sd')">v</xsl:if>
                    <xsl:value-of select="substring(diskPath/@targetDeviceName, 1 + starts-with(diskPath/@targetDeviceName, 'sd'))"/>
                </xsl:attribute>
            </target>
            <xsl:if test="diskPath/@serial != ''">
                <serial><xsl:value-of select="diskPath/@serial"/></serial>
            </xsl:if>
        </disk>
    </xsl:template>

    <xsl:template match="nic">
        <interface>
            <xsl:choose>
                <xsl:when test="@bridgeDeviceName = 'user'"><xsl:attribute name="type">user</xsl:attribute></xsl:when>
                <xsl:otherwise>
                    <xsl:attribute name="type">bridge</xsl:attribute>
                    <source bridge="{@bridgeDeviceName}"/>
                </xsl:otherwise>
            </xsl:choose>
            <mac address="{@mac}"/>
            <xsl:if test="@bridgeDeviceName != 'user'" lab:part="card-of-nic"><target dev="{@guestDeviceName}"/></xsl:if>
            <model type="virtio"/>
            <!-- the same place in every instance, so that the guest's name for its network card does not depend on the disks -->
            <address type="pci" domain="0x0000" bus="0x00" slot="0x0{@device + 2}" function="0x0" lab:part="card-of-nic"/>
        </interface>
    </xsl:template>
</xsl:transform>
