/* include/util/program.h - the running program itself.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Reads a byte of each page of code and constants, its own and its libraries': what a process has not used yet is mapped page by
 * page when it does, which takes microseconds each where the host is a virtual machine.  Returns the number of pages.  Any thread;
 * some milliseconds. */
unsigned program_touch(void);
