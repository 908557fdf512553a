/* tests/guest/isa/vm.c - Sv39 and Sv48: translation, permissions, A and D bits, fences, MPRV.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "isa.h"

enum { V = 1, R = 2, W = 4, X = 8, U = 16, G = 32, A = 64, D = 128, ALL = V | R | W | X | A | D };
enum { PAGE = 4096, SUM = 1 << 18, MXR = 1 << 19, MPRV = 1 << 17 };

#define ADUE   (UINT64_C(1) << 61)
#define PBMT   (UINT64_C(1) << 61) /* in a page table entry; reserved without Svpbmt */
#define WINDOW UINT64_C(0x40000000) /* where the pages under test are mapped */

/* [0] is the root of the mode under test; RAM is mapped to itself by a 1 GiB page. */
static uint64_t root[512] __attribute__((aligned(4096)));
static uint64_t upper[512] __attribute__((aligned(4096)));
static uint64_t middle[512] __attribute__((aligned(4096)));
static uint64_t leaf[512] __attribute__((aligned(4096)));
static uint64_t data[4][512] __attribute__((aligned(4096)));

SNIPPET(load, "ld a0, 0(a0)");
SNIPPET(store, "sd a1, 0(a0)");
SNIPPET(amo, "amoadd.d a0, a1, (a0)");
SNIPPET(jump, "jr a0");

static uint64_t entry(const void *page, uint64_t flags)
{
    return (uint64_t)page >> 12 << 10 | flags;
}

static void fence(void)
{
    __asm__ volatile("sfence.vma" : : : "memory");
}

static void map(int index, const void *page, uint64_t flags)
{
    leaf[index] = entry(page, flags);
    fence();
}

/* The same addresses in Sv39 and, one level further down, in Sv48. */
static bool build(int mode, uint64_t asid)
{
    uint64_t *top = mode == 9 ? upper : root;
    uint64_t satp = (uint64_t)mode << 60 | asid << 44 | (uint64_t)root >> 12;

    memset(root, 0, sizeof(root));
    memset(upper, 0, sizeof(upper));
    memset(middle, 0, sizeof(middle));
    memset(leaf, 0, sizeof(leaf));
    if (mode == 9) {
        root[0] = entry(upper, V);
    }
    top[1] = entry(middle, V);
    top[2] = entry((void *)0x80000000, ALL);
    top[3] = entry((void *)0x80000000, ALL | U);
    middle[0] = entry(leaf, V);
    CSR_WRITE(satp, satp);
    fence();
    return CSR_READ(satp) == satp;
}

static const void *in_user_view(const void *code)
{
    return (const uint8_t *)code + 0x40000000;
}

#define EXPECT_FAULT(name, mode, code, at, value, want)                                            \
    do {                                                                                           \
        isa_enter(mode, code, at, value);                                                          \
        CHECK(name " cause", isa_m.cause, want);                                                   \
        CHECK(name " tval", isa_m.tval, at);                                                       \
    } while (0)
#define EXPECT_DONE(name, mode, code, at, value)                                                   \
    do {                                                                                           \
        isa_enter(mode, code, at, value);                                                          \
        CHECK(name, isa_m.cause, (mode) == MODE_S ? CAUSE_ECALL_S : CAUSE_ECALL_U);                \
    } while (0)

