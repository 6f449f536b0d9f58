/*
 * version.c - the text of the file VERSION at the top of the package, which scripts and packages read as well.
 */
#include "e3.h"

#pragma clang diagnostic ignored "-Wc23-extensions" /* #embed */

/* VERSION ends without a line feed, so these are its bytes and a terminator. */
static const char version[] = {
#embed "../../VERSION"
    , 0};

const char *e3_version_text(void) { return version; }
