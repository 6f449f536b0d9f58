#include "e3_command.h"

int e3_run_main(int argc, char **argv);

int main(int argc, char **argv) {
  e3c_start("e3-run");
  return e3_run_main(argc, argv);
}
