/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lease: keep everybody else out of a file for some milliseconds.
 *
 * A write lease (fcntl(2)) is given only where nobody else has the file open or mapped; who opens
 * or truncates it then waits until it is given back. Where it is not given, others have to be
 * stopped.
 */
#pragma once

/* fd is open for writing. 1: it is ours alone; 0: somebody has it open, or it can't be had here. */
int lease_take(int fd);
void lease_give_back(int fd);
