#include "e3.h"
#include "e3_file.h"
#include "e3_versions.h"
// The headers must stand alone, and their layout assertions must hold.
