/* output_file.h - the file behind E3C_FILE, for command_output.c, and the folders of files that are written again and again. */
#ifndef E3_OUTPUT_FILE_H
#define E3_OUTPUT_FILE_H

#include <stdio.h>

/* Null outside of e3c_begin_file and e3c_end_file. */
FILE *output_file(void);

/* Whether the file that was begun last replaces one whose owner it may not be given to. */
int output_loses_owner(void);

/* Opens the folder at `path` in the place of `*descriptor`, -1 for none, unless that is this folder still: it may have been
 * removed and made anew. Returns 1 if it opened one, 0 if not, or minus an errno: then `*descriptor` is what it was. */
int output_folder(int *descriptor, const char *path);

#endif
