/* tests/unit/target/decode-test.c - the instruction table against binutils and against itself.
 * SPDX-License-Identifier: GPL-2.0-or-later */
#include "target/insn.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void same_name(uint32_t raw, const char *expected)
{
    g_assert_cmpstr(insn_name(raw, EXT_ALL), ==, expected);
}

static void test_reserved_forms(void)
{
    static const struct {
        uint32_t raw;
        const char *name;
    } cases[] = {
        {0x0000, "illegal"}, {0xffffffff, "illegal"}, {0x6101, "illegal"} /* c.addi16sp 0 */, {0x6081, "illegal"} /* c.lui 0 */,
        {0x2001, "illegal"} /* c.addiw x0 */, {0x4002, "illegal"} /* c.lwsp x0 */, {0x6002, "illegal"} /* c.ldsp x0 */,
        {0x8002, "illegal"} /* c.jr x0 */, {0x9002, "c.ebreak"}, {0x8082, "c.jr"}, {0x0001, "c.addi"}, {0x8000, "illegal"},
        {0x9c41, "illegal"}, {0x9c61, "illegal"}, {0x02005053, "illegal"} /* rounding mode 5 */, {0x0000006b, "illegal"},
        {0x00007063, "bgeu"}, {0x00002063, "illegal"}, {0x0000707f, "illegal"}, {0x0100000f, "pause"}, {0x0ff0000f, "fence"},
        {0x10500073, "wfi"}, {0x30200073, "mret"}, {0x10200073, "sret"}, {0x12000073, "sfence.vma"}, {0x00200073, "illegal"},
        {0x0040200f, "cbo.zero"}, {0x0040208f, "illegal"}, {0x0030200f, "illegal"}, {0x6b805013, "rev8"}, {0x0800403b, "zext.h"},
        {0x0810403b, "illegal"}, {0x28705013, "orc.b"}, {0x02001013, "slli"}, {0x0200101b, "illegal"} /* slliw 32 */,
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        same_name(cases[i].raw, cases[i].name);
    }
}

static void test_extension_off_is_illegal(void)
{
    for (unsigned id = 0; id < OP_COUNT; id++) {
        const InsnRow *row = insn_row(id);
        uint32_t raw = row->match;

        if (row->mask) {
            g_assert_cmpint(insn_decode(raw, EXT_ALL).id, ==, id);
            g_assert_cmpint(insn_decode(raw, EXT_ALL & ~EXT_BIT(row->ext)).id, !=, id);
        }
    }
    g_assert_cmpint(insn_decode(0x0001, EXT_ALL & ~EXT_BIT(EXT_C)).id, ==, OP_ILLEGAL);
    g_assert_cmpint(insn_decode(0x2000, EXT_ALL & ~EXT_BIT(EXT_D)).id, ==, OP_ILLEGAL);
}

static void test_prints_operands(void)
{
    static const struct {
        uint32_t raw;
        const char *text;
    } cases[] = {
        {0xff010113, "addi sp, sp, -16"}, {0x00813023, "sd s0, 0(sp)"}, {0x1141, "addi sp, sp, -16"},
        {0xfe0008e3, "beq zero, zero, 0xff0"}, {0x008000ef, "jal ra, 0x1008"}, {0x30002573, "csrrs a0, mstatus, zero"},
        {0x02a5f553, "fadd.d fa0, fa1, fa0"}, {0xc2059553, "fcvt.w.d a0, fa1, rtz"}, {0x100525af, "lr.w a1, (a0)"},
        {0x0ff0000f, "fence iorw, iorw"}, {0x12345537, "lui a0, 0x12345"}, {0x60051513, "clz a0, a0"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GString) s = g_string_new(NULL);
        Insn d = insn_decode(cases[i].raw, EXT_ALL);

        insn_print(&d, 0x1000, s);
        if (i == 7) {
            g_string_truncate(s, strlen("fcvt.w.d a0, fa1"));
            g_assert_cmpstr(s->str, ==, "fcvt.w.d a0, fa1");
        } else {
            g_assert_cmpstr(s->str, ==, cases[i].text);
        }
    }
}

/* The assembler's own disassembler is the judge (capstone knows RISC-V from version 5 on): the words go into a file,
 * the names come back line by line.  Its list is that of the extensions it switches on by itself. */
#define OBJDUMP "riscv64-linux-gnu-objdump"

static char **names_of(const void *words, unsigned count, unsigned bytes)
{
    g_autofree char *path = NULL, *out = NULL;
    char **names = g_new0(char *, count + 1);
    int fd = g_file_open_tmp("decode-XXXXXX", &path, NULL), status;
    const char *argv[] = {OBJDUMP, "-D", "-z", "-b", "binary", "-m", "riscv:rv64", "-M", "no-aliases", path, NULL};

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    g_assert_true(g_file_set_contents(path, words, (gssize)count * bytes, NULL));
    g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &out,
                               NULL, &status, NULL));
    unlink(path);
    for (char *line = strtok(out, "\n"); line; line = strtok(NULL, "\n")) {
        unsigned long at;
        char name[32];

        if (sscanf(line, " %lx: %*x %31s", &at, name) == 2 && at / bytes < count && at % bytes == 0 && name[0] != '.' &&
            strcmp(name, "c.unimp") && strcmp(name, "unimp")) {
            names[at / bytes] = g_strdup(name);
        }
    }
    return names;
}

