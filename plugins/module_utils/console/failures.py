# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts that installers and booting systems print on the console when they fail or wait for a person.

Add a text under its program, with the source file that prints it. Quote a part of at most 60 characters that is the
same in all versions. Blanks and line ends do not count, and case does. A text that successful installations print as
well must not be here: tests/unit/plugins/module_utils/console/harmless.txt collects these.
"""

from __future__ import annotations

from dataclasses import dataclass

FAILED = 'failed'
WAITING = 'waiting'  # for a person, who is absent


@dataclass(frozen=True)
class Known:
    """A text, the program that prints it, and its meaning: FAILED or WAITING.

    In lines that contain ``harmless_from``, the prefix of another program, the text means nothing.
    """

    phrase: str
    program: str
    outcome: str = FAILED
    harmless_from: str | None = None


def _known(program: str, outcome: str, *phrases: str) -> list[Known]:
    return [Known(phrase, program, outcome) for phrase in phrases]


# kernel/panic.c, init/do_mounts.c, init/initramfs.c; glibc's sysdeps/x86/cpu-features.c (the CPU is too old, as in
# packer-maas#54). SeaBIOS' src/boot.c. arch/x86/boot/{main.c,compressed/misc.c}.
KERNEL = [
    *_known('kernel', FAILED, 'Kernel panic - not syncing', 'VFS: Unable to mount root fs'),
    *_known('kernel', FAILED, 'Initramfs unpacking failed: write error', 'Fatal glibc error: CPU does not support'),
    *_known('kernel', FAILED, 'please use a kernel appropriate for your CPU', '-- System halted'),
    *_known('BIOS', FAILED, 'No bootable device'),
]
# initramfs-tools' init, scripts/local and scripts/functions.
INITRAMFS = [
    *_known('initramfs', FAILED, 'does not exist.  Dropping to a shell!', 'No init found. Try passing init='),
    *_known('initramfs', FAILED, 'Gave up waiting for root', 'Gave up waiting for suspend'),
    *_known('initramfs', WAITING, '(initramfs)', 'Enter passphrase for /dev/'),  # its shell; cryptsetup's question
]
# dracut-ng: modules.d/*base/{init,dracut-lib}.sh, dracut-emergency.sh.
DRACUT = [
    *_known('dracut', FAILED, 'dracut: FATAL:', 'dracut: Refusing to continue', 'failed to download live image after'),
    *_known('dracut', FAILED, 'Warning: /dev/root does not exist', 'Media check failed!'),
    *_known('dracut', FAILED, 'Could not boot.', 'has failed. To debug this issue add "rd.shell rd.debug"'),
    *_known('dracut', WAITING, 'Entering emergency mode', 'Dropping to debug shell.'),
]
# systemd's units/emergency.service.in and rescue.service.in, src/cryptsetup/cryptsetup.c, src/firstboot/firstboot.c,
# src/core/manager.c (all its emergency messages begin with exclamation marks); util-linux' login-utils/sulogin.c.
SYSTEMD = [
    *_known('systemd', WAITING, 'You are in emergency mode', 'You are in rescue mode', 'Give root password for maintenance'),
    *_known('systemd', WAITING, 'Press Enter for maintenance'),
    *_known('systemd', WAITING, 'Cannot open access to console, the root account is locked'),
    *_known('systemd', WAITING, 'Please enter passphrase for disk', '-- Press any key to proceed --'),
    *_known('systemd', WAITING, 'Welcome to emergency mode!', 'Welcome to rescue mode!'),  # up to EL7 and Fedora 20
    *_known('systemd', FAILED, 'Failed to mount API filesystems', 'Freezing execution', '[!!!!!!]'),  # src/core/crash-handler.c
    *_known('e2fsck', FAILED, 'RUN fsck MANUALLY'),  # e2fsprogs' e2fsck/problem.c
]
# GRUB's grub-core/normal/main.c, kern/rescue_reader.c and boot/i386/pc/boot.S; syslinux' core/ui.inc and mbr/mbr.S; the
# usual master boot records.
BOOT_LOADER = [
    *_known('GRUB', WAITING, 'grub rescue>', 'Minimal BASH-like line editing is supported'),
    *_known('GRUB', FAILED, 'GRUB Geom Error', 'GRUB Hard Disk Error', 'GRUB Read Error'),
    *_known('SYSLINUX', WAITING, 'No DEFAULT or UI configuration directive found'),
    *_known('SYSLINUX', FAILED, 'Could not find kernel image:'),
    *_known('boot sector', FAILED, 'Missing operating system', 'Error loading operating system'),
    *_known('boot sector', FAILED, 'Operating system load error', 'Operating system not found'),
]

# Anaconda's dracut/ directory: fetch-kickstart-net.sh, anaconda-lib.sh, anaconda-netroot.sh,
# parse-anaconda-kickstart.sh, anaconda-error-reporting.sh.
ANACONDA_DRACUT = [
    *_known('Anaconda', FAILED, 'Anaconda installer errors begin', 'It seems that the boot has failed'),
    *_known('Anaconda', FAILED, 'failed to fetch kickstart from', "Can't get kickstart from", 'failed to fetch stage2 from'),
    *_known('Anaconda', FAILED, "can't find installer main image path in .treeinfo", 'unknown network repository URL'),
    *_known('Anaconda', FAILED, 'unknown network kickstart URL'),
]
# Anaconda in cmdline mode obeys the kickstart's poweroff 180 s after these: pyanaconda/errors.py, exception.py.
ANACONDA_CMDLINE = [
    *_known('Anaconda', FAILED, 'Non interactive installation failed:', 'error occurred while running in non-interactive cmdline'),
    *_known(
        'Anaconda', FAILED, 'which occurred while running in non-interactive cmdline', 'Running in cmdline mode, no interactive'
    ),
    *_known(
        'Anaconda', FAILED, 'The installer will now terminate.', 'An unknown error has occured', 'An unknown error has occurred'
    ),
    *_known('Anaconda', FAILED, 'crashed on signal', 'traceback script(s) have been run', 'Hardware error occurred'),
    *_known('Anaconda', FAILED, 'The installation cannot continue and the system will be'),
    *_known('Anaconda', FAILED, 'An error occurred during registration attempt', 'Failed to enable Red Hat subscription'),
    # As in kickstart-tests' lib/log_handler.py. A module of cloud-init that fails before subiquity starts seldom matters.
    Known('Traceback (most recent call last)', 'Anaconda', harmless_from='cloud-init['),
]
# These end or hang before there is a user interface, and nothing powers off: pyanaconda/kickstart.py,
# startup_utils.py; pykickstart's errors.py; tmux.conf with remain-on-exit.
ANACONDA_KICKSTART = [
    *_known('Anaconda', FAILED, 'An error occurred during reading the kickstart file', 'The following problem occurred on line'),
    *_known('Anaconda', FAILED, 'There was an error running the kickstart script at line', 'Pane is dead'),
    *_known('Anaconda', FAILED, 'MB of memory to install, but you only have', 'You do not have enough RAM to install'),
]
# The text mode's hub and questions: pyanaconda/ui/tui/, display.py, simpleline's render/. image-builder#360. The first
# boot's initial-setup asks in the same way.
ANACONDA_PROMPTS = [
    *_known('Anaconda', WAITING, 'Please make a selection from the above', "Please respond 'yes' or 'no'"),
    # Up to Fedora 26 and in EL7: tui/simpleline/base.py, tui/hubs/, python-meh's ui/text.py.
    *_known('Anaconda', WAITING, 'Please make your choice from', 'Please make your selection from the above'),
]
ANACONDA_TEXT = [
    *_known('Anaconda', WAITING, 'Kickstart insufficient', 'The following mandatory spokes are not completed', 'No disks selected'),
    *_known('Anaconda', WAITING, 'Error checking storage configuration', 'Error checking software selection'),
    *_known('Anaconda', WAITING, 'Error setting up software source', 'Installation source not set up'),
    *_known('Anaconda', WAITING, 'Selected environment is not valid', 'Invalid environment specified in kickstart'),
    *_known('Anaconda', WAITING, 'Would you like to ignore this and continue', 'ignore the warning and attempt to install'),
    *_known('Anaconda', WAITING, 'Press ENTER to exit', 'Press ENTER to continue', 'was unable to start on your machine'),
    *_known('Anaconda', WAITING, 'You will have to type the password twice', 'You will have to type it twice'),
    *_known('Anaconda', WAITING, 'Please provide a default LUKS passphrase'),
    *_known('Anaconda', WAITING, 'Installation complete. Press ENTER to quit', 'Text mode provides a limited set'),
    *_known('Anaconda', WAITING, 'Enter your passphrase', 'Would you like to start VNC'),
]
# pyanaconda/modules/storage/checker/utils.py, partitioning/; kickstart-tests' lib/log_handler.py.
ANACONDA_STORAGE = [
    *_known('Anaconda', FAILED, 'You have not defined a root partition', 'No valid boot loader target device found'),
    *_known('Anaconda', FAILED, 'You have not created a bootable partition', 'Not enough free space on selected disks'),
    *_known('Anaconda', FAILED, 'No suitable free space found for automatic', 'given in part command does not exist'),
    *_known('Anaconda', FAILED, 'storage configuration failed:', 'An error occurred while activating your storage'),
    *_known('Anaconda', FAILED, 'There is a problem with your existing storage', 'needs a special partition'),
    *_known('Anaconda', FAILED, 'Failed to save storage configuration', 'Failed to save boot loader configuration'),
]
# pyanaconda/modules/payloads/; lorax' monitor.py.
ANACONDA_PAYLOAD = [
    *_known(
        'Anaconda', FAILED, 'while setting up the payload', 'while installing the payload', 'occurred while installing.  This is'
    ),
    *_known('Anaconda', FAILED, 'Failed to download the following packages', 'An error occurred during the transaction'),
    *_known('Anaconda', FAILED, 'packages, groups or modules are broken', 'packages, groups or modules are missing'),
    *_known('Anaconda', FAILED, 'Payload setup error', 'Error in POSTIN scriptlet', 'Transaction check error'),
    *_known('Anaconda', FAILED, 'Not enough space in file systems', 'error populating transaction after'),
]
# pyanaconda/modules/storage/bootloader/{grub2,base}.py.
ANACONDA_BOOT_LOADER = [
    *_known('Anaconda', FAILED, 'The system will not be bootable', 'boot loader install failed'),
    *_known('Anaconda', FAILED, 'failed to write boot loader configuration', 'enough space for grub2 to embed'),
]
# Anaconda of EL6 and Fedora 16: cmdline.py, text.py, yuminstall.py, kickstart.py, storage/, loader/.
ANACONDA_OLD = [
    *_known('Anaconda', FAILED, "Can't have a question in command line mode!", 'Command line mode requires all choices'),
    *_known('Anaconda', FAILED, 'found while parsing the kickstart', 'install exited abnormally', 'Scriptlet Failure'),
    *_known('Anaconda', FAILED, 'Anaconda died after receiving signal', 'loader received SIG', 'Anaconda received SIG'),
    *_known('Anaconda', FAILED, 'This cannot be corrected in cmdline mode', 'Error Parsing Kickstart Config'),
    *_known('Anaconda', FAILED, 'no valid devices were found on which to create', 'No usable disks have been found'),
    *_known('Anaconda', FAILED, 'Could not allocate requested partitions', 'Unable to read package metadata'),
    *_known('Anaconda', FAILED, 'but there was an error enabling the network'),
    *_known('Anaconda', FAILED, 'Error Installing Package', 'Unable to download the kickstart file'),
    *_known('Anaconda', WAITING, 'In interactive step', 'Error downloading kickstart file', 'Unable to retrieve http'),
    *_known('Anaconda', WAITING, 'Unable to retrieve the install image', 'Unable to find install image', 'Kickstart Error'),
    *_known('Anaconda', WAITING, 'Missing ISO 9660 Image', 'Unsupported Hardware Detected', 'Error processing drive'),
    *_known('Anaconda', WAITING, 'You have multiple network devices on this system', 'Exit installer'),
    *_known('Anaconda', WAITING, 'There was an error configuring your network', 'What type of media contains the'),
    *_known('Anaconda', WAITING, 'What language would you like to use', 'Would you like to continue or'),
]

# Debian's installer shows its errors as dialogs, which wait for ever: the templates of preseed, netcfg, choose-mirror,
# anna, main-menu, lowmem, partman-*, base-installer, bootstrap-base, grub-installer.
DEBIAN_INSTALLER = [
    *_known('debian-installer', FAILED, 'Failed to retrieve the preconfiguration file'),
    *_known('debian-installer', FAILED, 'Failed to process the preconfiguration file', 'Failed to run preseeded command'),
    *_known(
        'debian-installer', FAILED, 'Network autoconfiguration failed', 'No network interfaces detected', 'Ethernet card not found'
    ),
    *_known('debian-installer', FAILED, 'Bad archive mirror', 'Failed to load installer component', 'No kernel modules were found'),
    *_known('debian-installer', FAILED, 'Entering low memory mode', 'Insufficient memory', 'nstallation step failed'),
    *_known('debian-installer', FAILED, 'Failed to partition the selected disk', 'Unusable free space'),
    *_known('debian-installer', FAILED, 'Failed to create a file system', 'Failed to install the base system'),
    *_known(
        'debian-installer', FAILED, 'Base system installation error', 'Debootstrap Error', 'Release file signed by unknown key'
    ),
    *_known(
        'debian-installer', FAILED, 'Unable to install the selected kernel', 'Cannot install kernel', 'Unable to install GRUB in'
    ),
    *_known('debian-installer', FAILED, 'GRUB installation failed', 'Unable to configure GRUB', "Executing 'grub-install"),
    *_known('debian-installer', FAILED, "Executing 'update-grub' failed"),
    *_known('debian-installer', FAILED, 'No root file system is defined', 'No disk drive was detected'),
    *_known('debian-installer', FAILED, 'The attempt to mount a file system with type', 'Cannot access repository'),
    *_known('debian-installer', FAILED, 'Downloading a file failed', 'No installable kernel was found'),
    *_known('debian-installer', WAITING, 'Write the changes to disks?', 'Device for boot loader installation'),
    # cdebconf's text and newt front ends: every question. A progress bar has only <Cancel>.
    *_known('debian-installer', WAITING, "Prompt: '?' for help", 'Choose the next step in the install process'),
    *_known('debian-installer', WAITING, '<Go Back>', '<Continue>', '<Yes>  <No>', '[Press enter to continue]'),
]

# casper's scripts/casper and casper-bottom: the ISO cannot be fetched, or does not fit into memory (netboot.xyz#1125).
CASPER = [
    *_known('casper', FAILED, 'Unable to find a live file system on the network', 'curl: (23) Failed writing body'),
    *_known('casper', FAILED, 'Unable to find a medium containing a live file system', 'wget: short write: No space left'),
]
# subiquity's client/client.py, server/{server,autoinstall}.py, ui/views/{serial,welcome}.py; curtin's util.py.
SUBIQUITY = [
    *_known('subiquity', FAILED, 'An error occurred. Press enter to start a shell', 'Malformed autoinstall in'),
    *_known('subiquity', FAILED, "Failed validating '", 'is not a valid cloud config datasource', 'Command execution failure:'),
    *_known('subiquity', FAILED, 'curtin: Installation failed with exception', 'Unexpected error while running command.'),
    *_known('subiquity', FAILED, 'generating crash report', 'there was a problem completing the installation'),
    *_known('subiquity', WAITING, 'Continue with autoinstall?', 'Willkommen! Bienvenue! Welcome!'),
    *_known('subiquity', WAITING, 'Use UP, DOWN and ENTER keys to select'),
    *_known('subiquity', WAITING, 'As the installer is running on a serial console, it has'),
]

# linuxrc's auto2.c, url.c, install.c, linuxrc.c, dialog.c.
LINUXRC = [
    *_known('linuxrc', FAILED, 'No repository found.', 'Please make sure your installation medium is available'),
    *_known('linuxrc', FAILED, 'Failed to download AutoYaST file', 'DHCP configuration failed', 'No network device found'),
    *_known('linuxrc', FAILED, 'does not match your boot medium', 'File not signed'),
    *_known('linuxrc', FAILED, 'Digest verification failed', 'An error occurred during the installation.', 'Linuxrc crashed.'),
    *_known('linuxrc', FAILED, 'does not have enough RAM for the installation'),
    *_known('linuxrc', FAILED, 'If you really trust your repository, you may continue', 'Failed to load driver update:'),
    *_known('linuxrc', WAITING, 'Enter the repository URL', 'Exit or Reboot', '0) <-- Back <--'),
]
# yast-installation's startup/common/logging.sh; yast-autoinstallation's src/.
YAST = [
    *_known('YaST', FAILED, 'Fatal Error occured, process stopped', 'None or wrong base product', 'is not a valid XML document'),
    *_known('YaST', FAILED, 'Invalid AutoYaST profile URL', 'Error while configuring partitions'),
    *_known('YaST', FAILED, 'The package resolver run failed', 'cannot be found in the software repositories'),
    *_known('YaST', FAILED, 'YaST got signal', 'Internal error. Please report a bug report'),  # yast-core, yast-ruby-bindings
]
# agama's rust/agama-autoinstall/src/, service/lib/agama/manager.rb.
AGAMA = [
    *_known('Agama', FAILED, 'Installation error:', 'Skipping the auto-installation:', 'Could not load configuration from'),
    *_known('Agama', FAILED, 'The installer has not finished correctly', 'Profile validation failed:'),
    *_known('Agama', FAILED, 'Could not generate the configuration:', 'AutoYaST import failed:', 'Failed to evaluate profile:'),
    *_known('Agama', FAILED, 'Failed to retrieve profile from URL', 'Could not start the installation'),
    *_known('Agama', FAILED, 'Cannot perform the installation as the settings are not', ': Installation failed'),
]
# FAI's lib/subroutines, lib/get-config-dir* and lib/task_sysinfo; setup-storage's Sizes.pm, Parser.pm, Commands.pm, Init.pm.
FAI = [
    *_known(
        'FAI', FAILED, 'Insufficient space available for partition', 'is too small - at least', 'No matching disk_config found'
    ),
    *_known('FAI', FAILED, 'This system does not have a physical disk', 'INTERNAL ERROR in setup-storage'),
    *_known('FAI', FAILED, "Sorry, can't create a partition of", 'setup-storage failed, but', 'Cannot satisfy pre-depends for'),
    *_known('FAI', FAILED, 'FATAL ERROR. Installation stopped.', 'Error in task', 'Problems accessing the config space'),
    *_known('FAI', FAILED, 'Partitioning tool did not create', 'FAI: installation aborted.', 'missing in config space.'),
    *_known('FAI', FAILED, 'No URL defined for the config space', 'Error in get-config-dir'),
    *_known('FAI', WAITING, 'Press <RETURN> to reboot', 'Hit <ENTER> to obtain a shell', 'Now you have a shell'),
]
# The lab's installer (lab/eucalab/installer/ramdisk/say.sh).
LAB = _known('installer', FAILED, 'installer: FAILED')
# roles/image_build/templates/kickstart.cfg.j2
ROLE = _known('image_build', FAILED, 'image_build: the volume vol-', 'image_build: the volume of an empty root')
# roles/image_build/templates/boot_report.sh.j2
BOOT_REPORT = _known('boot report', FAILED, 'boot-report: address=none', 'endpoint=unreachable')

# Texts of a system that starts, installed or not.
BOOT = [*KERNEL, *INITRAMFS, *DRACUT, *SYSTEMD, *BOOT_LOADER, *ANACONDA_PROMPTS]
OF_INSTALLERS = [
    *_known('kernel', FAILED, 'Out of memory: Kill'),
    *(ANACONDA_DRACUT + ANACONDA_CMDLINE + ANACONDA_KICKSTART + ANACONDA_TEXT + ANACONDA_STORAGE),
    *(ANACONDA_PAYLOAD + ANACONDA_BOOT_LOADER + ANACONDA_OLD),
    *(DEBIAN_INSTALLER + CASPER + SUBIQUITY + LINUXRC + YAST + AGAMA + FAI + LAB + ROLE),
]

KNOWN: dict[str, list[Known]] = {
    'installation': BOOT + OF_INSTALLERS,
    'boot': BOOT + BOOT_REPORT,
}
