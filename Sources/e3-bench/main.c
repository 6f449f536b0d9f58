#include "e3_command.h"

int e3_bench_main(int argc, char **argv);

int main(int argc, char **argv) {
  e3c_start("e3-bench");
  return e3_bench_main(argc, argv);
}
