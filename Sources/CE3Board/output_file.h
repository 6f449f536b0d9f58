/* output_file.h - the file behind E3C_FILE, for command_output.c. */
#ifndef E3_OUTPUT_FILE_H
#define E3_OUTPUT_FILE_H

#include <stdio.h>

/* Null outside of e3c_begin_file and e3c_end_file. */
FILE *output_file(void);

#endif