static void permissions(void)
{
    static const struct {
        uint64_t flags;
        bool loads, stores, fetches; /* in S-mode */
    } rows[] = {
        { ALL, true, true, true },
        { V | R | A | D, true, false, false },
        { V | R | W | A | D, true, true, false },
        { V | X | A | D, false, false, true },
        { V | R | X | A | D, true, false, true },
        { ALL | U, false, false, false },
        { V | W | A | D, false, false, false },     /* reserved */
        { V | W | X | A | D, false, false, false }, /* reserved */
        { ALL & ~V, false, false, false },
        { ALL | PBMT, false, false, false },              /* reserved without Svpbmt */
        { ALL | UINT64_C(1) << 54, false, false, false }, /* reserved */
        { ALL | G, true, true, true },
        { ALL | 0x300, true, true, true }, /* RSW is the software's */
    };

    data[0][0] = 0x00000073; /* ecall, for the fetch */
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        map(1, data[0], rows[i].flags);
        isa_enter(MODE_S, load, WINDOW + PAGE, 0);
        CHECK("S load", isa_m.cause, rows[i].loads ? CAUSE_ECALL_S : CAUSE_LOAD_PAGE);
        isa_enter(MODE_S, store, WINDOW + PAGE + 8, i);
        CHECK("S store", isa_m.cause, rows[i].stores ? CAUSE_ECALL_S : CAUSE_STORE_PAGE);
        CHECK("store reaches memory", data[0][1] == i, rows[i].stores);
        data[0][1] = -1;
        isa_enter(MODE_S, amo, WINDOW + PAGE + 8, 1);
        CHECK("S amo", isa_m.cause, rows[i].stores ? CAUSE_ECALL_S : CAUSE_STORE_PAGE);
        isa_enter(MODE_S, jump, WINDOW + PAGE, 0);
        CHECK("S fetch", isa_m.cause, rows[i].fetches ? CAUSE_ECALL_S : CAUSE_FETCH_PAGE);
        CHECK("S fetch epc", isa_m.epc, WINDOW + PAGE);
        CHECK("S fetch tval", isa_m.tval, rows[i].fetches ? 0 : WINDOW + PAGE);
    }
}

static void user_and_supervisor(void)
{
    const void *u_load = in_user_view(load), *u_store = in_user_view(store);
    const void *u_jump = in_user_view(jump);

    data[0][0] = 0x73;
    map(1, data[0], ALL | U);
    map(2, data[1], ALL);
    EXPECT_DONE("U load of a U page", MODE_U, u_load, WINDOW + PAGE, 0);
    EXPECT_DONE("U store to a U page", MODE_U, u_store, WINDOW + PAGE + 16, 1);
    EXPECT_DONE("U fetch from a U page", MODE_U, u_jump, WINDOW + PAGE, 1);
    EXPECT_FAULT("U load of an S page", MODE_U, u_load, WINDOW + 2 * PAGE, 0, CAUSE_LOAD_PAGE);
    EXPECT_FAULT("U store to an S page", MODE_U, u_store, WINDOW + 2 * PAGE, 0, CAUSE_STORE_PAGE);
    EXPECT_FAULT("U fetch from an S page", MODE_U, u_jump, WINDOW + 2 * PAGE, 0, CAUSE_FETCH_PAGE);
    CSR_SET(mstatus, SUM);
    EXPECT_DONE("S load of a U page with SUM", MODE_S, load, WINDOW + PAGE, 0);
    EXPECT_DONE("S store to a U page with SUM", MODE_S, store, WINDOW + PAGE + 16, 0);
    EXPECT_FAULT("S fetch from a U page with SUM", MODE_S, jump, WINDOW + PAGE, 0,
                 CAUSE_FETCH_PAGE);
    CSR_CLEAR(mstatus, SUM);
    EXPECT_FAULT("without SUM again", MODE_S, load, WINDOW + PAGE, 0, CAUSE_LOAD_PAGE);
    map(3, data[1], V | X | A | D);
    EXPECT_FAULT("load of an X page", MODE_S, load, WINDOW + 3 * PAGE, 0, CAUSE_LOAD_PAGE);
    CSR_SET(mstatus, MXR);
    EXPECT_DONE("load of an X page with MXR", MODE_S, load, WINDOW + 3 * PAGE, 0);
    EXPECT_FAULT("store to it", MODE_S, store, WINDOW + 3 * PAGE, 0, CAUSE_STORE_PAGE);
    CSR_CLEAR(mstatus, MXR);
    EXPECT_FAULT("without MXR again", MODE_S, load, WINDOW + 3 * PAGE, 0, CAUSE_LOAD_PAGE);
}

