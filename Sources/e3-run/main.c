int e3_run_main(int argc, char **argv);

int main(int argc, char **argv) { return e3_run_main(argc, argv); }
