/* e3_system.h - thin shims over Linux for Embedded Swift, which has no Glibc module. */
#ifndef E3_SYSTEM_H
#define E3_SYSTEM_H

#include "e3_threads.h"

#endif