static void accessed_and_dirty(void)
{
    bool in_hardware;

    isa_enter(MODE_M, load, (uint64_t)&data[0], 0);
    __asm__ volatile("csrs 0x30a, %0" : : "r"(ADUE)); /* Svadu, where the emulator has it */
    map(1, data[0], ALL & ~(A | D));
    isa_enter(MODE_S, load, WINDOW + PAGE, 0);
    in_hardware = isa_m.cause == CAUSE_ECALL_S;
    if (in_hardware) {
        CHECK("a load sets A", leaf[1], entry(data[0], ALL & ~D));
        EXPECT_DONE("store", MODE_S, store, WINDOW + PAGE, 1);
        CHECK("a store sets D", leaf[1], entry(data[0], ALL));
        map(1, data[0], ALL & ~(A | D));
        EXPECT_DONE("amo", MODE_S, amo, WINDOW + PAGE, 1);
        CHECK("an amo sets A and D", leaf[1], entry(data[0], ALL));
        data[1][0] = 0x73;
        map(2, data[1], ALL & ~(A | D));
        EXPECT_DONE("fetch", MODE_S, jump, WINDOW + 2 * PAGE, 1);
        CHECK("a fetch sets A", leaf[2], entry(data[1], ALL & ~D));
        map(2, data[1], (V | R | U));
        isa_enter(MODE_S, load, WINDOW + 2 * PAGE, 1);
        CHECK("a load that is refused sets nothing", leaf[2], entry(data[1], V | R | U));
    } else {
        isa_skip("A and D by hardware");
    }
    __asm__ volatile("csrc 0x30a, %0" : : "r"(ADUE));
    map(1, data[0], ALL & ~(A | D));
    isa_enter(MODE_S, load, WINDOW + PAGE, 0);
    if (isa_m.cause == CAUSE_ECALL_S) {
        isa_skip("Svadu off");
        return;
    }
    CHECK("no A: page fault", isa_m.cause, CAUSE_LOAD_PAGE);
    CHECK("nothing set", leaf[1], entry(data[0], ALL & ~(A | D)));
    map(1, data[0], ALL & ~D);
    EXPECT_DONE("A, no D: load", MODE_S, load, WINDOW + PAGE, 0);
    EXPECT_FAULT("A, no D: store", MODE_S, store, WINDOW + PAGE, 0, CAUSE_STORE_PAGE);
    if (in_hardware) {
        __asm__ volatile("csrs 0x30a, %0" : : "r"(ADUE));
    }
}

