#! /bin/bash
# SPDX-FileCopyrightText: eucalyptus.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Sources the answer file, whose URL is the kernel parameter FAI_ANSWER (in quotes, because FAI evaluates its parameters).
# Outside of $LOGDIR, which FAI copies into the installed system.
curl -fsS --retry 5 --retry-all-errors -o /tmp/answer "$FAI_ANSWER" || task_error 999 1
# shellcheck source=/dev/null
. /tmp/answer
