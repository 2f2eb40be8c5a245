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
WAITING = 'waiting'  # for a person, who is not there


@dataclass(frozen=True)
class Known:
    """A text, the program that prints it, and its meaning: FAILED or WAITING."""

    phrase: str
    program: str
    outcome: str = FAILED


def _known(program: str, outcome: str, *phrases: str) -> list[Known]:
    return [Known(phrase, program, outcome) for phrase in phrases]


# kernel/panic.c, init/do_mounts.c, init/initramfs.c; glibc's sysdeps/x86/cpu-features.c (the CPU is too old, as in
# packer-maas#54). SeaBIOS' src/boot.c.
KERNEL = [
    *_known('kernel', FAILED, 'Kernel panic - not syncing', 'VFS: Unable to mount root fs'),
    *_known('kernel', FAILED, 'Initramfs unpacking failed: write error', 'Fatal glibc error: CPU does not support'),
    *_known('BIOS', FAILED, 'No bootable device'),
]
# initramfs-tools' init, scripts/local and scripts/functions.
INITRAMFS = [
    *_known('initramfs', FAILED, 'does not exist.  Dropping to a shell!', 'No init found. Try passing init='),
    *_known('initramfs', FAILED, 'Gave up waiting for root', 'Gave up waiting for suspend'),
]
# dracut-ng: modules.d/*base/{init,dracut-lib}.sh, dracut-emergency.sh.
DRACUT = [
    *_known('dracut', FAILED, 'dracut: FATAL:', 'dracut: Refusing to continue', 'failed to download live image after'),
    *_known('dracut', FAILED, 'Could not boot.', 'has failed. To debug this issue add "rd.shell rd.debug"'),
    *_known('dracut', WAITING, 'Entering emergency mode', 'Dropping to debug shell.'),
]
# systemd's units/emergency.service.in and rescue.service.in; util-linux' login-utils/sulogin.c.
SYSTEMD = [
    *_known('systemd', WAITING, 'You are in emergency mode', 'You are in rescue mode', 'Give root password for maintenance'),
    *_known('systemd', WAITING, 'Press Enter for maintenance'),
    *_known('systemd', WAITING, 'Cannot open access to console, the root account is locked'),
    *_known('systemd', FAILED, 'Freezing execution'),  # src/core/crash-handler.c
]
# GRUB's grub-core/normal/main.c and kern/rescue_reader.c.
BOOT_LOADER = _known('GRUB', WAITING, 'grub rescue>', 'Minimal BASH-like line editing is supported')

# Anaconda's dracut/ directory: fetch-kickstart-net.sh, anaconda-lib.sh, anaconda-netroot.sh,
# parse-anaconda-kickstart.sh, anaconda-error-reporting.sh.
ANACONDA_DRACUT = [
    *_known('Anaconda', FAILED, 'Anaconda installer errors begin', 'It seems that the boot has failed'),
    *_known('Anaconda', FAILED, 'failed to fetch kickstart from', "Can't get kickstart from", 'failed to fetch stage2 from'),
    *_known('Anaconda', FAILED, "can't find installer main image path in .treeinfo", 'unknown network repository URL'),
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
    *_known('Anaconda', FAILED, 'crashed on signal', 'traceback script(s) have been run'),
    *_known('Anaconda', FAILED, 'Traceback (most recent call last)'),  # as in kickstart-tests' lib/log_handler.py
]
# These end or hang before there is a user interface, and nothing powers off: pyanaconda/kickstart.py,
# startup_utils.py; pykickstart's errors.py; tmux.conf with remain-on-exit.
ANACONDA_KICKSTART = [
    *_known('Anaconda', FAILED, 'An error occurred during reading the kickstart file', 'The following problem occurred on line'),
    *_known('Anaconda', FAILED, 'There was an error running the kickstart script at line', 'Pane is dead'),
    *_known('Anaconda', FAILED, 'MB of memory to install, but you only have', 'You do not have enough RAM to install'),
]
# The text mode's hub and questions: pyanaconda/ui/tui/, simpleline's render/. image-builder#360.
ANACONDA_TEXT = [
    *_known('Anaconda', WAITING, 'Kickstart insufficient', 'The following mandatory spokes are not completed', 'No disks selected'),
    *_known('Anaconda', WAITING, 'Error checking storage configuration', 'Error checking software selection'),
    *_known('Anaconda', WAITING, 'Error setting up software source', 'Installation source not set up'),
    *_known('Anaconda', WAITING, 'Would you like to ignore this and continue', 'Please make a selection from the above'),
    *_known('Anaconda', WAITING, "Please respond 'yes' or 'no'", 'Press ENTER to exit', 'Press ENTER to continue'),
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
]
# pyanaconda/modules/payloads/; lorax' monitor.py.
ANACONDA_PAYLOAD = [
    *_known(
        'Anaconda', FAILED, 'while setting up the payload', 'while installing the payload', 'occurred while installing.  This is'
    ),
    *_known('Anaconda', FAILED, 'Failed to download the following packages', 'An error occurred during the transaction'),
    *_known('Anaconda', FAILED, 'packages, groups or modules are broken', 'packages, groups or modules are missing'),
    *_known('Anaconda', FAILED, 'Payload setup error', 'Error in POSTIN scriptlet', 'Transaction check error'),
    *_known('Anaconda', FAILED, 'Not enough space in file systems'),
]
# pyanaconda/modules/storage/bootloader/{grub2,base}.py.
ANACONDA_BOOT_LOADER = [
    *_known('Anaconda', FAILED, 'The system will not be bootable', 'boot loader install failed'),
    *_known('Anaconda', FAILED, 'failed to write boot loader configuration', 'enough space for grub2 to embed'),
]
# Anaconda of EL6 and Fedora 16: cmdline.py, text.py, loader/.
ANACONDA_OLD = [
    *_known('Anaconda', FAILED, "Can't have a question in command line mode!", 'Command line mode requires all choices'),
    *_known('Anaconda', FAILED, 'found while parsing the kickstart', 'install exited abnormally', 'Scriptlet Failure'),
    *_known('Anaconda', WAITING, 'In interactive step', 'Error downloading kickstart file', 'Unable to retrieve http'),
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
    *_known('debian-installer', FAILED, 'GRUB installation failed', 'Unable to configure GRUB'),
    *_known('debian-installer', WAITING, 'Write the changes to disks?', 'Device for boot loader installation'),
    # cdebconf's text and newt front ends: every question. A progress bar has only <Cancel>.
    *_known('debian-installer', WAITING, "Prompt: '?' for help", 'Choose the next step in the install process'),
    *_known('debian-installer', WAITING, '<Go Back>', '<Continue>'),
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
    *_known('subiquity', WAITING, 'Continue with autoinstall?', 'Willkommen! Bienvenue! Welcome!'),
    *_known('subiquity', WAITING, 'As the installer is running on a serial console, it has'),
]

