#include "e3_system.h"