static void shapes(int mode)
{
    uint64_t *top = mode == 9 ? upper : root;
    uint64_t value = 0x1122334455667788, limit = UINT64_C(1) << (mode == 9 ? 47 : 38);

    data[2][5] = value;
    middle[1] = entry((void *)0x80000000, ALL); /* 2 MiB */
    fence();
    EXPECT_DONE("2 MiB page", MODE_S, load,
                WINDOW + 0x200000 + ((uint64_t)&data[2][5] & 0x1fffff), 0);
    if ((uint64_t)data < 0x80200000) {
        CHECK("2 MiB page reads", isa_m.a0, value);
    }
    middle[2] = entry((void *)0x80001000, ALL); /* not aligned to its size */
    fence();
    EXPECT_FAULT("misaligned 2 MiB page", MODE_S, load, WINDOW + 0x400000, 0, CAUSE_LOAD_PAGE);
    top[4] = entry((void *)0x80200000, ALL);
    fence();
    EXPECT_FAULT("misaligned 1 GiB page", MODE_S, load, UINT64_C(0x100000000), 0, CAUSE_LOAD_PAGE);
    EXPECT_DONE("1 GiB page", MODE_S, load, (uint64_t)&data[2][5], 0);
    CHECK("1 GiB page reads", isa_m.a0, value);
    leaf[7] = entry(data[0], V); /* a pointer where no level is left */
    fence();
    EXPECT_FAULT("pointer at the last level", MODE_S, load, WINDOW + 7 * PAGE, 0, CAUSE_LOAD_PAGE);
    middle[3] = entry(leaf, V | A); /* A, D and U are reserved in pointers */
    fence();
    EXPECT_FAULT("pointer with A", MODE_S, load, WINDOW + 0x600000, 0, CAUSE_LOAD_PAGE);
    EXPECT_FAULT("beyond the sign", MODE_S, load, limit, 0, CAUSE_LOAD_PAGE);
    EXPECT_FAULT("far beyond the sign", MODE_S, load, UINT64_C(1) << 62, 0, CAUSE_LOAD_PAGE);
    EXPECT_FAULT("store beyond the sign", MODE_S, store, limit, 0, CAUSE_STORE_PAGE);
    isa_enter(MODE_S, jump, limit, 0);
    CHECK("fetch beyond the sign", isa_m.cause, CAUSE_FETCH_PAGE);
    root[511] = mode == 9 ? entry(upper, V) : entry((void *)0x80000000, ALL);
    top[511] = entry((void *)0x80000000, ALL);
    fence();
    EXPECT_DONE("the upper half", MODE_S, load, (uint64_t)&data[2][5] - 0xc0000000, 0);
    CHECK("the upper half reads", isa_m.a0, value);
    leaf[8] = entry((void *)0, ALL); /* memory that is not there: access fault, not page fault */
    fence();
    EXPECT_FAULT("mapped hole", MODE_S, load, WINDOW + 8 * PAGE + 0x40, 0, CAUSE_LOAD_ACCESS);
    middle[4] = entry((void *)0, V);
    fence();
    EXPECT_FAULT("page table in a hole", MODE_S, load, WINDOW + 0x800000, 0, CAUSE_LOAD_ACCESS);
    EXPECT_FAULT("store through it", MODE_S, store, WINDOW + 0x800000, 0, CAUSE_STORE_ACCESS);
}

/* One access over the border of two pages that are far apart in memory. */
static void across_pages(void)
{
    uint8_t *first = (uint8_t *)data[3], *second = (uint8_t *)data[1];
    uint64_t at = WINDOW + 21 * PAGE - 3;

    map(20, first, ALL);
    map(21, second, ALL);
    memset(first, 0x11, PAGE);
    memset(second, 0x22, PAGE);
    EXPECT_DONE("load across pages", MODE_S, load, at, 0);
    CHECK("load across pages reads", isa_m.a0, 0x2222222222111111);
    EXPECT_DONE("store across pages", MODE_S, store, at, 0x0807060504030201);
    CHECK("its first part", first[PAGE - 3] | first[PAGE - 1] << 16, 0x030001);
    CHECK("its second part", second[0] | second[4] << 8 | second[5] << 16, 0x220804);
    map(21, second, ALL & ~V);
    isa_enter(MODE_S, load, at, 0);
    CHECK("load into a missing page", isa_m.cause, CAUSE_LOAD_PAGE);
    CHECK("tval points into it", isa_m.tval >> 12, (WINDOW + 21 * PAGE) >> 12);
    isa_enter(MODE_S, store, at, 0);
    CHECK("store into a missing page", isa_m.cause, CAUSE_STORE_PAGE);
    CHECK("tval points into it", isa_m.tval >> 12, (WINDOW + 21 * PAGE) >> 12);
    CHECK("and nothing was stored", first[PAGE - 3], 1);
    /* an instruction with its second half there */
    *(uint16_t *)(first + PAGE - 2) = 0x0513;
    isa_enter(MODE_S, jump, WINDOW + 21 * PAGE - 2, 0);
    CHECK("fetch into a missing page", isa_m.cause, CAUSE_FETCH_PAGE);
    CHECK("epc is the instruction", isa_m.epc, WINDOW + 21 * PAGE - 2);
    CHECK("tval is the missing half", isa_m.tval, WINDOW + 21 * PAGE);
}


