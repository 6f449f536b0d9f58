/* plugin.c - a plugin of qemu-user: what blocks of instructions a program executes between two marks.
 *
 *   qemu-aarch64 -plugin plugin.so,out=FILE PROGRAM...
 *
 * The program sets the marks with close(-777001) and close(-777002), which do nothing else but fail. For each block that ran
 * between them FILE gets a line: times it ran, the function's name, and its instruction words. Exact for one thread. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is used of the plugin interface of QEMU, version 1 (qemu-plugin.h has it whole). */
typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef struct qemu_info_t qemu_info_t;
enum { INLINE_ADD_U64 = 0 };
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
const char *qemu_plugin_insn_symbol(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op, void *counter, uint64_t operand);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                           void (*translated)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t id,
                                          void (*called)(qemu_plugin_id_t, unsigned, int64_t, uint64_t, uint64_t,
                                                         uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t));
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*done)(qemu_plugin_id_t, void *), void *user);

#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = 1;

enum { CLOSE = 57 }; /* the number of close for AArch64 */

typedef struct block {
  struct block *next;
  uint64_t runs, before, between; /* all, until the first mark, from there to the second */
  uint64_t address;
  char *symbol;
  size_t count;
  uint32_t words[];
} block;

enum { CHAINS = 1 << 14 }; /* lists of blocks, by their address */
static block *blocks[CHAINS];
static const char *path;

static void on_call(qemu_plugin_id_t id, unsigned cpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3,
                    uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8) {
  (void)id, (void)cpu, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
  const int32_t mark = (int32_t)a1;
  if (number != CLOSE || (mark != -777001 && mark != -777002)) return;
  for (size_t i = 0; i < CHAINS; i++)
    for (block *b = blocks[i]; b; b = b->next)
      if (mark == -777001) b->before = b->runs;
      else b->between = b->runs - b->before;
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
  (void)id;
  const size_t count = qemu_plugin_tb_n_insns(tb);
  const uint64_t address = qemu_plugin_tb_vaddr(tb);
  block **const chain = &blocks[address / 4 % CHAINS], *b = *chain;
  /* The emulator may translate a block again. */
  while (b && (b->address != address || b->count != count)) b = b->next;
  if (!b) {
    b = calloc(1, sizeof *b + count * sizeof *b->words);
    if (!b) abort();
    const char *symbol = qemu_plugin_insn_symbol(qemu_plugin_tb_get_insn(tb, 0));
    b->symbol = strdup(symbol && *symbol ? symbol : "-");
    b->address = address;
    b->count = count;
    for (size_t i = 0; i < count; i++)
      memcpy(&b->words[i], qemu_plugin_insn_data(qemu_plugin_tb_get_insn(tb, i)), sizeof *b->words);
    b->next = *chain;
    *chain = b;
  }
  qemu_plugin_register_vcpu_tb_exec_inline(tb, INLINE_ADD_U64, &b->runs, 1);
}

static void on_exit_of_program(qemu_plugin_id_t id, void *user) {
  (void)id, (void)user;
  FILE *file = fopen(path, "w");
  if (!file) return;
  for (size_t chain = 0; chain < CHAINS; chain++) {
    for (const block *b = blocks[chain]; b; b = b->next) {
      if (!b->between) continue;
      fprintf(file, "%" PRIu64 " %s", b->between, b->symbol);
      for (size_t i = 0; i < b->count; i++) fprintf(file, " %08" PRIx32, b->words[i]);
      fputc('\n', file);
    }
  }
  fclose(file);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int count, char **arguments) {
  (void)info;
  for (int i = 0; i < count; i++)
    if (strncmp(arguments[i], "out=", 4) == 0) path = strdup(arguments[i] + 4);
  if (!path) return 1;
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
  qemu_plugin_register_vcpu_syscall_cb(id, on_call);
  qemu_plugin_register_atexit_cb(id, on_exit_of_program, NULL);
  return 0;
}
