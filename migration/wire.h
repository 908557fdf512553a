/* migration/wire.h - numbers on the wire.  Page: docs/migration-stream.md.
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU's framing and numbers; ours begin at 32.  Each message of ours begins with the attempt's number (be64). */
#pragma once

#define STREAM_MAGIC 0x5145564du
#define STREAM_VERSION 3u
#define HELLO_VERSION 2u
#define STARTED_VERSION 1u

enum { /* elements */
    SECTION_EOF = 0, SECTION_START = 1, SECTION_PART = 2, SECTION_END = 3, SECTION_FULL = 4, SECTION_VMDESC = 6,
    SECTION_CONFIGURATION = 7, SECTION_COMMAND = 8, SECTION_FOOTER = 0x7e,
};

enum { /* source to destination: be16 number, be16 length, payload */
    CMD_PACKAGED = 7,         /* be32 size; then, outside of the length, sections up to an EOF */
    CMD_SWITCHOVER_START = 11,
    CMD_HELLO = 32,           /* hello.c */
    CMD_RUN,                  /* be64 attempt */
    CMD_RELEASE,
    CMD_CANCEL,               /* be64 attempt, u8 0: one flipped bit makes no RELEASE or RUN of it, which are shorter */
    CMD_TAIL_END,
    CMD_MESSAGE,              /* be64 attempt, be32 size; then, outside of the length: str8 part, bytes */
    CMD_SETUP,                /* as CMD_PACKAGED, before any page */
    CMD_PREPARE,              /* be64 attempt; what came before it is to be done with, then SWITCHOVER_ACK */
};

enum { /* destination to source: be16 number, be16 length, payload */
    RP_SHUT = 1,
    RP_SWITCHOVER_ACK = 7,    /* be64 attempt */
    RP_VM_STARTED = 8,        /* be16 version, be64 attempt, be64 ns since RUN, be64 ns since the last byte of state,
                                 be64 monotonic time of the start: for a source on the same host */
    RP_HELLO = 32,            /* be16 version, be64 attempt, be32 pid, host id */
    RP_READY,                 /* be64 attempt, u8 parked, be64 ns of loading */
    RP_ASK,
    RP_GIVE_BACK,             /* be64 attempt, text */
    RP_TAIL_DONE,
    RP_ERROR,                 /* be64 attempt, text */
    RP_MESSAGE,
};

enum { /* RAM records: be64 offset | flag */
    RAM_ZERO = 0x02, RAM_MEM_SIZE = 0x04, RAM_PAGE = 0x08, RAM_EOS = 0x10, RAM_CONTINUE = 0x20, RAM_BATCH = 0x400,
    RAM_FLAGS = 0xfff,
};
/* A batch, between two Batons: be64 RAM_BATCH, be16 block, be16 data runs, be16 zero runs, 2 zero bytes; then the runs,
 * data first, be64 offset and be32 pages each; then the bytes of all data runs. */
#define RAM_RUNS_MAX 500u
#define RAM_BATCH_PAGES 2048u        /* data in a batch */
#define RAM_BATCH_ALL_PAGES 32768u   /* and zeroes: so that no batch costs more than reading 128 MiB */
#define RAM_SECTION_ID 1u

#define CANCEL_SIZE 9u
#define PACKAGE_MAX (512u << 20)
#define DESCRIPTION_MAX (10u << 20)
#define TEXT_MAX 1024u
#define HOST_ID_SIZE 64u