static void fences(int mode)
{
    data[0][0] = 100;
    data[1][0] = 200;
    map(1, data[0], ALL);
    EXPECT_DONE("first mapping", MODE_S, load, WINDOW + PAGE, 0);
    CHECK("first mapping reads", isa_m.a0, 100);
    leaf[1] = entry(data[1], ALL);
    __asm__ volatile("sfence.vma %0, zero" : : "r"(WINDOW + PAGE) : "memory");
    EXPECT_DONE("second mapping", MODE_S, load, WINDOW + PAGE, 0);
    CHECK("sfence.vma of an address", isa_m.a0, 200);
    /* two address spaces with ASIDs of their own, and a global page in both */
    if ((CSR_KEEPS(satp, (uint64_t)mode << 60 | UINT64_C(0xffff) << 44 | (uint64_t)root >> 12) >>
         44 & 0xffff) < 2) {
        isa_skip("ASID");
        build(mode, 0);
        return;
    }
    build(mode, 1);
    map(1, data[0], ALL);
    EXPECT_DONE("ASID 1", MODE_S, load, WINDOW + PAGE, 0);
    CHECK("ASID 1 reads", isa_m.a0, 100);
    leaf[1] = entry(data[1], ALL); /* no fence: another ASID that was never used */
    CSR_WRITE(satp, (uint64_t)mode << 60 | UINT64_C(2) << 44 | (uint64_t)root >> 12);
    EXPECT_DONE("ASID 2", MODE_S, load, WINDOW + PAGE, 0);
    CHECK("ASID 2 does not see ASID 1's", isa_m.a0, 200);
    CSR_WRITE(satp, (uint64_t)mode << 60 | UINT64_C(1) << 44 | (uint64_t)root >> 12);
    __asm__ volatile("sfence.vma zero, %0" : : "r"(1) : "memory");
    EXPECT_DONE("fence of an ASID", MODE_S, load, WINDOW + PAGE, 0);
    CHECK("sfence.vma of an ASID", isa_m.a0, 200);
    map(1, data[0], ALL | U);
    CSR_WRITE(satp, 0);
    isa_enter(MODE_S, load, (uint64_t)&data[1][0], 0);
    CHECK("bare again", isa_m.a0, 200);
    build(mode, 0);
}

static void with_mprv(void)
{
    uint64_t value;

    data[0][0] = 4242;
    data[0][1] = 0;
    map(1, data[0], ALL);
    CSR_SET(mstatus, 0x1800);
    CSR_CLEAR(mstatus, 0x1000); /* MPP = S */
    __asm__ volatile("csrs mstatus, %2\n ld %0, 0(%1)\n sd %0, 8(%1)\n csrc mstatus, %2"
                     : "=&r"(value) : "r"(WINDOW + PAGE), "r"(MPRV) : "memory");
    CHECK("M loads as S", value, 4242);
    CHECK("M stores as S", data[0][1], 4242);
    isa_enter(MODE_M, load, WINDOW + PAGE, 0); /* the board's PCI window, or nothing */
    CHECK("without MPRV it does not translate",
          isa_m.cause == CAUSE_ECALL_M && isa_m.a0 == 4242, 0);
}

/* Delegated page faults tell all to S-mode. */
static void delegated(void)
{
    CSR_WRITE(stvec, isa_strap);
    CSR_WRITE(medeleg, 1 << CAUSE_LOAD_PAGE | 1 << CAUSE_STORE_PAGE | 1 << CAUSE_FETCH_PAGE);
    isa_enter(MODE_U, in_user_view(store), WINDOW + 30 * PAGE + 24, 0);
    CHECK("delegated page fault", isa_s.cause, CAUSE_STORE_PAGE);
    CHECK("stval", isa_s.tval, WINDOW + 30 * PAGE + 24);
    CHECK("sepc", isa_s.epc, in_user_view(store));
    CSR_WRITE(medeleg, 0);
}