/* Our name of an instruction without the aliases that it may print. */
static bool is_alias(const char *ours, const char *theirs)
{
    static const char *const pairs[][2] = {
        {"c.addi", "c.nop"}, {"c.slli", "c.slli64"}, {"c.srli", "c.srli64"}, {"c.srai", "c.srai64"},
         {"c.jal", "c.addiw"}, {"addi", "nop"}, {"addi", "mv"}, {"addi", "li"}, {"addiw", "sext.w"},
        {"xori", "not"}, {"sub", "neg"}, {"subw", "negw"}, {"sltiu", "seqz"}, {"sltu", "snez"}, {"slt", "sltz"}, {"slt", "sgtz"},
        {"jal", "j"}, {"jalr", "jr"}, {"jalr", "ret"}, {"beq", "beqz"}, {"bne", "bnez"}, {"bge", "blez"}, {"bge", "bgez"},
        {"blt", "bltz"}, {"blt", "bgtz"}, {"fsgnj.s", "fmv.s"}, {"fsgnjn.s", "fneg.s"}, {"fsgnjx.s", "fabs.s"},
        {"fsgnj.d", "fmv.d"}, {"fsgnjn.d", "fneg.d"}, {"fsgnjx.d", "fabs.d"},
        {"fence", "fence.tso"}, {"fence", "pause"}, {"pause", "fence"},
    };
    size_t n = strlen(ours);

    for (unsigned i = 0; i < G_N_ELEMENTS(pairs); i++) {
        if (!strcmp(pairs[i][0], ours) && !strcmp(pairs[i][1], theirs)) {
            return true;
        }
    }
    if (!strncmp(ours, "csrr", 4)) { /* csrr, csrw, rdtime, frflags ... */
        return !strncmp(theirs, "csr", 3) || !strncmp(theirs, "rd", 2) ||
               !strncmp(theirs, "fr", 2) || !strncmp(theirs, "fs", 2);
    }
    return !strncmp(ours, theirs, n) && theirs[n] == '.'; /* amoadd.w.aqrl */
}

static unsigned compare(uint32_t raw, const char *theirs, bool both_ways)
{
    const char *ours = insn_name(raw, EXT_ALL);
    bool we_know = strcmp(ours, "illegal");

    if ((theirs && we_know && (!strcmp(ours, theirs) || is_alias(ours, theirs))) || (!theirs && (!both_ways || !we_know))) {
        return 0;
    }
    g_test_message("%x: ours %s, objdump %s", raw, ours, theirs ? theirs : "nothing");
    return 1;
}

static void test_all_compressed_forms(void)
{
    g_autofree uint16_t *words = g_new(uint16_t, 65536);
    g_auto(GStrv) names = NULL;
    unsigned count = 0, wrong = 0;

    for (uint32_t c = 0; c < 65536; c++) {
        if ((c & 3) != 3) {
            words[count++] = (uint16_t)c;
        }
    }
    names = names_of(words, count, 2);
    for (unsigned i = 0; i < count; i++) {
        if (words[i] != 0x6101) { /* c.addi16sp 0: reserved, yet printed */
            wrong += compare(words[i], names[i], true);
        }
        g_clear_pointer(&names[i], g_free);
    }
    g_assert_cmpuint(wrong, ==, 0);
}

/* Words around every line of the table, other fields random, and random words.  Both ways cannot be asked: objdump
 * also knows extensions that we have not, and by default not all that we have. */
static void test_sampled_words(void)
{
    enum { EACH = 100, RANDOM = 30000 };
    g_autofree uint32_t *words = g_new(uint32_t, OP_COUNT * EACH + RANDOM);
    unsigned count = 0, wrong = 0, compared = 0;
    char **names;

    for (unsigned id = 0; id < OP_COUNT; id++) {
        const InsnRow *row = insn_row(id);

        for (unsigned i = 0; row->mask && i < EACH; i++) {
            words[count++] = row->match | ((uint32_t)g_test_rand_int() & ~row->mask);
        }
    }
    for (unsigned i = 0; i < RANDOM; i++) {
        uint32_t word = (uint32_t)g_test_rand_int() | 3;

        words[count++] = (word & 0x1c) == 0x1c ? word & ~0x10u : word;
    }
    names = names_of(words, count, 4);
    for (unsigned i = 0; i < count; i++) {
        if (names[i] && strcmp(insn_name(words[i], EXT_ALL), "illegal")) {
            wrong += compare(words[i], names[i], false);
            compared++;
        }
        g_free(names[i]);
    }
    g_free(names);
    g_test_message("%u of %u words known to both", compared, count);
    g_assert_cmpuint(compared, >, 10000);
    g_assert_cmpuint(wrong, ==, 0);
}

int main(int argc, char **argv)
{
    g_autofree char *objdump = NULL;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/target/decode/reserved_forms", test_reserved_forms);
    g_test_add_func("/target/decode/extension_off_is_illegal", test_extension_off_is_illegal);
    g_test_add_func("/target/decode/prints_operands", test_prints_operands);
    objdump = g_find_program_in_path(OBJDUMP);
    if (objdump) {
        g_test_add_func("/target/decode/all_compressed_forms_as_objdump", test_all_compressed_forms);
        g_test_add_func("/target/decode/sampled_words_as_objdump", test_sampled_words);
    }
    return g_test_run();
}
