/* readers.c - damaged checkpoints, configurations and image files, as the host's tools read them. The code is in
 * readers/Readers.swift. */
#include <stddef.h>
#include <stdint.h>

int e3_fuzz_readers(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) { return e3_fuzz_readers(data, size); }