/* Tables of random entries, random accesses; what happened and what A and D became goes into a digest.
 * Every word that can be fetched is an ecall, and stores store the same. */
static uint64_t random_entry(bool is_large)
{
    static const uint64_t flags[] = { ALL, ALL | U, ALL & ~D, ALL & ~(A | D), V | R | A, V | R | X,
                                      V | X | A, V | W, V, ALL & ~V, V | R | W | U, V | X | U | A,
                                      ALL | G, V | R | W | D };
    uint64_t r = isa_random();
    uint64_t f = flags[(r >> 8) % (sizeof(flags) / sizeof(flags[0]))];

    if (!is_large) {
        return entry(data[r >> 20 & 3], f);
    }
    if (r >> 30 & 1) {
        return entry(leaf, V | (r >> 31 & 7 ? 0 : A));
    }
    return entry((void *)(0x87000000 + (r >> 40 & 1) * 0x200000 + (r >> 41 & 15 ? 0 : 0x1000)), f);
}

static void random_tables(int mode)
{
    static const char *const codes[] = { load, store, jump };
    uint64_t hash = mode, word = 0x0000007300000073;

    __asm__ volatile("csrs 0x30a, %0" : : "r"(ADUE));
    for (int i = 0; i < 0x400000; i += 8) {
        *(uint64_t *)(0x87000000 + (uint64_t)i) = word;
    }
    for (int i = 0; i < 4 * 512; i++) {
        data[i / 512][i % 512] = word;
    }
    for (int round = 0; round < 3000; round++) {
        uint64_t r = isa_random(), at = WINDOW + (r >> 8 & 7) * 0x200000 + (r >> 16 & 15) * PAGE;
        const void *code = codes[(r >> 24) % 3];
        uint64_t bits = (r >> 32 & 1 ? SUM : 0) | (r >> 33 & 1 ? MXR : 0);

        at += r >> 34 & 0xff8;
        if (round % 5 == 0) {
            leaf[r >> 48 & 15] = random_entry(false);
            middle[1 + (r >> 52) % 7] = random_entry(true);
            fence();
        } else if (round % 5 == 1) {
            leaf[at >> 12 & 15] = random_entry(false);
            for (int k = 0; k < 8; k++) {
                uint64_t page = WINDOW + k * 0x200000 + (at & 0xf000);

                __asm__ volatile("sfence.vma %0, zero" : : "r"(page) : "memory");
            }
        }
        CSR_CLEAR(mstatus, SUM | MXR);
        CSR_SET(mstatus, bits);
        if (r & 1) {
            isa_enter(MODE_S, code, at, word);
        } else {
            isa_enter(MODE_U, in_user_view(code), at, word);
        }
        hash = isa_mix(isa_mix(isa_mix(hash, isa_m.cause), isa_m.tval), isa_m.epc);
        for (int k = 0; k < 16; k++) {
            hash = isa_mix(isa_mix(hash, leaf[k]), middle[k & 7]);
        }
    }
    CSR_CLEAR(mstatus, SUM | MXR);
    isa_digest(mode == 8 ? "tables-Sv39" : "tables-Sv48", hash);
    __asm__ volatile("csrc 0x30a, %0" : : "r"(ADUE));
}

void isa_program(void)
{
    isa_open_pmp();
    for (int mode = 8; mode <= 9; mode++) {
        if (!build(mode, 0)) {
            isa_skip(mode == 8 ? "Sv39" : "Sv48");
            continue;
        }
        permissions();
        user_and_supervisor();
        accessed_and_dirty();
        shapes(mode);
        across_pages();
        fences(mode);
        with_mprv();
        delegated();
        build(mode, 0);
        random_tables(mode);
    }
    CSR_WRITE(satp, 0);
}