# linuxrc's auto2.c, url.c, install.c, linuxrc.c.
LINUXRC = [
    *_known('linuxrc', FAILED, 'No repository found.', 'Please make sure your installation medium is available'),
    *_known('linuxrc', FAILED, 'Failed to download AutoYaST file', 'DHCP configuration failed', 'No network device found'),
    *_known('linuxrc', FAILED, 'does not match your boot medium', 'File not signed'),
    *_known('linuxrc', FAILED, 'Digest verification failed', 'An error occurred during the installation.', 'Linuxrc crashed.'),
    *_known('linuxrc', FAILED, 'does not have enough RAM for the installation'),
    *_known('linuxrc', WAITING, 'Enter the repository URL', 'Exit or Reboot'),
]
# yast-installation's startup/common/logging.sh; yast-autoinstallation's src/.
YAST = [
    *_known('YaST', FAILED, 'Fatal Error occured, process stopped', 'None or wrong base product', 'is not a valid XML document'),
    *_known('YaST', FAILED, 'Invalid AutoYaST profile URL', 'Error while configuring partitions'),
    *_known('YaST', FAILED, 'The package resolver run failed', 'cannot be found in the software repositories'),
]
# agama's rust/agama-autoinstall/src/, service/lib/agama/manager.rb.
AGAMA = [
    *_known('Agama', FAILED, 'Installation error:', 'Skipping the auto-installation:', 'Could not load configuration from'),
    *_known('Agama', FAILED, 'The installer has not finished correctly'),
]
# FAI's lib/subroutines and lib/task_sysinfo.
FAI = [
    *_known('FAI', FAILED, 'FATAL ERROR. Installation stopped.', 'Error in task', 'Problems accessing the config space'),
    *_known('FAI', FAILED, 'Partitioning tool did not create'),
    *_known('FAI', WAITING, 'Press <RETURN> to reboot', 'Hit <ENTER> to obtain a shell', 'Now you have a shell'),
]
# The lab's installer (lab/eucalab/installer/ramdisk/say.sh).
LAB = _known('installer', FAILED, 'installer: FAILED')
# roles/image_build/templates/kickstart.cfg.j2
ROLE = _known('image_build', FAILED, 'image_build: the volume vol-')
# roles/image_build/templates/boot_report.sh.j2
BOOT_REPORT = _known('boot report', FAILED, 'boot-report: address=none', 'endpoint=unreachable')

# Texts of a system that starts, installed or not.
BOOT = [*KERNEL, *INITRAMFS, *DRACUT, *SYSTEMD, *BOOT_LOADER]
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
