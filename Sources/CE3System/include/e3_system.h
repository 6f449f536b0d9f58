/* e3_system.h - thin shims over Linux for Embedded Swift. */
#ifndef E3_SYSTEM_H
#define E3_SYSTEM_H
#include <stddef.h>
#include <stdint.h>
#endif
